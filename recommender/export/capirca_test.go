package export_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/internal/testenv"
)

// compileCapirca runs aclgen over our three files; edit may change the policy.
func compileCapirca(t *testing.T, edit func(string) string) (files map[string]string, log string, err error) {
	t.Helper()
	dir := t.TempDir()
	for name, format := range map[string]string{"pol/bulkhead.pol": "capirca", "def/bulkhead.net": "capirca-networks", "def/bulkhead.svc": "capirca-services"} {
		text, _ := render(t, format, shop(t))
		if format == "capirca" {
			text = edit(text)
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(dir, "out")
	if err := os.Mkdir(out, 0o755); err != nil {
		t.Fatal(err)
	}
	text, err := exec.CommandContext(t.Context(), "aclgen", "--base_directory", dir, "--definitions_directory", filepath.Join(dir, "def"), "--output_directory", out).CombinedOutput()
	files = map[string]string{}
	paths, globErr := filepath.Glob(filepath.Join(out, "*"))
	if globErr != nil {
		t.Fatal(globErr)
	}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(filepath.Ext(p), ".")] = string(b)
	}
	return files, string(text), err
}

// capircaFiles are the files aclgen writes of our policy: by target, the suffix,
// and how it writes the two servers' addresses, IPv4 and IPv6.
var capircaFiles = map[string]struct{ suffix, v4, v6 string }{
	"arista": {"eacl", "host 10.0.2.1", "host fd00::1:1"}, "arista_tp": {"atp", "10.0.2.1/32", "fd00::1:1/128"}, "brocade": {"bacl", "host 10.0.2.1", "host fd00::1:1"},
	"cisco": {"acl", "host 10.0.2.1", "host fd00::1:1"}, "ciscoasa": {"asa", "host 10.0.2.1", ""}, "cisconx": {"nxacl", "host 10.0.2.1", "host fd00::1:1"},
	"ciscoxr": {"xacl", "host 10.0.2.1", "host fd00::1:1"}, "juniper": {"jcl", "10.0.2.1/32", "fd00::1:1/128"}, "msmpc": {"msmpc", "10.0.2.1/32", "fd00::1:1/128"},
	"packetfilter": {"pf", "10.0.2.1/32", "fd00::1:1/128"}, "paloalto": {"xml", "10.0.2.1/32", "fd00::1:1/128"}, "srx": {"srx", "10.0.2.1/32", "fd00::1:1/128"},
}

// capirca compiles the three files to every target named in them, for both address
// families.
func TestCapircaCompiles(t *testing.T) {
	testenv.Need(t, "aclgen")
	files, log, err := compileCapirca(t, func(s string) string { return s })
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	for target, want := range capircaFiles {
		text := files[want.suffix]
		for _, part := range []string{want.v4, want.v6, "5432"} {
			if !strings.Contains(text, part) {
				t.Errorf("%s: no %q in a file of %d bytes", target, part, len(text))
			}
		}
	}
	if len(files) != len(capircaFiles) {
		t.Errorf("%d files of %d targets", len(files), len(capircaFiles))
	}
}

// notCapirca are the targets of the installed capirca that are not offered, and
// why: they would say something else than the policy, cannot take our terms, or
// filter no traffic between hosts.
var notCapirca = map[string]string{
	"nftables": "drops ports; ICMPv6 terms match everything in the IPv4 family", "windows_advfirewall": "blocks come before allows", "aruba": "IPv4 alone",
	"ipset": "names are cut at 24 characters; iptables has a format of its own", "iptables": "as ipset", "speedway": "as ipset",
	"cloudarmor": "no ICMP types", "gce": "no ICMP types", "gcp_hf": "no ICMP types", "k8s": "no ICMP types", "openconfig": "no established option", "nsxv": "one filter a file",
	"pcap": "no file name with a directory", "juniperevo": "asks for the side of the interface",
	"srxlo": "the device's own loopback",
}

// debianPython is the interpreter Debian's python3-capirca is installed for.
const debianPython = "/usr/bin/python3"

// Every target the installed capirca knows is either compiled or left out for a
// reason.
func TestCapircaTargetsAreKnown(t *testing.T) {
	testenv.Need(t, "aclgen", debianPython)
	source, err := exec.CommandContext(t.Context(), debianPython, "-c", "import importlib.util as u; print(open(u.find_spec('capirca.aclgen').origin).read())").Output()
	if err != nil {
		t.Fatal(err)
	}
	var named []string
	for _, m := range regexp.MustCompile(`if '([a-z0-9_]+)' in platforms`).FindAllStringSubmatch(string(source), -1) {
		named = append(named, m[1])
	}
	if len(named) < 20 {
		t.Fatalf("only %v were found in aclgen", named)
	}
	for _, n := range named {
		_, offered := capircaFiles[n]
		if _, left := notCapirca[n]; offered == left {
			t.Errorf("%s: compiled %v, left out %v", n, offered, left)
		}
	}
	policy, _ := render(t, "capirca", shop(t))
	for target := range capircaFiles {
		if !slices.Contains(named, target) || strings.Count(policy, "target:: "+target+" ") != 2 {
			t.Errorf("%s is not one of capirca's targets or not in both headers", target)
		}
	}
}

// The kernel's own tool takes what capirca's nftables generator writes of our
// files: names, sets and comments are sound, whatever that generator makes of the
// meaning (see notCapirca). Single ICMP types end it, and it forgets a space where
// a term matches everything.
func TestCapircaForNftablesLoads(t *testing.T) {
	testenv.Need(t, "aclgen", "nft", "unshare", "netns")
	targets, single := regexp.MustCompile(`(?m)(^  target::.*\n)+`), regexp.MustCompile(`(?m)^  icmp-type:: \S+\n`)
	files, log, err := compileCapirca(t, func(s string) string {
		return single.ReplaceAllString(targets.ReplaceAllString(s, "  target:: nftables inet INPUT\n"), "")
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	path := filepath.Join(t.TempDir(), "bulkhead.nft")
	text := strings.ReplaceAll(files["nft"], "ct state newaccept", "ct state new accept")
	if strings.Count(text, "chain shop-prod-") < 8 {
		t.Fatalf("chains are missing:\n%s", text)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "unshare", "-n", "nft", "-c", "-f", path).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
