//go:build !linux

package netflow_test

import "time"

var began = time.Now()

// busy is the time since the test began: the processor's is not to be had here.
func busy() time.Duration { return time.Since(began) }
