// Package testenv says what a test needs of the machine. What is absent skips
// the test, unless REQUIRE names it: then the test fails, so that CI cannot pass
// by skipping.
package testenv

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Need skips t unless every named thing is there. A name is a program on PATH, or
// one of "root", "netns", "corpus", "engine", "ui". REQUIRE is a
// comma-separated list of names, or "all".
func Need(t testing.TB, names ...string) {
	t.Helper()
	for _, n := range names {
		why := missing(n)
		switch {
		case why == "":
		case required(n):
			t.Fatalf("%s is required here and missing: %s", n, why)
		default:
			t.Skipf("%s: %s", n, why)
		}
	}
}

func required(name string) bool {
	for _, r := range strings.Split(os.Getenv("REQUIRE"), ",") {
		if r = strings.TrimSpace(r); r == name || r == "all" {
			return true
		}
	}
	return false
}

func missing(name string) string {
	switch name {
	case "root":
		if os.Geteuid() != 0 {
			return "not root"
		}
	case "netns":
		if os.Geteuid() != 0 {
			return "network namespaces need root"
		}
		if _, err := os.Stat("/proc/self/ns/net"); err != nil {
			return err.Error()
		}
	case "corpus":
		if _, err := os.Stat(filepath.Join(Corpus(), "INDEX.md")); err != nil {
			return "no test corpus; set BULKHEAD_CORPUS"
		}
	case "engine":
		if _, err := os.Stat(EngineLibrary()); err != nil {
			return "no ClickHouse library; run make engine"
		}
	case "ui":
		for _, f := range []string{"dist/index.html", "node_modules/playwright-core", "node_modules/web-tree-sitter"} {
			if _, err := os.Stat(filepath.Join(Root(), "ui", f)); err != nil {
				return "dashboard not built; run make ui"
			}
		}
	default:
		if _, err := exec.LookPath(name); err != nil {
			return "not on PATH; run make deps"
		}
	}
	return ""
}

// Root is the top of the source tree.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// Corpus is the folder of real captures with independent expected results. It is
// not part of the repository.
func Corpus() string {
	if d := os.Getenv("BULKHEAD_CORPUS"); d != "" {
		return d
	}
	return filepath.Join(Root(), "..", "shared", "data")
}

// EngineLibrary is where make engine puts libchdb.so: $BULKHEAD_ENGINE, else the
// user's cache folder. The store's engine looks in the same place.
func EngineLibrary() string {
	if p := os.Getenv("BULKHEAD_ENGINE"); p != "" {
		return p
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	return filepath.Join(cache, "bulkhead", "libchdb.so")
}

// Unable skips t because the machine turned out not to be able to do what it
// needs, unless REQUIRE is "all": then the test fails.
func Unable(t testing.TB, format string, args ...any) {
	t.Helper()
	if required("all") {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}
