package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"time"
)

// spool is a writer's own folder of batch files. The folder is locked while its
// writer lives, so that writers of several programs can share one parent folder
// and adopt what dead ones left.
type spool struct {
	dir  string
	lock *os.File
}

const batchSuffix = ".batch"

// openSpool takes a folder of its own under parent and moves the files of dead
// writers into it.
func openSpool(parent string) (*spool, error) {
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	var s *spool
	for i := 0; s == nil; i++ {
		dir := filepath.Join(parent, fmt.Sprintf("w%d", i))
		lock, err := lockDir(dir)
		switch {
		case err == nil:
			s = &spool{dir: dir, lock: lock}
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return nil, fmt.Errorf("open spool in %s: %w", dir, err)
		}
	}
	others, err := filepath.Glob(filepath.Join(parent, "w*"))
	if err != nil {
		return nil, err
	}
	for _, dir := range others {
		if dir != s.dir {
			s.inherit(dir)
		}
	}
	return s, nil
}

// inherit moves the batches of a folder nobody holds into ours. What cannot be
// moved stays for the next writer.
func (s *spool) inherit(dir string) {
	lock, err := lockDir(dir)
	if err != nil {
		return
	}
	defer lock.Close()
	files, _ := filepath.Glob(filepath.Join(dir, "*"+batchSuffix)) // the pattern is well formed
	for _, f := range files {
		_ = os.Rename(f, filepath.Join(s.dir, filepath.Base(f))) // stays where it is: see above
	}
}

func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// path names a new batch file so that names sort by age.
func (s *spool) path(id batchID, at time.Time) string {
	return filepath.Join(s.dir, fmt.Sprintf("%020d-%s%s", at.UnixNano(), id.token(), batchSuffix))
}

// files lists the batch files, oldest first, and removes half-written ones.
func (s *spool) files() ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		path := filepath.Join(s.dir, e.Name())
		switch {
		case strings.HasSuffix(path, batchSuffix):
			out = append(out, path)
		case strings.HasSuffix(path, ".tmp"):
			os.Remove(path) // never had its name: never acknowledged
		}
	}
	sort.Strings(out)
	return out, nil
}

// setAside moves a file that cannot be stored out of the way, for a person to
// look at, and deletes it when it cannot be moved.
func (s *spool) setAside(path string) string {
	dir := filepath.Join(filepath.Dir(s.dir), "refused")
	to := filepath.Join(dir, filepath.Base(path))
	if os.MkdirAll(dir, 0o700) != nil || os.Rename(path, to) != nil {
		os.Remove(path)
		return ""
	}
	return to
}

func (s *spool) close() error { return s.lock.Close() }
