package authority

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/bulkhead/bulkhead/internal/durable"
)

func sha(b []byte) [sha256.Size]byte { return sha256.Sum256(b) }

// makeDir makes a folder that only its owner can read, owned as the one it is in: a
// command that root types must not lock the service out.
func makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return sameOwner(dir, filepath.Dir(dir))
}

// replace writes a file whole or not at all, owned as its folder is.
func replace(path string, content []byte) error {
	return durable.ReplaceBy(path, func(f *os.File) error {
		_, err := f.Write(content)
		return errors.Join(err, sameOwner(f.Name(), filepath.Dir(path)))
	})
}
