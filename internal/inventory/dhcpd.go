package inventory

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/bulkhead/bulkhead/topology"
)

// readDHCPD reads ISC dhcpd.leases(5), of both families: the history of who held
// which address from when to when. Statements it does not know are passed over,
// with the blocks they open.
func readDHCPD(data []byte, file string) (*topology.Inventory, error) {
	r := dhcpdReader{file: file}
	for n, line := range strings.Split(string(data), "\n") {
		r.line = n + 1
		words, err := dhcpdWords(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, r.line, err)
		}
		if err := r.statement(words); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, r.line, err)
		}
	}
	if len(r.blocks) > 0 {
		return nil, fmt.Errorf("%s: the last lease is not closed", file)
	}
	return r.book.inventory(), nil
}

// dhcpdReader is where in a lease file reading is.
type dhcpdReader struct {
	file   string
	line   int
	blocks []string  // the words that opened the blocks we are in
	duid   []byte    // of the ia-na we are in
	seen   time.Time // when its client was heard of last
	lease  lease
	book   leaseBook
}

func (r *dhcpdReader) statement(words []string) (err error) {
	if len(words) == 0 {
		return nil
	}
	switch last := words[len(words)-1]; {
	case last == "{":
		return r.open(words[:len(words)-1])
	case words[0] == "}":
		if len(r.blocks) == 0 {
			return fmt.Errorf("a block is closed that was not opened")
		}
		if k := r.blocks[len(r.blocks)-1]; k == "lease" || k == "iaaddr" {
			r.book.add(r.lease)
		}
		r.blocks = r.blocks[:len(r.blocks)-1]
		return nil
	}
	switch in := strings.Join(r.blocks[max(len(r.blocks)-1, 0):], ""); {
	case in == "lease" || in == "iaaddr":
		return r.field(words)
	case (in == "ia-na" || in == "ia-ta") && words[0] == "cltt":
		r.seen, err = dhcpdTime(words[1:])
	}
	return err
}

// open begins a block: a lease, an identity association, an address in one, or
// something else.
func (r *dhcpdReader) open(words []string) (err error) {
	kind := ""
	if len(words) > 0 {
		kind = words[0]
	}
	r.blocks = append(r.blocks, kind)
	switch {
	case kind == "lease" || kind == "iaaddr":
		if len(words) != 2 {
			return fmt.Errorf("%s: want an address", kind)
		}
		a, err := addr(words[1], fmt.Sprintf("%s:%d", r.file, r.line), kind)
		if err != nil {
			return fmt.Errorf("%s: %q is no address", kind, words[1])
		}
		r.lease = lease{addr: a}
		if kind == "iaaddr" && len(r.duid) > 0 {
			r.lease.hardware, r.lease.addr.From = hardwareOfDUID(r.duid), r.seen
		}
	case (kind == "ia-na" || kind == "ia-ta") && len(words) == 2:
		r.duid, r.seen = nil, time.Time{}
		if id := words[1]; len(id) > 4 {
			r.duid = []byte(id)[4:] // after the IAID
		}
	}
	return nil
}

func (r *dhcpdReader) field(f []string) (err error) {
	l := &r.lease
	switch {
	case f[0] == "starts":
		l.addr.From, err = dhcpdTime(f[1:])
	case f[0] == "ends":
		l.addr.To, err = dhcpdTime(f[1:])
	case f[0] == "hardware" && len(f) == 3:
		l.hardware = f[2]
	case f[0] == "client-hostname" && len(f) == 2:
		l.name = f[1]
	}
	return err
}

// dhcpdTime reads "never", "epoch SECONDS" or "WEEKDAY YYYY/MM/DD HH:MM:SS", UTC.
func dhcpdTime(f []string) (time.Time, error) {
	switch {
	case len(f) == 1 && f[0] == "never":
		return time.Time{}, nil
	case len(f) == 2 && f[0] == "epoch":
		s, err := strconv.ParseInt(f[1], 10, 64)
		return time.Unix(s, 0).UTC(), err
	case len(f) == 3:
		return time.Parse("2006/01/02 15:04:05", f[1]+" "+f[2])
	}
	return time.Time{}, fmt.Errorf("%q is no time", strings.Join(f, " "))
}

// dhcpdWords splits a line: words, quoted strings with \" and octal \NNN undone,
// comments and the semicolon at its end left out.
func dhcpdWords(line string) ([]string, error) {
	var words []string
	for i := 0; i < len(line); {
		switch c := line[i]; {
		case c == '#':
			return words, nil
		case c == ' ' || c == '\t' || c == ';' || c == '\r':
			i++
		case c == '"':
			text, n, err := dhcpdString(line[i:])
			if err != nil {
				return nil, err
			}
			words, i = append(words, text), i+n
		default:
			end := i
			for end < len(line) && !strings.ContainsRune(" \t;\r#", rune(line[end])) {
				end++
			}
			words, i = append(words, line[i:end]), end
		}
	}
	return words, nil
}

// dhcpdString undoes a quoted string and says how long it was.
func dhcpdString(s string) (text string, n int, err error) {
	var b []byte
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return string(b), i + 1, nil
		case s[i] == '\\' && i+3 < len(s) && octal(s[i+1:i+4]):
			v, _ := strconv.ParseUint(s[i+1:i+4], 8, 16)
			b, i = append(b, byte(v)), i+3
		case s[i] == '\\' && i+1 < len(s):
			b, i = append(b, s[i+1]), i+1
		default:
			b = append(b, s[i])
		}
	}
	return "", 0, fmt.Errorf("a string is not closed")
}

func octal(s string) bool { return strings.Trim(s, "01234567") == "" }
