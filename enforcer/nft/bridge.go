package nft

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrBridge says that a machine that bridges cannot judge what it bridges.
var ErrBridge = errors.New("bridged packets do not meet the ruleset")

// BridgeSysctls is the folder CheckBridge looks into, of the caller's network
// namespace.
const BridgeSysctls = "/proc/sys/net/bridge"

// CheckBridge reports whether a ruleset for ModeGateway judges bridged packets too:
// the kernel must hand them to the forward hook, after connection tracking
// (br_netfilter). The error names the remedy. See docs/decisions/076.
func CheckBridge(dir string) error {
	var off []string
	for _, name := range []string{"bridge-nf-call-iptables", "bridge-nf-call-ip6tables"} {
		value, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("bridge: %w: the kernel module br_netfilter is not loaded; `modprobe br_netfilter`, "+
				"or route instead of bridging (--gateway), or put agents on the workloads", ErrBridge)
		}
		if err != nil {
			return fmt.Errorf("bridge: %w", err)
		}
		if strings.TrimSpace(string(value)) != "1" {
			off = append(off, "net.bridge."+name+"=1")
		}
	}
	if len(off) > 0 {
		return fmt.Errorf("bridge: %w: `sysctl -w %s`, and keep it in /etc/sysctl.d", ErrBridge, strings.Join(off, " "))
	}
	return nil
}
