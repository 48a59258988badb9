package export

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

func writeYAML(w io.Writer, in *Input) ([]string, error) {
	_, err := w.Write(policy.Format(in.Set))
	return nil, err
}

// jsonDocument is the shape of the JSON export.
type jsonDocument struct {
	Hash           string                 `json:"hash"`
	At             time.Time              `json:"at"`
	Set            *policy.Set            `json:"set"`
	Recommendation *policy.Recommendation `json:"recommendation,omitempty"`
	Simulation     *policy.Simulation     `json:"simulation,omitempty"`
	Today          *policy.Reach          `json:"blastRadiusToday,omitempty"`
	Draft          *policy.Reach          `json:"blastRadiusDraft,omitempty"`
	ExposureToday  *policy.Exposure       `json:"exposureToday,omitempty"`
	ExposureDraft  *policy.Exposure       `json:"exposureDraft,omitempty"`
	Readiness      []policy.Readiness     `json:"readiness,omitempty"`
}

func writeJSON(w io.Writer, in *Input) ([]string, error) {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return nil, enc.Encode(jsonDocument{in.Set.Hash(), in.At, in.Set, in.Recommendation, in.Simulation, in.Today, in.Draft, in.ExposureToday, in.ExposureDraft, in.Readiness})
}

var csvHeader = []string{"policy", "scope", "stage", "egress", "rule", "action", "from", "to", "services", "process", "description",
	"flows", "clients", "servers", "days seen", "rhythm", "first seen", "last seen", "observation points", "direction known by", "direction confidence", "confidence", "hits in simulation", "last hit"}

// writeCSV follows RFC 4180: CRLF, quotes doubled. One row a rule.
func writeCSV(w io.Writer, in *Input) ([]string, error) {
	c := csv.NewWriter(w)
	c.UseCRLF = true
	row := func(fields ...string) {
		for i := range fields {
			fields[i] = formulaSafe(fields[i])
		}
		_ = c.Write(fields) // Flush reports it
	}
	row(append([]string(nil), csvHeader...)...)
	for i := range in.Set.Policies {
		p := &in.Set.Policies[i]
		for j := range p.Rules {
			r := &p.Rules[j]
			fields := []string{p.Name, p.Scope.String(), p.Stage.String(), p.Egress.String(), r.Name, r.Action.String(),
				peerText(r.From), peerText(r.To), serviceText(r.Services), r.Process, r.Description}
			row(append(fields, in.evidenceFields(p.Name, r.Name)...)...)
		}
	}
	c.Flush()
	return nil, c.Error()
}

func (in *Input) evidenceFields(policyName, rule string) []string {
	out := make([]string, 13)
	if e := in.evidenceOf(policyName, rule); e != nil {
		out[0], out[1], out[2] = strconv.FormatUint(e.Flows, 10), strconv.Itoa(e.Clients), strconv.Itoa(e.Servers)
		out[3], out[4], out[5], out[6] = strconv.Itoa(int(e.Days)), string(in.rhythm(e)), day(e.First), day(e.Last)
		out[7], out[8], out[9] = strconv.Itoa(int(e.Sensors)), e.Evidence.String(), strconv.Itoa(int(e.EdgeStats.Confidence))
		out[10] = strconv.FormatFloat(e.Confidence, 'f', 2, 64)
	}
	if u := in.useOf(policyName, rule); u != nil {
		out[11], out[12] = strconv.FormatUint(u.Connections, 10), day(u.LastHit)
	}
	return out
}

// rhythm is how regularly what a rule stands on was seen, of the recommendation's
// window.
func (in *Input) rhythm(e *policy.Evidence) flow.Rhythm {
	return flow.RhythmOf(&e.EdgeStats, in.Recommendation.Since, in.Recommendation.Until)
}

// evidenceText puts into words what a rule stands on.
func (in *Input) evidenceText(e *policy.Evidence) string {
	out := fmt.Sprintf("%d flows, %d → %d workloads, %d days", e.Flows, e.Clients, e.Servers, e.Days)
	if e.Days == 1 {
		out = strings.TrimSuffix(out, "s")
	}
	if r := in.rhythm(e); r != "" {
		out += " (" + string(r) + ")"
	}
	if e.Decided {
		out += ", allowed by decision"
	}
	return out + ", first " + day(e.First) + ", last " + day(e.Last) + observed(e)
}

// observed says who saw it and how sure it is who asked whom; "" for what nobody
// saw.
func observed(e *policy.Evidence) string {
	if e.Flows == 0 {
		return ""
	}
	points := "1 observation point"
	if e.Sensors > 1 {
		points = fmt.Sprintf("%d observation points", e.Sensors)
	}
	return fmt.Sprintf(", %s, direction by %s (%d %%)", points, e.Evidence, e.EdgeStats.Confidence)
}

// formulaSafe keeps a spreadsheet from running a cell (OWASP, "CSV injection"):
// what begins like a formula is prefixed with an apostrophe, and control
// characters become spaces.
func formulaSafe(s string) string {
	s = printable(s)
	if s != "" && strings.ContainsRune("=+-@|%", rune(s[0])) {
		return "'" + s
	}
	return s
}

// printable replaces what no text file should hold: control characters, the
// Unicode line separators, and the marks that turn text around on screen.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < 0x20, r == 0x7f, r >= 0x80 && r < 0xa0, r == '\u2028', r == '\u2029', r == '\ufeff', r == '\ufffd':
			return ' '
		case r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069', r == '\u200e', r == '\u200f':
			return ' '
		}
		return r
	}, s)
}

func day(t flow.Time) string {
	if t == 0 {
		return ""
	}
	return t.Std().Format("2006-01-02 15:04")
}

func peerText(peers []policy.Peer) string {
	out := make([]string, len(peers))
	for i, p := range peers {
		out[i] = p.String()
	}
	return strings.Join(out, "; ")
}

func serviceText(services []policy.Service) string {
	if len(services) == 0 {
		return "any"
	}
	return strings.Join(policy.ServiceStrings(services), " ")
}
