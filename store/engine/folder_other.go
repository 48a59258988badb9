//go:build !linux

package engine

import (
	"errors"
	"os"
	"syscall"
)

func lockFolder(string) (*os.File, error) { return nil, errors.ErrUnsupported }
func prepareFolder(string, int64) error   { return errors.ErrUnsupported }
func machineMemory() int64                { return 4 << 30 }
func attributes() *syscall.SysProcAttr    { return &syscall.SysProcAttr{} }
