package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// lockFolder takes the folder's lock. The lock belongs to the open file, which
// the engine inherits: it is free again only when both processes are gone.
func lockFolder(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, folderError(filepath.Dir(path), err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrLocked
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	// Who holds it is for error messages only; the lock is the open file's.
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
	}
	if err != nil {
		f.Close()
		return nil, folderError(filepath.Dir(path), err)
	}
	return f, nil
}

// prepareFolder creates dir and checks that it can be written and has room.
func prepareFolder(dir string, minFree int64) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return folderError(dir, err)
	}
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return folderError(dir, fmt.Errorf("%s: %w", dir, err))
	}
	free, err := freeBytes(dir)
	if err != nil {
		return fmt.Errorf("read free space of %s: %w", dir, err)
	}
	if free < minFree {
		return fmt.Errorf("%w: %d MiB are free in %s and the engine needs %d; make room or choose another folder with --data-dir",
			ErrDiskFull, free>>20, dir, minFree>>20)
	}
	return nil
}

func freeBytes(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * st.Bsize, nil
}

// machineMemory is the smaller of the machine's memory and the limit of the
// control group the process is in (v2 memory.max or v1 limit_in_bytes), in bytes.
func machineMemory() int64 {
	var info unix.Sysinfo_t
	total := int64(4 << 30)
	if unix.Sysinfo(&info) == nil {
		total = int64(info.Totalram) * int64(info.Unit)
	}
	for _, path := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 {
			total = min(total, n)
		}
	}
	return total
}

// attributes make the child die with its parent and keep the terminal's Ctrl-C
// from it, so that the program can drain before the engine stops.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
