package engine_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/store/engine"
)

func TestMain(m *testing.M) {
	if engine.IsChild() {
		engine.ChildMain()
	}
	if dir := os.Getenv(ownerVariable); dir != "" {
		own(dir)
	}
	os.Exit(m.Run())
}

func start(t *testing.T, opt engine.Options) *engine.Engine {
	t.Helper()
	testenv.Need(t, "engine")
	e, stop, err := engine.Start(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return e
}

func connect(t *testing.T, dsn string) driver.Conn {
	t.Helper()
	opt, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	opt.Auth.Database = "default"
	conn, err := clickhouse.Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func run(t *testing.T, conn driver.Conn, query string) {
	t.Helper()
	if err := conn.Exec(t.Context(), query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func count(t *testing.T, conn driver.Conn, query string) (n uint64) {
	t.Helper()
	// A restarting engine refuses connections for a moment.
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := conn.QueryRow(t.Context(), query).Scan(&n)
		if err == nil {
			return n
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", query, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestAnswersOnLoopbackOnly(t *testing.T) {
	e := start(t, engine.Options{Dir: t.TempDir()})
	conn := connect(t, e.DSN())
	if n := count(t, conn, "SELECT toUInt64(1)"); n != 1 {
		t.Fatalf("got %d", n)
	}
	tcp, err := os.ReadFile("/proc/" + itoa(e.PID()) + "/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	port := portHex(t, e.DSN())
	for _, line := range strings.Split(string(tcp), "\n") {
		f := strings.Fields(line)
		if len(f) > 3 && f[3] == "0A" && strings.HasSuffix(f[1], ":"+port) && !strings.HasPrefix(f[1], "0100007F:") {
			t.Errorf("listens on %s, want 127.0.0.1 only", f[1])
		}
	}
}

func TestAcknowledgedRowsSurviveDeathOfTheEngine(t *testing.T) {
	e := start(t, engine.Options{Dir: t.TempDir()})
	conn := connect(t, e.DSN())
	run(t, conn, "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
	run(t, conn, "INSERT INTO t SELECT number FROM numbers(1000)")
	dsn, pid := e.DSN(), e.PID()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if n := count(t, conn, "SELECT count() FROM t"); n != 1000 {
		t.Errorf("%d rows after kill -9, want 1000", n)
	}
	if e.DSN() != dsn {
		t.Error("the address changed at a restart")
	}
	if e.PID() == pid || e.Starts() != 2 {
		t.Errorf("pid %d after %d, %d starts; want a second start", e.PID(), pid, e.Starts())
	}
}

func TestDefaultUserMayDoNothing(t *testing.T) {
	e := start(t, engine.Options{Dir: t.TempDir()})
	own := connect(t, e.DSN())
	run(t, own, "CREATE TABLE secret (a UInt64) ENGINE = MergeTree ORDER BY a")
	at := strings.Split(strings.SplitN(e.DSN(), "@", 2)[1], "/")[0]
	conn := connect(t, "clickhouse://default:@"+at+"/default")
	for _, query := range []string{
		"SELECT * FROM default.secret",
		"INSERT INTO default.secret VALUES (1)",
		"CREATE TABLE default.mine (a UInt8) ENGINE = MergeTree ORDER BY a",
		"SELECT * FROM file('/etc/passwd', 'LineAsString')",
		"SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
		"CREATE USER intruder",
		"DROP TABLE default.secret",
		"SYSTEM SHUTDOWN",
	} {
		err := conn.Exec(t.Context(), query)
		var ex *clickhouse.Exception
		if !errors.As(err, &ex) || ex.Code != 497 { // ACCESS_DENIED
			t.Errorf("%s: got %v, want access denied", query, err)
		}
	}
	wrong := connect(t, "clickhouse://"+engine.Owner+":guess@"+at+"/default")
	if err := wrong.Ping(t.Context()); err == nil {
		t.Error("a wrong password was accepted")
	}
}

func TestSecretsAreReadableByTheOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "engine")
	e := start(t, engine.Options{Dir: dir})
	_, password, _ := strings.Cut(strings.SplitN(e.DSN(), "@", 2)[0], engine.Owner+":")
	cmdline, err := os.ReadFile("/proc/" + itoa(e.PID()) + "/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	if password == "" || strings.Contains(string(cmdline), password) || strings.Contains(e.String(), password) {
		t.Errorf("password shown: %q %q", cmdline, e)
	}
	for name, want := range map[string]os.FileMode{".": 0o700, "config.xml": 0o600, "users.xml": 0o600, "endpoint.json": 0o600, "identity": 0o600, "engine.lock": 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		} else if info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", name, info.Mode().Perm(), want)
		}
	}
}

func TestSecondProgramSharesOrIsRefused(t *testing.T) {
	dir := t.TempDir()
	first := start(t, engine.Options{Dir: dir})
	second := start(t, engine.Options{Dir: dir})
	if second.DSN() != first.DSN() || second.PID() != 0 || !second.Attached() || first.Attached() {
		t.Errorf("second engine is %s with pid %d, want the first's", second, second.PID())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := engine.Open(ctx, engine.Options{Dir: dir, Exclusive: true})
	if !errors.Is(err, engine.ErrLocked) || !strings.Contains(err.Error(), "program "+itoa(os.Getpid())) {
		t.Errorf("got %v, want ErrLocked and our process id", err)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	testenv.Need(t, "engine")
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		opt    engine.Options
		want   error
		remedy string
	}{
		{"library missing", engine.Options{Dir: dir, Binary: "-", Library: "/nowhere/libchdb.so"}, engine.ErrNoEngine, "make engine"},
		{"folder is a file", engine.Options{Dir: file}, engine.ErrNotWritable, "--data-dir"},
		{"disk full", engine.Options{Dir: dir, MinFreeBytes: 1 << 60}, engine.ErrDiskFull, "make room"},
	} {
		_, err := engine.Open(t.Context(), c.opt)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.remedy) {
			t.Errorf("%s: got %v, want %v and the words %q", c.name, err, c.want, c.remedy)
		}
	}
}

func TestLibraryThatIsNone(t *testing.T) {
	testenv.Need(t, "engine")
	dir := t.TempDir()
	bad := filepath.Join(dir, "libchdb.so")
	if err := os.WriteFile(bad, []byte("no library"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, _, err := engine.Start(t.Context(), engine.Options{Dir: filepath.Join(dir, "e"), Binary: "-", Library: bad})
	if err == nil || !strings.Contains(err.Error(), bad) {
		t.Errorf("got %v, want an error naming %s", err, bad)
	}
}

func TestServerThatDoesNotAnswer(t *testing.T) {
	_, _, err := engine.Start(t.Context(), engine.Options{DSN: "clickhouse://127.0.0.1:1/x", StartTimeout: 300 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") || !strings.Contains(err.Error(), "refused") || !strings.Contains(err.Error(), "--clickhouse") {
		t.Errorf("got %v, want the address, the cause and the remedy", err)
	}
}

func TestStartStopsWithItsContext(t *testing.T) {
	testenv.Need(t, "engine")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := engine.Start(ctx, engine.Options{Dir: t.TempDir()}); err == nil {
		t.Error("started although its context had ended")
	}
}
