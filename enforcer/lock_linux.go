package enforcer

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lock waits until no other process works on the state folder, an agent or a
// command, and keeps others out until unlock.
func (s *state) lock() (unlock func(), err error) {
	f, err := os.OpenFile(s.path("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("enforcer state: %w", err)
	}
	for {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX); err != unix.EINTR {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("enforcer state: lock %s: %w", f.Name(), err)
	}
	return func() { f.Close() }, nil // which gives up the lock
}
