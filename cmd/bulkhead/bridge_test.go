package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/fleet"
)

// TestBridgeSaysWhenNothingIsJudged: a gateway that bridges tells its controller when
// the kernel does not hand it what it bridges, and when it does again.
func TestBridgeSaysWhenNothingIsJudged(t *testing.T) {
	s := &selfReport{bridge: filepath.Join(t.TempDir(), "bridge")}
	problem := func() string {
		s.judged()
		var b fleet.Heartbeat
		s.fill(&b)
		return b.Problem
	}
	if got := problem(); !strings.Contains(got, "modprobe br_netfilter") {
		t.Errorf("without the module: %q", got)
	}
	if err := os.Mkdir(s.bridge, 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(name, value string) {
		if err := os.WriteFile(filepath.Join(s.bridge, name), []byte(value+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("bridge-nf-call-iptables", "1")
	write("bridge-nf-call-ip6tables", "0")
	if got := problem(); !strings.Contains(got, "sysctl -w net.bridge.bridge-nf-call-ip6tables=1`") {
		t.Errorf("with IPv6 not judged: %q", got)
	}
	write("bridge-nf-call-ip6tables", "1")
	if got := problem(); got != "" {
		t.Errorf("with all judged: %q", got)
	}
	s.bridge = ""
	if got := problem(); got != "" {
		t.Errorf("on a router: %q", got)
	}
}
