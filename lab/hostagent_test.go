package lab_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/lab"
)

// onlyTheSwitch lets the payment switch reach the database, on the database's own
// host; lockOut is the same with the rule forgotten.
const (
	onlyTheSwitch = `apiVersion: bulkhead/v1
kind: Policy
metadata: {name: paydb}
spec:
  scope: {role: db, app: payments}
  stage: enforce
  rules:
  - {name: switch-to-db, from: [{role: switch, app: payments}], to: [{role: db, app: payments}], services: [tcp/5432]}
`
	lockOut = `apiVersion: bulkhead/v1
kind: Policy
metadata: {name: paydb}
spec:
  scope: {role: db, app: payments}
  stage: enforce
  egress: restrict
  rules: []
`
)

// A host protects itself, with a real database on it: what the policy allows works,
// what it forbids does not. A policy that forgets the one client cuts it, the
// program is killed before anybody confirms, and the kernel lets it in again.
func TestHostProtectsItselfAndTheGateOpens(t *testing.T) {
	testenv.Need(t, "engine", "go")
	l := up(t, lab.Options{Topology: lab.Payments(), WithoutTap: true})
	b := newBench(t, l)
	inventory := filepath.Join(l.Dir(), "inventory.yaml")
	file := func(name, text string) string {
		path := filepath.Join(l.Dir(), name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	config := file("short.yaml", "enforcer: {confirmWithin: 15s}\n")
	allowed, forbidden := lab.Query("switch", "paydb"), lab.Query("web", "paydb")
	must(t, l, allowed, forbidden)

	first := b.start("paydb", "enforce", file("only.yaml", onlyTheSwitch), "--inventory", inventory, "--confirm", "--watch")
	must(t, l, allowed)
	if err := l.Call(t.Context(), forbidden); err == nil {
		t.Error("the shop reaches the payment database")
	}
	first.stop()
	must(t, l, allowed) // the ruleset stays when the program ends

	second := b.start("paydb", "--config", config, "enforce", file("lockout.yaml", lockOut), "--inventory", inventory, "--watch")
	if err := l.Call(t.Context(), allowed); err == nil {
		t.Error("the lock-out locks nobody out")
	}
	if err := second.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := second.cmd.Wait(); err == nil {
		t.Error("the program ended by itself")
	}
	for deadline := time.Now().Add(2 * time.Minute); ; {
		err := l.Call(t.Context(), allowed)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the database is still closed: %v", err)
		}
	}
	if out, err := l.Host("paydb").Run(t.Context(), b.exe, "--data-dir", b.data, "enforce", "--release"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := l.Host("paydb").Run(t.Context(), "nft", "list", "ruleset"); err != nil || out != "" {
		t.Errorf("left behind: %v\n%s", err, out)
	}
	must(t, l, forbidden)
}
