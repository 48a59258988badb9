package lab

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// Host is one host of a lab that is up; safe for concurrent use.
type Host struct {
	Name      string
	FQDN      string
	Namespace string // name for ip-netns(8)
	Addr      netip.Addr
	Addr6     netip.Addr
	Labels    topology.Labels
	lab       *Lab
	made      bool
}

// Command returns a command that will run on the host, with the host's network
// and resolver.
func (h *Host) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", h.Namespace, name}, args...)...)
}

// Run runs a command on the host and returns what it wrote; the error holds it
// too.
func (h *Host) Run(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	var out bytes.Buffer
	cmd := h.Command(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %s: %w: %s", h.Name, name, err, strings.TrimSpace(out.String()))
	}
	return out.String(), nil
}

// Dial opens a connection from the host. The context bounds the attempt.
func (h *Host) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	var conn net.Conn
	err := h.Do(func() (err error) {
		// A literal address: no other thread takes part in the connect.
		conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// await waits until a service of the host answers on every port, asking from the
// host itself so that nothing is seen on the wire.
func (h *Host) await(ctx context.Context, s Service) error {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	var last error
	for {
		if last = h.answers(ctx, s); last == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return last
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (h *Host) answers(ctx context.Context, s Service) error {
	for _, svc := range s.Serves {
		if svc.Proto != flow.TCP {
			continue
		}
		for _, a := range []netip.Addr{h.Addr, h.Addr6} {
			c, err := h.Dial(ctx, "tcp", netip.AddrPortFrom(a, svc.Port).String())
			if err != nil {
				return err
			}
			c.Close()
		}
	}
	return nil
}

// daemon is a server the lab started.
type daemon struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // of Wait, once done is closed
}

// start runs a server on the host, its output in DIR/HOST/NAME.log.
func (l *Lab) start(h *Host, name string, cmd *exec.Cmd) (*daemon, error) {
	if _, err := l.hostDir(h, ""); err != nil {
		return nil, err
	}
	out, err := os.Create(l.logFile(h.Name, name))
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	d := &daemon{cmd: cmd, done: make(chan struct{})}
	go func() {
		d.err = cmd.Wait()
		close(d.done)
	}()
	l.daemons = append(l.daemons, d)
	return d, nil
}

func (l *Lab) logFile(host, name string) string { return l.dir + "/" + host + "/" + name + ".log" }

// tail returns the end of a server's log for an error message.
func (l *Lab) tail(host, name string) string {
	b, err := os.ReadFile(l.logFile(host, name))
	if err != nil || len(b) == 0 {
		return ""
	}
	return "\n" + string(b[max(0, len(b)-600):])
}

// stop ends the server and its children: asked first, forced after five seconds.
func (d *daemon) stop() {
	group := -d.cmd.Process.Pid
	syscall.Kill(group, syscall.SIGTERM)
	select {
	case <-d.done:
	case <-time.After(5 * time.Second):
	}
	syscall.Kill(group, syscall.SIGKILL) // children that did not follow; none is fine
	<-d.done
}
