package flow

import (
	"fmt"
	"strconv"
	"strings"
)

// Scope separates overlapping address spaces. 0 is the common space; an
// operator who says that networks overlap gives each VLAN or VNI its own.
type Scope uint32

// vniScope marks scopes of virtual networks; the rest is the VNI, 24 bits
// (RFC 7348 §5).
const vniScope = 1 << 31

// VLANScope is the space of a VLAN, or of one inside another (802.1ad); both 0 to
// 4095.
func VLANScope(outer, inner uint16) Scope { return Scope(uint32(outer)<<12 | uint32(inner)&0xfff) }

// VNIScope is the space of a VXLAN, Geneve or GRE network.
func VNIScope(vni uint32) Scope { return Scope(vni | vniScope) }

// String gives "vlan100", "vlan100.7" (7 inside 100), "vni5001", a plain number
// for a space that an exporter was given, "" for the common one.
func (s Scope) String() string {
	outer, inner := uint32(s)>>12, uint32(s)&0xfff
	switch {
	case s == 0:
		return ""
	case s&vniScope != 0:
		return "vni" + strconv.FormatUint(uint64(s&^vniScope), 10)
	case outer == 0 || outer > 0xfff:
		return strconv.FormatUint(uint64(s), 10)
	case inner == 0:
		return "vlan" + strconv.FormatUint(uint64(outer), 10)
	}
	return fmt.Sprintf("vlan%d.%d", outer, inner)
}

// ParseScope is the inverse of String; it takes any number too.
func ParseScope(text string) (Scope, error) {
	fail := fmt.Errorf("%q is no address space; they are written vlan100, vlan100.7, vni5001 or as a number", text)
	number := func(s string, limit uint64) (uint32, bool) {
		n, err := strconv.ParseUint(s, 10, 32)
		return uint32(n), err == nil && n <= limit
	}
	if text == "" {
		return 0, nil
	}
	if s, ok := strings.CutPrefix(text, "vni"); ok {
		n, ok := number(s, 1<<31-1)
		if !ok {
			return 0, fail
		}
		return VNIScope(n), nil
	}
	if s, ok := strings.CutPrefix(text, "vlan"); ok {
		a, b, double := strings.Cut(s, ".")
		outer, ok := number(a, 0xfff)
		inner, okInner := uint32(0), true
		if double {
			inner, okInner = number(b, 0xfff)
		}
		if !ok || !okInner {
			return 0, fail
		}
		return VLANScope(uint16(outer), uint16(inner)), nil
	}
	n, ok := number(text, 1<<32-1)
	if !ok {
		return 0, fail
	}
	return Scope(n), nil
}

// MarshalYAML writes a scope as people say it.
func (s Scope) MarshalYAML() (any, error) { return s.String(), nil }

// UnmarshalYAML is the inverse of MarshalYAML; it takes numbers too.
func (s *Scope) UnmarshalYAML(decode func(any) error) error {
	var text string
	if err := decode(&text); err != nil {
		return err
	}
	v, err := ParseScope(text)
	*s = v
	return err
}
