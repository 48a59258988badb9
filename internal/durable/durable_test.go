package durable_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/bulkhead/bulkhead/internal/durable"
)

func TestReplaceIsWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := durable.Replace(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("disk full")
	err := durable.ReplaceBy(path, func(f *os.File) error {
		_, err := f.WriteString("half")
		return errors.Join(err, broken)
	})
	if text, _ := os.ReadFile(path); !errors.Is(err, broken) || string(text) != "old" {
		t.Errorf("a write that failed left %q, %v", text, err)
	}
	if err := durable.Replace(path, []byte("new")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	left, _ := os.ReadDir(dir)
	if text, _ := os.ReadFile(path); err != nil || string(text) != "new" || info.Mode().Perm() != 0o600 || len(left) != 1 {
		t.Errorf("%q, mode %v, %d files, %v", text, info.Mode(), len(left), err)
	}
	if err := durable.Replace(filepath.Join(dir, "none", "f"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("into no folder: %v", err)
	}
}

func TestIDStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "id")
	first, err := durable.ID(path)
	again, err2 := durable.ID(path)
	if len(first) != 32 || first != again || err != nil || err2 != nil {
		t.Errorf("%q then %q, %v, %v", first, again, err, err2)
	}
	if other, err := durable.ID(path + "2"); other == first || err != nil {
		t.Errorf("two files have the id %q, %v", other, err)
	}
}
