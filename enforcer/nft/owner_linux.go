package nft

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// From linux/netfilter/nf_tables.h: NFT_TABLE_F_OWNER since 5.12, _PERSIST since
// 6.9.
const (
	tableOwner   = 0x2
	tablePersist = 0x4

	nftaTableOwner = 7 // NFTA_TABLE_OWNER: netlink port of the owner
)

// OpenOwner is Open for whoever keeps the connection as long as the ruleset
// matters: where the kernel can (6.9), no other program may change the table
// while the connection lives, not even root's nft, and the table stays when it
// ends. A table somebody else made is made anew, in the one transaction of the
// next Apply; one whose owner is gone is taken over. Elsewhere it is Open.
func OpenOwner(netns int) (*Kernel, error) {
	k, err := Open(netns)
	if err == nil {
		k.own = true
	}
	return k, err
}

// Ownership is whose the table is.
type Ownership struct {
	Exists  bool
	Owned   bool   // by a living program: only it can change the table
	Port    uint32 // that program's netlink port, usually its process id
	Persist bool   // the table outlives its owner
}

// Owner says whose the table is.
func (k *Kernel) Owner() (o Ownership, err error) {
	err = k.dump(unix.NFT_MSG_GETTABLE, nil, func(a []byte) error {
		if attrString(a, unix.NFTA_TABLE_NAME) == TableName {
			flags := attrU32(a, unix.NFTA_TABLE_FLAGS)
			o = Ownership{Exists: true, Owned: flags&tableOwner != 0, Persist: flags&tablePersist != 0, Port: attrU32(a, nftaTableOwner)}
		}
		return nil
	})
	if err != nil {
		err = fmt.Errorf("read whose the table is: %w", err)
	}
	return o, err
}

// claim is what a kernel connection must do to have the table for itself.
type claim uint8

const (
	noClaim  claim = iota // it is not wanted, or cannot be had
	keepHold              // say at every change that it is ours: it is, or will be new
	takeOver              // its owner is gone: say that it is ours, even without a change
	makeAnew              // it has no owner and cannot get one: delete it and make it again
)

func (k *Kernel) claims(fresh bool) (claim, error) {
	if !k.own {
		return noClaim, nil
	}
	if fresh {
		return keepHold, nil
	}
	o, err := k.Owner()
	switch {
	case err != nil:
		return noClaim, err
	case !o.Persist:
		return makeAnew, nil
	case !o.Owned:
		return takeOver, nil
	}
	return keepHold, nil
}

// explain names the owner as the reason why a change was not permitted.
func (k *Kernel) explain(err error) error {
	if !errors.Is(err, unix.EPERM) {
		return err
	}
	if o, whose := k.Owner(); whose == nil && o.Owned {
		return fmt.Errorf("table inet %s: %w (netlink port %d): %w", TableName, ErrOwned, o.Port, err)
	}
	return err
}
