package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"sort"
	"syscall"
	"time"
)

// process is what the kernel accounted to one finished command, children included.
type process struct {
	cpu  time.Duration // user + system
	wall time.Duration
	rss  int64 // peak resident set of the largest process, bytes
	out  []byte
}

// measure runs a command to its end and returns the kernel's own accounting of it
// (getrusage(2) of the waited-for child).
func measure(ctx context.Context, name string, args ...string) (process, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return process{}, fmt.Errorf("%s: %w: %s", name, err, tail(out.Bytes()))
	}
	return account(cmd.ProcessState, time.Since(start), out.Bytes()), nil
}

func account(ps *os.ProcessState, wall time.Duration, out []byte) process {
	r := process{cpu: ps.UserTime() + ps.SystemTime(), wall: wall, out: out}
	if ru, ok := ps.SysUsage().(*syscall.Rusage); ok {
		r.rss = ru.Maxrss * 1024 // getrusage(2): kilobytes
	}
	return r
}

func tail(b []byte) string {
	const keep = 300
	if len(b) > keep {
		b = b[len(b)-keep:]
	}
	return string(b)
}

// median returns the run with the median CPU time of n, after one warm-up, so that
// caches are equally warm for every tool.
func median(ctx context.Context, n int, name string, args ...string) (process, error) {
	if _, err := measure(ctx, name, args...); err != nil {
		return process{}, err
	}
	runs := make([]process, 0, n)
	for range n {
		r, err := measure(ctx, name, args...)
		if err != nil {
			return process{}, err
		}
		runs = append(runs, r)
	}
	sort.Slice(runs, func(i, j int) bool { return runs[i].cpu < runs[j].cpu })
	return runs[n/2], nil
}
