//go:build !linux

package lab

import "errors"

// Do needs network namespaces, which only Linux has.
func (*Host) Do(func() error) error { return errors.ErrUnsupported }

func (*Host) pad(string, int) error { return errors.ErrUnsupported }
