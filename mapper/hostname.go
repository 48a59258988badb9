package mapper

import (
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// hostName is what a machine's name says. The zero value says nothing.
type hostName struct {
	stem   string   // first label with runs of digits as '#': "pos-#-#"
	tokens []string // words of all labels but the registered domain, in order
	env    string   // canonical environment word found, or ""
}

// envWords maps the words that people put into names to the env label.
var envWords = map[string]string{
	"prod": "prod", "prd": "prod", "production": "prod", "live": "prod",
	"dev": "dev", "devel": "dev", "development": "dev",
	"stg": "staging", "stage": "staging", "staging": "staging", "preprod": "staging", "uat": "staging",
	"test": "test", "tst": "test", "qa": "test", "int": "test",
	"dr": "dr",
}

// parseHostName takes a name apart. Names that are only an address written as a
// name ("ip-10-0-0-1", "10.0.0.1") say nothing.
func parseHostName(name string) hostName {
	if _, err := netip.ParseAddr(strings.TrimSpace(strings.SplitN(name, "@", 2)[0])); err == nil || name == "" {
		return hostName{}
	}
	name = strings.ToLower(name)
	if reg, err := publicsuffix.EffectiveTLDPlusOne(name); err == nil && reg != name {
		name = strings.TrimSuffix(name, "."+reg)
	}
	first, _, _ := strings.Cut(name, ".")
	h := hostName{stem: stemOf(first)}
	for _, w := range strings.FieldsFunc(name, isSeparator) {
		w = strings.Trim(w, "0123456789")
		if len(w) < 2 {
			continue
		}
		if e, ok := envWords[w]; ok {
			h.env = e
			continue
		}
		if !slices.Contains(h.tokens, w) {
			h.tokens = append(h.tokens, w)
		}
	}
	if len(h.tokens) == 0 && h.env != "" { // "dev01": a name, not an environment
		return hostName{stem: h.stem, tokens: []string{strings.Trim(first, "0123456789-_")}}
	}
	if len(h.tokens) == 0 || h.tokens[0] == "ip" {
		return hostName{}
	}
	return h
}

// word is the last word of the name, which most often says what the machine does.
func (h *hostName) word() string {
	if len(h.tokens) == 0 {
		return ""
	}
	return h.tokens[len(h.tokens)-1]
}

func isSeparator(r rune) bool {
	return r == '-' || r == '_' || r == '.' || r == ' ' || r == '/' || r == ':'
}

// stemOf replaces every run of digits by '#'.
func stemOf(s string) string {
	var b strings.Builder
	digits := false
	for _, r := range s {
		if r >= '0' && r <= '9' {
			if !digits {
				b.WriteByte('#')
			}
			digits = true
			continue
		}
		digits = false
		b.WriteRune(r)
	}
	return b.String()
}
