package enforcer_test

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/enforcer/netlab"
	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// TestBridge: on a bridge the gateway's ruleset judges what is bridged, once the
// kernel hands it over; until then the check refuses and names the remedy.
func TestBridge(t *testing.T) {
	testenv.Need(t, "netns")
	client, bridge, server := netlab.New(t), netlab.New(t), netlab.New(t)
	netlab.Join(t, "left", client, []string{"10.7.0.1/24"}, bridge, nil)
	netlab.Join(t, "right", server, []string{"10.7.0.2/24"}, bridge, nil)
	bridge.Bridge(t, "br0", "left", "right")
	echo(t, server, "10.7.0.2:443")
	echo(t, server, "10.7.0.2:22")
	eventually(t, "the bridge forwards", func() bool { return reaches(client, "10.7.0.2:443") && reaches(client, "10.7.0.2:22") })
	check := func() (err error) {
		bridge.Do(func() { err = nft.CheckBridge(nft.BridgeSysctls) })
		return err
	}
	if _, err := os.Stat(nft.BridgeSysctls); err != nil {
		testenv.Unable(t, "no br_netfilter: %v", err)
	}
	for _, name := range []string{"bridge-nf-call-iptables", "bridge-nf-call-ip6tables"} {
		bridge.Sysctl(t, "bridge/"+name, "0")
	}
	apply(t, openKernel(t, bridge), bridgedSet(), bridgedHost(), "")
	if err := check(); !errors.Is(err, nft.ErrBridge) || !strings.Contains(err.Error(), "sysctl -w net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1") {
		t.Errorf("not handed over: %v", err)
	}
	if !reaches(client, "10.7.0.2:22") {
		t.Error("what the check says is not so: bridged packets are judged")
	}
	for _, name := range []string{"bridge-nf-call-iptables", "bridge-nf-call-ip6tables"} {
		bridge.Sysctl(t, "bridge/"+name, "1")
	}
	if err := check(); err != nil {
		t.Errorf("handed over: %v", err)
	}
	if !reaches(client, "10.7.0.2:443") {
		t.Error("what the policy allows is not bridged")
	}
	if reaches(client, "10.7.0.2:22") {
		t.Error("what the policy blocks is bridged")
	}
}

func bridgedHost() nft.Host {
	return nft.Host{Mode: nft.ModeGateway, Workloads: []nft.Workload{
		{ID: "client", Labels: topology.Labels{"role": "client"}, Addrs: []netip.Addr{netip.MustParseAddr("10.7.0.1")}},
		{ID: "server", Labels: topology.Labels{"role": "server"}, Addrs: []netip.Addr{netip.MustParseAddr("10.7.0.2")}},
	}}
}

func bridgedSet() *policy.Set {
	set := closed(policy.Enforce)
	set.Policies[0].Rules = []policy.Rule{{Name: "https", From: []policy.Peer{{Selector: policy.Select(topology.Labels{"role": "client"})}},
		To: []policy.Peer{{Selector: policy.Select(topology.Labels{"role": "server"})}}, Services: []policy.Service{{Proto: 6, From: 443, To: 443}}}}
	return set
}

// TestBridgeWithoutModule: where the kernel part is not there, the check says so.
func TestBridgeWithoutModule(t *testing.T) {
	err := nft.CheckBridge(filepath.Join(t.TempDir(), "bridge"))
	if !errors.Is(err, nft.ErrBridge) || !strings.Contains(err.Error(), "modprobe br_netfilter") {
		t.Errorf("CheckBridge = %v", err)
	}
}
