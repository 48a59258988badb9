package scenario

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// firstHost is the first host number given out in a block; the lower ones are
// left to routers.
const firstHost = 10

// addresses hands out IPv4 addresses: blocks of a site to whoever asks for the
// first time, then addresses of the block until it is full and another is taken.
type addresses struct {
	blocks   map[string]int // next free block by site
	current  map[string]*block
	taken    map[netip.Addr]bool // of scattered addresses
	scatter  bool
	generate rng
}

type block struct {
	prefix netip.Prefix
	next   uint32
}

func newAddresses(seed uint64, scatter bool) *addresses {
	return &addresses{
		blocks: map[string]int{}, current: map[string]*block{}, taken: map[netip.Addr]bool{},
		scatter: scatter, generate: derive(seed, tagAddress),
	}
}

// next returns an address for a member of group at the site.
func (a *addresses) next(site *SiteSpec, group string) (netip.Addr, error) {
	if a.scatter {
		return a.anywhere(), nil
	}
	key := site.Name + "|" + group
	b := a.current[key]
	if b == nil || b.next >= 1<<(32-b.prefix.Bits())-1 {
		p, err := a.newBlock(site)
		if err != nil {
			return netip.Addr{}, err
		}
		b = &block{p, firstHost}
		a.current[key] = b
	}
	addr := offset(b.prefix.Addr(), b.next)
	b.next++
	return addr, nil
}

func (a *addresses) newBlock(site *SiteSpec) (netip.Prefix, error) {
	n := a.blocks[site.Name]
	if n >= 1<<(site.Block-site.Prefix.Bits()) {
		return netip.Prefix{}, fmt.Errorf("scenario: site %s: %s has no /%d left", site.Name, site.Prefix, site.Block)
	}
	a.blocks[site.Name] = n + 1
	return netip.PrefixFrom(offset(site.Prefix.Addr(), uint32(n)<<(32-site.Block)), site.Block), nil
}

// anywhere returns an unused address of 10.0.0.0/8 that says nothing.
func (a *addresses) anywhere() netip.Addr {
	for {
		v := a.generate.next()
		addr := netip.AddrFrom4([4]byte{10, byte(v >> 16), byte(v >> 8), byte(v)})
		if last := byte(v); last != 0 && last != 255 && !a.taken[addr] {
			a.taken[addr] = true
			return addr
		}
	}
}

// offset returns the IPv4 address n after a.
func offset(a netip.Addr, n uint32) netip.Addr {
	b := a.As4()
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])+n)
	return netip.AddrFrom4(b)
}

// toIPv6 gives the unique local address (RFC 4193) of a dual-stack workload: its
// IPv4 address is the interface identifier's tail.
func toIPv6(a netip.Addr) netip.Addr {
	v4 := a.As4()
	b := [16]byte{0xfd, 0x4b, 0x1d, 0x2e, 0x3c, 0x4f, v4[1], v4[2]}
	copy(b[12:], v4[:])
	return netip.AddrFrom16(b)
}

// addOutside appends the hosts of Spec.Outside after the workloads.
func (e *Estate) addOutside() error {
	for i := range e.spec.Outside {
		o := &e.spec.Outside[i]
		n := o.Hosts
		if o.Per > 0 {
			n *= e.times(o.Per)
		}
		for k := range n {
			p := o.Prefixes[k%len(o.Prefixes)]
			step := uint32(k/len(o.Prefixes)) + 1
			if p.Addr().Is4() && p.Bits() < 32 && uint64(step) >= 1<<(32-p.Bits())-1 {
				return fmt.Errorf("scenario %s: outside %s: %s is too small for %d hosts", e.spec.Name, o.Name, p, n)
			}
			h := host{app: -1, role: int32(i), site: int32(k)}
			switch {
			case p.IsSingleIP():
				h.v4 = p.Addr()
			case p.Addr().Is4():
				h.v4 = offset(p.Masked().Addr(), step)
			default:
				b := p.Masked().Addr().As16()
				binary.BigEndian.PutUint32(b[12:], step)
				h.v6 = netip.AddrFrom16(b)
			}
			if len(o.Domains) > 0 && !e.opts.Noise.NoNames {
				h.name = o.Domains[k%len(o.Domains)]
			}
			e.hosts = append(e.hosts, h)
		}
	}
	return nil
}
