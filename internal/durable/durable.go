// Package durable writes small files that must survive a crash: whole or not at
// all, and on disk when the call returns.
package durable

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Replace writes a file of mode 0600.
func Replace(path string, content []byte) error {
	return ReplaceBy(path, func(f *os.File) error {
		_, err := f.Write(content)
		return err
	})
}

// ReplaceBy is Replace for content that write writes. What else the new file must
// be before it takes its name, such as owned by somebody, write sees to.
func ReplaceBy(path string, write func(*os.File) error) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".new-*") // which makes it 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when all went well
	err = errors.Join(write(f), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return err
	}
	return SyncDir(dir)
}

// SyncDir has what was created, renamed and removed in a folder on disk (fsync(2),
// notes).
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// ID reads the name of 32 hexadecimal digits that the file holds, or makes one up
// and keeps it there.
func ID(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err == nil && len(text) == 32 {
		return string(text), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	raw := make([]byte, 16)
	if _, err := io.ReadFull(rand.Reader, raw); err != nil {
		return "", err
	}
	id := hex.EncodeToString(raw)
	return id, Replace(path, []byte(id))
}
