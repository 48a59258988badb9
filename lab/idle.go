package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// idleFor is how long a process must do nothing to be done with what it was sent.
const idleFor = 400 * time.Millisecond

// Idle waits until the processes of the groups have done nothing for a while: no
// thread runs or wants to, and no processor time passes. So one knows, without
// guessing how slow the machine is, that observers have worked off what the kernel
// had for them. A group that is gone is idle.
func Idle(ctx context.Context, groups ...int) error {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	last, since := int64(-1), time.Now()
	for {
		ticks, sleeping := effort(groups)
		if !sleeping || ticks != last {
			last, since = ticks, time.Now()
		}
		if time.Since(since) >= idleFor {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("process groups %v do not come to rest: %w", groups, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// effort adds up the processor time of process groups in clock ticks, and says
// whether all their threads sleep (proc(5), /proc/PID/stat).
func effort(groups []int) (ticks int64, sleeping bool) {
	sleeping = true
	threads, err := filepath.Glob("/proc/[0-9]*/task/[0-9]*/stat")
	if err != nil {
		return 0, true
	}
	for _, path := range threads {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // ended meanwhile
		}
		// The name in parentheses may hold anything; what follows is fields 3 on.
		text := string(b)
		fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
		if len(fields) < 13 {
			continue
		}
		if group, _ := strconv.Atoi(fields[2]); !slices.Contains(groups, group) {
			continue
		}
		user, _ := strconv.ParseInt(fields[11], 10, 64)
		system, _ := strconv.ParseInt(fields[12], 10, 64)
		ticks += user + system
		sleeping = sleeping && (fields[0] == "S" || fields[0] == "I" || fields[0] == "Z")
	}
	return ticks, sleeping
}

// idle waits until all the daemons have come to rest.
func idle(ctx context.Context, daemons ...*daemon) error {
	groups := make([]int, len(daemons))
	for i, d := range daemons {
		groups[i] = d.cmd.Process.Pid
	}
	return Idle(ctx, groups...)
}
