package nft

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// CgroupRoot finds where cgroup version 2 is mounted: /sys/fs/cgroup, or beside
// version 1 in /sys/fs/cgroup/unified.
func CgroupRoot() (string, error) {
	f, err := os.Open("/proc/self/mounts")
	if err != nil {
		return "", fmt.Errorf("find cgroup v2: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if field := strings.Fields(lines.Text()); len(field) > 2 && field[2] == "cgroup2" {
			return field[1], nil
		}
	}
	return "", fmt.Errorf("find cgroup v2: %w", errors.Join(lines.Err(), fs.ErrNotExist))
}

// FindCgroups resolves units ("api.service") to the control groups of that name
// below root; ("a/b.service") to that path. A unit that runs nowhere, or under
// several groups of the same name, is left out.
func FindCgroups(root string, units []string) (map[string]Cgroup, error) {
	found := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a group that ended meanwhile
		}
		if err != nil || !d.IsDir() || path == root {
			return err
		}
		rel := strings.TrimPrefix(path, root+"/")
		for _, name := range []string{filepath.Base(rel), rel} {
			if slices.Contains(units, name) && !slices.Contains(found[name], rel) {
				found[name] = append(found[name], rel)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find control groups: %w", err)
	}
	out := map[string]Cgroup{}
	for name, paths := range found {
		if len(paths) != 1 {
			continue
		}
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(root, paths[0]), &st); err != nil {
			return nil, fmt.Errorf("find control group %s: %w", paths[0], err)
		}
		out[name] = Cgroup{Level: uint32(strings.Count(paths[0], "/") + 1), Path: paths[0], ID: st.Ino}
	}
	return out, nil
}
