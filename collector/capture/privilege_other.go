//go:build !linux

package capture

import (
	"errors"
	"fmt"
)

// DropPrivileges returns errors.ErrUnsupported.
func DropPrivileges(string) error {
	return fmt.Errorf("drop privileges: %w", errors.ErrUnsupported)
}
