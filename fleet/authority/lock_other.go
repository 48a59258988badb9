//go:build !unix

package authority

import "errors"

// lock fails: a controller needs a file lock that other processes respect.
func lock(string) (func(), error) { return nil, errors.ErrUnsupported }

func sameOwner(string, string) error { return nil }
