package httpapi

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

// params reads a query string and remembers the first thing wrong with it, so
// that handlers check once.
type params struct {
	r   *http.Request
	err error
}

func (p *params) fail(name, value, want string) {
	if p.err == nil {
		p.err = Errorf(CodeInvalid, "%s=%q: want %s", name, value, want)
	}
}

// text returns a parameter, refusing absurd lengths.
func (p *params) text(name string) string {
	v := p.r.URL.Query().Get(name)
	if len(v) > 4096 {
		p.fail(name, v[:20]+"…", "at most 4096 bytes")
		return ""
	}
	return v
}

// list splits a parameter at commas; it may also be given several times.
func (p *params) list(name string) []string {
	var out []string
	for _, v := range p.r.URL.Query()[name] {
		for _, part := range strings.Split(v, ",") {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
	}
	return out
}

// set is every value of a parameter given several times; values are not split,
// because box ids contain commas.
func (p *params) set(name string) map[string]bool {
	out := map[string]bool{}
	for _, v := range p.r.URL.Query()[name] {
		out[v] = true
	}
	return out
}

func (p *params) number(name string, from, to, otherwise int) int {
	v := p.text(name)
	if v == "" {
		return otherwise
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < from || n > to {
		p.fail(name, v, "a number from "+strconv.Itoa(from)+" to "+strconv.Itoa(to))
		return otherwise
	}
	return n
}

// oneOf returns a parameter that must be one of words; the first when absent.
func (p *params) oneOf(name string, words ...string) string {
	v := p.text(name)
	if v == "" {
		return words[0]
	}
	for _, w := range words {
		if v == w {
			return v
		}
	}
	p.fail(name, v, "one of "+strings.Join(words, ", "))
	return words[0]
}

// time reads an instant: RFC 3339, or a span back from last like "90m", "24h",
// "7d". Spans count from the end of what was recorded, not from now, so that
// "7d" means something for a capture of last month too.
func (p *params) time(name string, last flow.Time) flow.Time {
	v := p.text(name)
	if v == "" {
		return 0
	}
	if t, err := time.Parse(time.RFC3339Nano, v); err == nil {
		return flow.TimeOf(t)
	}
	d, err := parseSpan(v)
	if err != nil {
		p.fail(name, v, "an RFC 3339 time or a span like 24h or 7d")
		return 0
	}
	return max(last.Add(-d), 1)
}

func parseSpan(v string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(v, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(v)
}

func (p *params) level(name string) policy.Level {
	var l policy.Level
	v := p.text(name)
	if v == "" {
		return policy.ServiceLevel
	}
	if err := l.UnmarshalText([]byte(v)); err != nil {
		p.fail(name, v, "ringfence, tier, service or workload")
		return policy.ServiceLevel
	}
	return l
}

// window reads since and until.
func (s *server) window(p *params) (Window, error) {
	if p.text("since") == "" && p.text("until") == "" {
		return Window{}, p.err
	}
	st, err := s.backend.Status(p.r.Context())
	if err != nil {
		return Window{}, err
	}
	w := Window{Since: p.time("since", st.Last), Until: p.time("until", st.Last)}
	if p.err == nil && w.Since != 0 && w.Until != 0 && w.Until <= w.Since {
		p.err = Errorf(CodeInvalid, "until is not after since")
	}
	return w, p.err
}
