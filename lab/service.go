package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/bulkhead/bulkhead/flow"
)

// Service is a real server on a host.
type Service struct {
	Name   string
	Serves []flow.Service
	start  func(ctx context.Context, l *Lab, h *Host) error
}

func tcp(ports ...uint16) (out []flow.Service) {
	for _, p := range ports {
		out = append(out, flow.Service{Proto: flow.TCP, Port: p})
	}
	return out
}

// Nginx serves a page over plain HTTP on the ports.
func Nginx(ports ...uint16) Service {
	return Service{"nginx", tcp(ports...), func(_ context.Context, l *Lab, h *Host) error {
		dir, err := l.hostDir(h, "nginx")
		if err != nil {
			return err
		}
		var listen strings.Builder
		for _, p := range ports {
			fmt.Fprintf(&listen, "listen %s:%d; listen [%s]:%d; ", h.Addr, p, h.Addr6, p)
		}
		config := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log stderr;
events { worker_connections 256; }
http { access_log off; client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;
server { %[2]s location / { return 200 "%[3]s\n"; } } }
`, dir, listen.String(), h.Name)
		path := filepath.Join(dir, "nginx.conf")
		if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
			return err
		}
		_, err = l.start(h, "nginx", h.Command(context.Background(), "nginx", "-p", dir, "-c", path))
		return err
	}}
}

// Redis serves a cache on port 6379.
func Redis() Service {
	return Service{"redis", tcp(6379), func(_ context.Context, l *Lab, h *Host) error {
		dir, err := l.hostDir(h, "redis")
		if err != nil {
			return err
		}
		_, err = l.start(h, "redis", h.Command(context.Background(), "redis-server", "--dir", dir, "--save", "", "--port", "6379",
			"--bind", h.Addr.String(), h.Addr6.String(), "--protected-mode", "no"))
		return err
	}}
}

// Postgres serves a database on port 5432; everybody in the lab may log in as
// "postgres" without a password.
func Postgres() Service {
	return Service{"postgres", tcp(5432), func(ctx context.Context, l *Lab, h *Host) error {
		bin, err := postgresBin()
		if err != nil {
			return err
		}
		asUser, uid, gid, err := credential("postgres")
		if err != nil {
			return err
		}
		dir, err := l.hostDir(h, "postgres")
		if err != nil {
			return err
		}
		if err := os.Chown(dir, uid, gid); err != nil {
			return err
		}
		data := filepath.Join(dir, "data")
		initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-A", "trust", "-N", "-U", "postgres")
		initdb.SysProcAttr = &syscall.SysProcAttr{Credential: asUser}
		initdb.Dir = dir
		if out, err := initdb.CombinedOutput(); err != nil {
			return fmt.Errorf("initdb: %w: %s", err, out)
		}
		hba := "host all all 198.18.0.0/15 trust\nhost all all fd42:c612::/32 trust\n"
		if err := os.WriteFile(filepath.Join(data, "pg_hba.conf"), []byte(hba), 0o644); err != nil {
			return err
		}
		// setpriv(1) drops root after "ip netns exec" has used it.
		_, err = l.start(h, "postgres", h.Command(context.Background(), "setpriv", "--reuid", strconv.Itoa(uid), "--regid", strconv.Itoa(gid), "--clear-groups",
			filepath.Join(bin, "postgres"), "-D", data, "-c", "listen_addresses="+h.Addr.String()+","+h.Addr6.String(), "-c", "unix_socket_directories="+dir, "-c", "fsync=off"))
		return err
	}}
}

// postgresBin is where Debian keeps the server of the newest version installed.
func postgresBin() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil || len(found) == 0 {
		return "", errors.New("no /usr/lib/postgresql/*/bin/postgres: install the package postgresql")
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1]), nil
}

func credential(name string) (c *syscall.Credential, uid, gid int, err error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, 0, 0, err
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, uid, gid, errors.Join(err1, err2)
}

// Dnsmasq resolves the names of all hosts, over UDP and TCP port 53.
func Dnsmasq() Service {
	serves := []flow.Service{{Proto: flow.TCP, Port: 53}, {Proto: flow.UDP, Port: 53}}
	return Service{"dnsmasq", serves, func(_ context.Context, l *Lab, h *Host) error {
		args := []string{"--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--user=root", "--bind-interfaces", "--pid-file",
			"--listen-address=" + h.Addr.String(), "--listen-address=" + h.Addr6.String(), "--log-facility=-", "--local=/" + l.domain() + "/"}
		for _, spec := range l.topo.Hosts {
			to := l.hosts[spec.Name]
			args = append(args, "--host-record="+to.FQDN+","+to.Addr.String()+","+to.Addr6.String())
		}
		_, err := l.start(h, "dnsmasq", h.Command(context.Background(), "dnsmasq", args...))
		return err
	}}
}
