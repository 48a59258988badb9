package enforcer_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/bulkhead/bulkhead/enforcer/netlab"
	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/policy"
)

// TestProcessMatch: rules for a unit hold for sockets of its control group only:
// inbound for the serving unit, outbound for the using one.
func TestProcessMatch(t *testing.T) {
	testenv.Need(t, "netns", "redis-server", "redis-cli")
	root, err := nft.CgroupRoot()
	if err != nil {
		testenv.Unable(t, "%v", err)
	}
	client, server := netlab.New(t), netlab.New(t)
	netlab.Join(t, "eth0", client, []string{"10.7.0.1/24"}, server, []string{"10.7.0.2/24"})
	good, other := makeCgroup(t, root, "bulkhead-good.service"), makeCgroup(t, root, "bulkhead-other.service")
	redis := func(port string, group *os.File) {
		startInGroup(t, server, group, "redis-server", "--port", port, "--bind", "10.7.0.2", "--save", "", "--protected-mode", "no", "--dir", t.TempDir())
	}
	redis("6379", good)
	redis("6380", other)
	startInGroup(t, client, nil, "redis-server", "--port", "6381", "--bind", "10.7.0.1", "--save", "", "--protected-mode", "no", "--dir", t.TempDir())
	ping := func(from *netlab.Space, group *os.File, host, port string) bool {
		return pingRedis(from, group, host, port)
	}
	eventually(t, "all servers answer", func() bool {
		return ping(client, nil, "10.7.0.2", "6379") && ping(client, nil, "10.7.0.2", "6380") && ping(server, good, "10.7.0.1", "6381")
	})

	groups, err := nft.FindCgroups(root, []string{"bulkhead-good.service"})
	if err != nil {
		t.Fatal(err)
	}
	set, host := processSet(), cacheHost()
	host.Cgroups = groups
	r, err := nft.Compile(set, host)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Losses) > 0 {
		t.Errorf("losses %v, want none where the group is known", r.Losses)
	}
	if _, err := openKernel(t, server).Apply(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		what       string
		from       *netlab.Space
		group      *os.File
		host, port string
		want       bool
	}{
		{"serving unit named by the rule", client, nil, "10.7.0.2", "6379", true},
		{"another unit serving", client, nil, "10.7.0.2", "6380", false},
		{"using unit named by the rule", server, good, "10.7.0.1", "6381", true},
		{"another unit using", server, other, "10.7.0.1", "6381", false},
	} {
		if got := ping(tc.from, tc.group, tc.host, tc.port); got != tc.want {
			t.Errorf("%s: answered %v, want %v", tc.what, got, tc.want)
		}
	}
}

// processSet lets anybody reach, and the cache reach anybody, through one unit.
func processSet() *policy.Set {
	set := cacheSet(policy.Enforce)
	any := []policy.Peer{{Any: true}}
	set.Policies[0].Egress = policy.EgressRestrict
	set.Policies[0].Rules = []policy.Rule{{Name: "good-only", From: any, To: any, Process: "bulkhead-good.service"}}
	return set
}

// TestUnknownProcessIsALoss: where the control group is not known, the rule
// matches nothing and the ruleset says so.
func TestUnknownProcessIsALoss(t *testing.T) {
	r, err := nft.Compile(processSet(), cacheHost())
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Losses) != 1 || !strings.Contains(r.Losses[0], "bulkhead-good.service") {
		t.Errorf("losses %v, want one that names the unit", r.Losses)
	}
	if !strings.Contains(r.String(), "# not expressed: ") {
		t.Error("the text does not show the loss")
	}
}

func pingRedis(from *netlab.Space, group *os.File, host, port string) bool {
	cmd := exec.Command("timeout", "1", "redis-cli", "-h", host, "-p", port, "ping")
	intoGroup(cmd, group)
	var out []byte
	from.Do(func() { out, _ = cmd.Output() })
	return strings.TrimSpace(string(out)) == "PONG"
}

func makeCgroup(t *testing.T, root, name string) *os.File {
	t.Helper()
	path := filepath.Join(root, name)
	if err := os.Mkdir(path, 0o755); err != nil {
		testenv.Unable(t, "control groups cannot be made here: %v", err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.Close()
		eventually(t, "the control group is empty", func() bool { return os.Remove(path) == nil })
	})
	return f
}

func intoGroup(cmd *exec.Cmd, group *os.File) {
	if group != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(group.Fd())}
	}
}

func startInGroup(t *testing.T, s *netlab.Space, group *os.File, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	intoGroup(cmd, group)
	var err error
	s.Do(func() { err = cmd.Start() })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
}
