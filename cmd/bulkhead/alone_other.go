//go:build !unix

package main

import "errors"

// alone fails: enforcement is Linux's.
func alone(string) (func() error, error) { return nil, errors.ErrUnsupported }
