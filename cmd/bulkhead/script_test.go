package main

import (
	"os"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/store/engine"
)

// TestMain lets the test binary be the program: the engine's child, and the
// command `bulkhead` of the scripts.
func TestMain(m *testing.M) {
	if engine.IsChild() {
		engine.ChildMain()
	}
	testscript.Main(m, map[string]func(){"bulkhead": main})
}

// TestScripts runs the command line as a user types it. Scripts in testdata/script
// need nothing; those in testdata/engine use a real engine.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Setup: ownFolders})
}

func TestScriptsWithEngine(t *testing.T) {
	testenv.Need(t, "engine")
	testscript.Run(t, testscript.Params{Dir: "testdata/engine", Setup: ownFolders,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"cut-short": cutShort, "overlap": overlap}})
}

// ownFolders gives a script a data folder of its own, and the engine's library.
func ownFolders(e *testscript.Env) error {
	data := e.WorkDir + "/data"
	e.Setenv("HOME", e.WorkDir)
	e.Setenv("DATA", data)
	e.Setenv("BULKHEAD_ENGINE", testenv.EngineLibrary())
	return os.MkdirAll(data, 0o700)
}

// cutShort copies the first N bytes of a file: cut-short FROM TO N.
func cutShort(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[2])
	ts.Check(err)
	data, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), data[:n], 0o600))
}
