package recommender

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/bulkhead/bulkhead/policy"
)

// rule writes one cover down as a rule of own's policy.
func (d *draft) rule(own appKey, c policy.Cover) policy.Rule {
	froms, tos := d.placesOf(c[policy.ByFrom]), d.placesOf(c[policy.ByTo])
	r := policy.Rule{Name: ruleName(own, froms, tos), From: d.asNetworks(d.peers(froms)), To: d.asNetworks(d.peers(tos))}
	var services []string
	for _, s := range c[policy.ByService] {
		svc := d.svcs[s]
		services = append(services, serviceWords(svc))
		if svc.Proto == 0 {
			r.Services = nil // every service
			break
		}
		r.Services = append(r.Services, svc)
	}
	r.Description = fmt.Sprintf("%s may use %s: %s.%s", sentence(listWords(placeWords(own, froms))), listWords(placeWords(own, tos)),
		strings.Join(services, ", "), d.why(c))
	return r
}

func (d *draft) placesOf(numbers []int32) []place {
	out := make([]place, len(numbers))
	for i, n := range numbers {
		out[i] = d.places[n]
	}
	return out
}

// why explains what was widened on evidence: the baseline and the port ranges.
func (d *draft) why(c policy.Cover) (words string) {
	if d.places[c[policy.ByFrom][0]].every {
		var needs []string
		for _, s := range c[policy.ByService] {
			needs = append(needs, baselineName(d.svcs[s]))
		}
		words = " Part of the baseline: a machine does not work without " + listWords(needs) + "."
	}
	seen := map[string][]uint16{}
	for between, g := range d.ranges {
		if !slices.ContainsFunc(c[policy.ByService], func(s int32) bool { return d.svcs[s] == g.service }) {
			continue
		}
		from, to := d.groups[between.client].groupKey, d.groups[between.server].groupKey
		if holds(d.placesOf(c[policy.ByFrom]), from) && holds(d.placesOf(c[policy.ByTo]), to) {
			key := g.service.String() + " stands for " + g.why
			seen[key] = append(seen[key], g.ports...)
		}
	}
	var notes []string
	for what, ports := range seen {
		slices.Sort(ports)
		ports = slices.Compact(ports)
		notes = append(notes, fmt.Sprintf(" %s; seen: %s.", what, listWords(portWords(ports))))
	}
	slices.Sort(notes)
	return words + strings.Join(notes, "")
}

func portWords(ports []uint16) []string {
	out := make([]string, len(ports))
	for i, p := range ports {
		out[i] = strconv.Itoa(int(p))
	}
	return out
}

func baselineName(s policy.Service) string {
	for svc, name := range baselineServices {
		if svc.Proto == s.Proto && svc.Port == s.From {
			return name
		}
	}
	return s.String()
}

func holds(places []place, k groupKey) bool {
	return slices.ContainsFunc(places, func(p place) bool { return p.groupKey == k || (p.wholeApp && p.appKey == k.appKey) })
}

// ruleName is made of the ends, the policy's own application left out.
func ruleName(own appKey, froms, tos []place) string {
	return shortList(own, froms) + "-to-" + shortList(own, tos)
}

func shortList(own appKey, places []place) string {
	var names []string
	for _, p := range places {
		names = append(names, p.short(own))
	}
	names = slices.Compact(names)
	switch {
	case len(names) == 1:
		return names[0]
	case len(names) == 2 && len(names[0])+len(names[1]) <= 40:
		return names[0] + "-and-" + names[1]
	}
	return fmt.Sprintf("%s-and-%d-more", names[0], len(names)-1)
}

func placeWords(own appKey, places []place) (words []string) {
	for _, p := range places {
		words = append(words, p.words(own))
	}
	return words
}

func serviceWords(s policy.Service) string {
	if s.Proto == 0 {
		return "every service"
	}
	if name := s.KnownAs(); name != "" {
		return s.String() + " (" + name + ")"
	}
	return s.String()
}

// sentence begins a sentence; names keep their case.
func sentence(s string) string {
	for _, w := range []string{"every ", "the "} {
		if strings.HasPrefix(s, w) {
			return strings.ToUpper(s[:1]) + s[1:]
		}
	}
	return s
}
