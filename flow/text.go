package flow

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The text forms below are what JSON and YAML documents, the API and the command
// line use.

// MarshalText gives the String form.
func (s Service) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (s *Service) UnmarshalText(b []byte) (err error) { *s, err = ParseService(string(b)); return err }

// ParseService reads "tcp/443", "icmp/8/0" or a protocol without ports.
func ParseService(text string) (Service, error) {
	proto, rest, _ := strings.Cut(text, "/")
	p, err := ParseProto(proto)
	if err != nil {
		return Service{}, fmt.Errorf("service %q: %w", text, err)
	}
	s := Service{Proto: p}
	switch {
	case p == ICMP || p == ICMPv6:
		kind, code, _ := strings.Cut(rest, "/")
		k, err1 := strconv.ParseUint(kind, 10, 8)
		c, err2 := strconv.ParseUint(code, 10, 8)
		if err1 != nil || err2 != nil {
			return Service{}, fmt.Errorf("service %q: want %s/TYPE/CODE", text, proto)
		}
		s.Port = uint16(k)<<8 | uint16(c)
	case HasPorts(p):
		n, err := strconv.ParseUint(rest, 10, 16)
		if err != nil {
			return Service{}, fmt.Errorf("service %q: want %s/PORT", text, proto)
		}
		s.Port = uint16(n)
	case rest != "":
		return Service{}, fmt.Errorf("service %q: %s has no ports", text, proto)
	}
	return s, nil
}

// MarshalText gives RFC 3339 with nanoseconds in UTC, or nothing for 0.
func (t Time) MarshalText() ([]byte, error) {
	if t == 0 {
		return []byte{}, nil
	}
	return t.Std().AppendFormat(nil, time.RFC3339Nano), nil
}

// UnmarshalText is the inverse of MarshalText.
func (t *Time) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*t = 0
		return nil
	}
	v, err := time.Parse(time.RFC3339Nano, string(b))
	if err != nil {
		return err
	}
	*t = TimeOf(v)
	return nil
}

// MarshalText gives the String form.
func (o Outcome) MarshalText() ([]byte, error)  { return []byte(o.String()), nil }
func (e Evidence) MarshalText() ([]byte, error) { return []byte(e.String()), nil }
func (k NameKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (e *Evidence) UnmarshalText(b []byte) error {
	v, ok := ParseEvidence(string(b))
	if !ok {
		return fmt.Errorf("unknown evidence %q", b)
	}
	*e = v
	return nil
}

// UnmarshalText is the inverse of MarshalText.
func (o *Outcome) UnmarshalText(b []byte) error {
	v, ok := ParseOutcome(string(b))
	if !ok {
		return fmt.Errorf("unknown outcome %q", b)
	}
	*o = v
	return nil
}
