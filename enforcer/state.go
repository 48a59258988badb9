package enforcer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/bulkhead/bulkhead/internal/durable"
)

// state is the folder in which an enforcer keeps what it must know after a crash:
//
//	confirmed       number of the version in force
//	pending         number of a version applied and not confirmed; absent usually
//	versions/7.json the newest versions applied
//	versions/7.watch the watch over that change, with what it counted
//	journal.jsonl   the newest steps, in order; journal.old.jsonl those before
//
// Each file is replaced whole (written aside, synced, renamed), the journal
// appended and synced.
type state struct{ dir string }

func openState(dir string) (*state, error) {
	s := &state{dir}
	if err := os.MkdirAll(s.path("versions"), 0o700); err != nil {
		return nil, fmt.Errorf("enforcer state: %w", err)
	}
	return s, nil
}

func (s *state) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

// load reads the version a pointer file names; nil when there is none.
func (s *state) load(pointer string) (*Version, error) {
	n, err := s.pointed(pointer)
	if err != nil || n == 0 {
		return nil, err
	}
	return s.version(n)
}

// pointed reads a pointer file; 0 when there is none.
func (s *state) pointed(pointer string) (int, error) {
	text, err := os.ReadFile(s.path(pointer))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("enforcer state: %w", err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("enforcer state: %s: %w", s.path(pointer), err)
	}
	return n, nil
}

func (s *state) version(n int) (*Version, error) {
	text, err := os.ReadFile(s.path("versions", strconv.Itoa(n)+".json"))
	if err != nil {
		return nil, fmt.Errorf("enforcer state: version %d: %w", n, err)
	}
	v := &Version{}
	if err := json.Unmarshal(text, v); err != nil {
		return nil, fmt.Errorf("enforcer state: version %d: %w", n, err)
	}
	return v, nil
}

// numbers lists the versions there are, ascending.
func (s *state) numbers() (out []int, err error) {
	entries, err := os.ReadDir(s.path("versions"))
	if err != nil {
		return nil, fmt.Errorf("enforcer state: %w", err)
	}
	for _, e := range entries {
		if n, err := strconv.Atoi(strings.TrimSuffix(e.Name(), ".json")); err == nil {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out, nil
}

// keepVersions is how many versions are kept beside those still referred to: an
// agent whose inventory changes makes many.
const keepVersions = 50

// prune forgets old versions, but for what v refers to.
func (s *state) prune(v *Version) error {
	numbers, err := s.numbers()
	if err != nil || len(numbers) <= keepVersions {
		return err
	}
	keep := map[int]bool{v.Number: true, v.Replaces: true, v.WatchOf: true}
	if v.WatchOf != 0 {
		if changed, err := s.version(v.WatchOf); err == nil {
			keep[changed.Replaces] = true
		}
	}
	for _, n := range numbers[:len(numbers)-keepVersions] {
		if keep[n] {
			continue
		}
		for _, name := range []string{s.watchFile(n), s.path("versions", strconv.Itoa(n)+".json")} {
			if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("enforcer state: %w", err)
			}
		}
	}
	return nil
}

func (s *state) save(v *Version) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("enforcer state: version %d: %w", v.Number, err)
	}
	return s.replace(text, "versions", strconv.Itoa(v.Number)+".json")
}

func (s *state) point(pointer string, n int) error {
	return s.replace([]byte(strconv.Itoa(n)+"\n"), pointer)
}

// unpoint removes a pointer; that it is not there is no error.
func (s *state) unpoint(pointer string) error {
	if err := os.Remove(s.path(pointer)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("enforcer state: %w", err)
	}
	if err := durable.SyncDir(s.dir); err != nil {
		return fmt.Errorf("enforcer state: %w", err)
	}
	return nil
}

func (s *state) replace(content []byte, name ...string) error {
	path := s.path(name...)
	if err := durable.Replace(path, content); err != nil {
		return fmt.Errorf("enforcer state: write %s: %w", path, err)
	}
	return nil
}
