package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// How the child is kept alive.
const (
	firstBackoff  = 100 * time.Millisecond
	maxBackoff    = 10 * time.Second
	healthyAfter  = time.Minute // a child that lived so long starts the backoff afresh
	startsBefore  = 3           // failed starts before the first answer that end Run
	startsLater   = 8           // failed starts in a row, later, that end Run
	stopPatience  = 10 * time.Second
	probeInterval = 20 * time.Millisecond
)

// Run keeps the engine alive until ctx ends. It returns nil for a clean stop, and
// an error when the engine cannot be started or keeps dying; the error holds the
// end of what the engine had to say.
func (e *Engine) Run(ctx context.Context) error {
	if e.mode() == kindRemote || e.Attached() {
		if inherited, err := e.follow(ctx); !inherited {
			return err
		}
		e.opt.Log.Info("the program that ran the engine has ended; running it here", "engine", e.String())
	}
	return e.serve(ctx)
}

// serve keeps our own child alive.
func (e *Engine) serve(ctx context.Context) error {
	defer e.lock.Close()
	defer os.Remove(e.at.endpoint())
	backoff, failures := firstBackoff, 0
	for {
		began := time.Now()
		answered, err := e.runOnce(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if answered {
			failures = 0
		} else {
			failures++
		}
		if time.Since(began) > healthyAfter {
			backoff = firstBackoff
		}
		if failures >= e.patience() {
			return err
		}
		e.opt.Log.Warn("engine died; starting it again", "engine", e.String(), "error", err, "in", backoff)
		if err := e.freshPort(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(backoff):
		}
		backoff = min(backoff*2, maxBackoff)
	}
}

// patience is how many starts in a row may fail.
func (e *Engine) patience() int {
	if e.answered() {
		return startsLater
	}
	return startsBefore
}

// freshPort takes another port as long as nobody has been told the DSN.
func (e *Engine) freshPort() error {
	if e.answered() {
		return nil
	}
	port, err := freePort()
	if err != nil {
		return fmt.Errorf("find a free port on loopback: %w", err)
	}
	e.setPort(port)
	return nil
}

// runOnce runs the child once. answered says that it was ready before it ended.
func (e *Engine) runOnce(ctx context.Context) (answered bool, err error) {
	if err := prepareFolder(e.at.dir, e.opt.MinFreeBytes); err != nil {
		return false, err
	}
	if err := e.writeConfig(); err != nil {
		return false, folderError(e.at.dir, err)
	}
	said := &tail{}
	dead := make(chan error, 1) // one exit status; the child's thread never blocks on it
	started := make(chan *os.Process, 1)
	go e.child(said, started, dead)
	proc, ok := <-started
	if !ok {
		return false, <-dead
	}
	e.starts.Add(1)
	e.pid.Store(int64(proc.Pid))
	defer func() { e.healthy.Store(false); e.pid.Store(0) }()

	probe, cancel := context.WithTimeout(ctx, e.opt.StartTimeout)
	defer cancel()
	up := make(chan error, 1) // one result
	go func() { up <- e.awaitAnswer(probe) }()
	select {
	case err := <-dead:
		return false, e.explain(err, said)
	case err := <-up:
		if err != nil {
			e.stop(proc, dead)
			return false, e.explain(fmt.Errorf("no answer in %s: %w", e.opt.StartTimeout, err), said)
		}
	}
	if err := e.publish(proc.Pid); err != nil {
		e.stop(proc, dead)
		return false, err
	}
	e.setReady()
	e.opt.Log.Info("engine answers", "engine", e.String(), "pid", proc.Pid)
	select {
	case err := <-dead:
		return true, e.explain(err, said)
	case <-ctx.Done():
		e.stop(proc, dead)
		return true, nil
	}
}

// child starts the program and waits for it on one locked thread: the parent
// death signal is tied to the thread that forked, not to the process (prctl(2)).
func (e *Engine) child(said *tail, started chan<- *os.Process, dead chan<- error) {
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	args := append([]string(nil), e.command[1:]...)
	if e.mode() == kindEmbedded {
		args = append(args, e.libraryArgs()...)
	}
	cmd := exec.Command(e.command[0], args...)
	cmd.Dir = e.at.dir
	cmd.Stdout, cmd.Stderr = said, said
	cmd.SysProcAttr = attributes()
	cmd.ExtraFiles = []*os.File{e.lock} // fd 3: the lock lives as long as the child
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		dead <- fmt.Errorf("start %s: %w", e.command[0], err)
		close(started)
		return
	}
	started <- cmd.Process
	dead <- cmd.Wait()
}

// stop ends the child: politely, then by force.
func (e *Engine) stop(proc *os.Process, dead <-chan error) {
	_ = proc.Signal(syscall.SIGTERM) // gone already: the wait below returns
	select {
	case <-dead:
	case <-time.After(stopPatience):
		_ = proc.Kill()
		<-dead
	}
}

// explain adds what the child said, and names a full disk.
func (e *Engine) explain(err error, said *tail) error {
	text := said.String()
	if log, readErr := os.ReadFile(e.at.log()); readErr == nil {
		text += "\n" + lastErrors(string(log))
	}
	if strings.Contains(text, "No space left on device") {
		return fmt.Errorf("%w: the engine could not write to %s; make room or choose another folder with --data-dir", ErrDiskFull, e.at.dir)
	}
	if err == nil {
		err = errors.New("it ended by itself")
	}
	if text = strings.TrimSpace(text); text != "" {
		return fmt.Errorf("engine in %s: %w: %s", e.at.dir, err, text)
	}
	return fmt.Errorf("engine in %s: %w", e.at.dir, err)
}

// lastErrors returns the last lines of an engine log that are errors.
func lastErrors(log string) string {
	lines := strings.Split(log, "\n")
	var keep []string
	for i := len(lines) - 1; i >= 0 && len(keep) < 3; i-- {
		if strings.Contains(lines[i], "<Error>") || strings.Contains(lines[i], "<Fatal>") {
			keep = append(keep, lines[i])
		}
	}
	return strings.Join(keep, "\n")
}

// tail keeps the last bytes written to it. Safe for concurrent use by exec.Cmd,
// which serialises writers that are the same value.
type tail struct{ buf []byte }

var _ io.Writer = (*tail)(nil)

const tailBytes = 4096

func (t *tail) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p...)
	if n := len(t.buf) - tailBytes; n > 0 {
		t.buf = append(t.buf[:0], t.buf[n:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.buf) }
