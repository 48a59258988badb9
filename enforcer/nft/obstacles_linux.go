package nft

import (
	"cmp"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// Obstacle is another table's base chain that may drop what ours lets pass: a
// packet must survive every chain of its hook, whatever their order.
type Obstacle struct {
	Table Table
	Chain string
	Hook  Hook
	// DropsRest says that the chain's policy is drop: whatever its rules do not
	// accept is lost.
	DropsRest bool
	// Drops counts the rules of its table that drop or reject.
	Drops int
}

func (o Obstacle) String() string {
	s := fmt.Sprintf("table %s %s chain %s (%s)", o.Table.Family, o.Table.Name, o.Chain, hookNames[o.Hook])
	if o.DropsRest {
		s += ": drops what it does not accept"
	}
	if o.Drops > 0 {
		s += fmt.Sprintf("; its table has %d rules that drop or reject", o.Drops)
	}
	return s
}

var familyNames = map[uint8]string{unix.NFPROTO_INET: "inet", unix.NFPROTO_IPV4: "ip", unix.NFPROTO_IPV6: "ip6"}

// Obstacles lists, in a fixed order, the foreign base chains on the hooks we use
// that can drop. It reads only. Chains of other families than ip, ip6 and inet
// (bridge, netdev) are not looked at.
func (k *Kernel) Obstacles() ([]Obstacle, error) {
	drops, err := k.droppingRules()
	if err != nil {
		return nil, fmt.Errorf("look at other tables: %w", err)
	}
	var out []Obstacle
	err = k.askFamily(unix.NFPROTO_UNSPEC, unix.NFT_MSG_GETCHAIN, unix.NLM_F_DUMP, nil, func(family uint8, a []byte) error {
		t := Table{familyNames[family], attrString(a, unix.NFTA_CHAIN_TABLE)}
		h := attr(a, unix.NFTA_CHAIN_HOOK)
		if h == nil || t.Family == "" || (t == Table{"inet", TableName}) {
			return nil
		}
		o := Obstacle{
			Table: t, Chain: attrString(a, unix.NFTA_CHAIN_NAME), Hook: hookByNumber[attrU32(h, unix.NFTA_HOOK_HOOKNUM)],
			DropsRest: attrU32(a, unix.NFTA_CHAIN_POLICY) != nfAccept, Drops: drops[t],
		}
		if o.Hook != NoHook && (o.DropsRest || o.Drops > 0) {
			out = append(out, o)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look at other tables: %w", err)
	}
	slices.SortFunc(out, func(a, b Obstacle) int {
		return cmp.Or(cmp.Compare(a.Table.Family, b.Table.Family), cmp.Compare(a.Table.Name, b.Table.Name), cmp.Compare(a.Chain, b.Chain))
	})
	return out, nil
}

// droppingRules counts the rules per table that end in drop or reject.
func (k *Kernel) droppingRules() (map[Table]int, error) {
	out := map[Table]int{}
	err := k.askFamily(unix.NFPROTO_UNSPEC, unix.NFT_MSG_GETRULE, unix.NLM_F_DUMP, nil, func(family uint8, a []byte) error {
		dropping := false
		eachAttr(attr(a, unix.NFTA_RULE_EXPRESSIONS), func(_ uint16, e []byte) {
			dropping = dropping || drops(attrString(e, unix.NFTA_EXPR_NAME), attr(e, unix.NFTA_EXPR_DATA))
		})
		if dropping {
			out[Table{familyNames[family], attrString(a, unix.NFTA_RULE_TABLE)}]++
		}
		return nil
	})
	return out, err
}

// drops reports whether an expression ends a packet. iptables' own targets are
// compat expressions called "target".
func drops(name string, data []byte) bool {
	switch name {
	case "reject":
		return true
	case "target":
		target := attrString(data, unix.NFTA_TARGET_NAME)
		return target == "REJECT" || target == "DROP"
	case "immediate":
		if attrU32(data, unix.NFTA_IMMEDIATE_DREG) != unix.NFT_REG_VERDICT {
			return false
		}
		v := attr(attr(data, unix.NFTA_IMMEDIATE_DATA), unix.NFTA_DATA_VERDICT)
		return v != nil && attr(v, unix.NFTA_VERDICT_CODE) != nil && attrU32(v, unix.NFTA_VERDICT_CODE) == nfDrop
	}
	return false
}

const nfDrop = 0 // NF_DROP of linux/netfilter.h
