package recommender

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// DefaultHorizon is how far ahead readiness looks, in days.
const DefaultHorizon = 30

const maxRare = 20

// Readiness estimates, for the whole estate first and then per policy, how many
// legitimate dependencies have not been seen yet. incidence says on which days
// each edge was seen; without it the days counted per dependency are used, which
// makes groups look rarer than they are. horizon 0 means DefaultHorizon.
//
// The estimators are those ecology counts unseen species with: days are sampling
// units, dependencies species. See chao2, coverageOf and expectedNew.
func Readiness(m *topology.Map, probes []flow.Probe, incidence []flow.Incidence, horizon int) []policy.Readiness {
	if horizon <= 0 {
		horizon = DefaultHorizon
	}
	e := newEstate(m)
	d := &draft{estate: e, opt: Options{Level: policy.ServiceLevel}, concerns: e.concerns(probes)}
	d.written, d.ranges = e.services(d.concerns)
	d.names, d.named = map[string]bool{}, map[appKey]string{}
	seen := d.sightings(incidence)
	days := min(flow.MaxIncidenceDays, max(1, int(math.Ceil(m.Until.Sub(m.Since).Hours()/24))))
	byApp := map[string][]sighting{}
	for _, s := range seen {
		byApp[""] = append(byApp[""], s)
		name := d.policyName(e.apps[e.groups[s.server].app].appKey)
		byApp[name] = append(byApp[name], s)
	}
	var out []policy.Readiness
	for name, list := range byApp {
		r := estimate(name, list, monthEnds(m.Since, days), days, horizon)
		r.Rare = d.rare(list)
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b policy.Readiness) int { return cmp.Compare(a.Policy, b.Policy) })
	return out
}

// sighting is a dependency between groups with the days it was seen on.
type sighting struct {
	client, server int32 // groups
	service        policy.Service
	days           uint64 // bit per day; without incidence only the count is right
	dep            int32  // the busiest dependency behind it
}

// sightings gathers what is legitimate and goes to a protected server.
func (d *draft) sightings(incidence []flow.Incidence) []sighting {
	type triple struct {
		client, server int32
		service        flow.Service
	}
	days := map[triple]uint64{}
	find := nodeFinder(d.m)
	for i := range incidence {
		x := &incidence[i]
		if c, s := find(x.Client), find(x.Server); c >= 0 && s >= 0 {
			days[triple{c, s, x.Service}] |= x.Days
		}
	}
	type key struct {
		client, server int32
		service        policy.Service
	}
	at := map[key]int{}
	var out []sighting
	for i := range d.m.Graph.Deps {
		dep := &d.m.Graph.Deps[i]
		k := key{d.groupOf[dep.Client], d.groupOf[dep.Server], d.written[i]}
		if d.concerns[i] != none || d.groups[k.server].app < 0 {
			continue
		}
		seen, ok := days[triple{dep.Client, dep.Server, dep.Service}]
		if !ok {
			seen = daysOfStats(d.m.Since, &dep.EdgeStats)
		}
		j, ok := at[k]
		if !ok {
			at[k] = len(out)
			out = append(out, sighting{k.client, k.server, k.service, seen, int32(i)})
			continue
		}
		out[j].days |= seen
		if dep.Flows > d.m.Graph.Deps[out[j].dep].Flows {
			out[j].dep = int32(i)
		}
	}
	return out
}

// daysOfStats marks the first and the last day, and as many between as were
// counted: which ones is not known, how many is.
func daysOfStats(since flow.Time, s *flow.EdgeStats) (days uint64) {
	first, last := dayOf(since, s.First), dayOf(since, s.Last)
	days = 1<<first | 1<<last
	for day := first; day < last && bits.OnesCount64(days) < int(s.Days); day++ {
		days |= 1 << day
	}
	return days
}

// dayOf is the UTC day of t counted from that of since, 0..63.
func dayOf(since, t flow.Time) int {
	const day = flow.Time(24 * time.Hour)
	return int(min(max(t/day-since/day, 0), flow.MaxIncidenceDays-1))
}

// monthEnds marks the days of a window that close a month.
func monthEnds(since flow.Time, days int) (mask uint64) {
	for day := range days {
		if atMonthEnd(since.Add(time.Duration(day) * 24 * time.Hour)) {
			mask |= 1 << day
		}
	}
	return mask
}

// estimate fills the numbers of one readiness. ends are the days that close a
// month.
func estimate(name string, list []sighting, ends uint64, days, horizon int) policy.Readiness {
	r := policy.Readiness{Policy: name, Days: days, Observed: len(list), Horizon: horizon}
	total, once, twice := 0, 0, 0 // the latter two without what only closes the month
	for _, s := range list {
		n := bits.OnesCount64(s.days)
		total += n
		monthly := s.days != 0 && s.days&^ends == 0
		switch n {
		case 1:
			r.Once++
		case 2:
			r.Twice++
		}
		switch {
		case monthly:
			r.Monthly++
		case n == 1:
			once++
		case n == 2:
			twice++
		}
	}
	once, twice, r.Monthly = byChance(once, twice, r, bits.OnesCount64(ends), days)
	r.Coverage = round(coverageOf(once, twice, total, days))
	unseen, low, high := chao2(r.Observed, once, twice, days)
	r.Unseen, r.UnseenLow, r.UnseenHigh = round(unseen), round(low), round(high)
	atRisk, halve := expectedNew(unseen, once, days, horizon)
	least, _ := expectedNew(low, once, days, horizon)
	most, _ := expectedNew(high, once, days, horizon)
	r.AtRisk, r.AtRiskLow, r.AtRiskHigh, r.HalveAfter = round(atRisk), round(least), round(most), halve
	r.FullMonth, r.MonthEnd = days >= 31, ends != 0
	r.Words = readinessWords(&r)
	return r
}

// byChance separates the work that closes a month from what was seen then by
// chance. Rare sightings fall on any day alike, so those of the other days say how
// many to expect on the closing ones; what is beyond that comes round, and says
// nothing about what is still unseen.
func byChance(once, twice int, r policy.Readiness, ends, days int) (int, int, int) {
	if ends == 0 || ends >= days {
		return r.Once, r.Twice, 0
	}
	expected := func(other int) int { return int(math.Ceil(float64(other*ends) / float64(days-ends))) }
	q1 := min(r.Once, once+expected(once))
	q2 := min(r.Twice, twice+expected(twice))
	return q1, q2, max(0, r.Monthly-(q1-once)-(q2-twice))
}

// chao2 estimates the species no sampling unit has shown, from how many were in
// one unit (q1) and in two (q2) of m, with a 95 % interval:
//
//	Q0 = (m-1)/m · q1²/(2 q2), or (m-1)/m · q1(q1-1)/2 when q2 = 0
//
// It is a lower bound (A. Chao, "Estimating the population size for capture-
// recapture data with unequal catchability", Biometrics 43, 1987,
// doi:10.2307/2531532). The variance and the log-normal interval are equations 11
// to 13 of Colwell et al., "Models and estimators linking individual-based and
// sample-based rarefaction, extrapolation and comparison of assemblages", J. Plant
// Ecology 5, 2012, doi:10.1093/jpe/rtr044.
func chao2(observed, q1, q2, m int) (unseen, low, high float64) {
	if q1 == 0 || m < 2 {
		return 0, 0, 0
	}
	a, b, k := float64(q1), float64(q2), float64(m-1)/float64(m)
	var variance float64
	if q2 > 0 {
		unseen = k * a * a / (2 * b)
		ratio := a / b
		variance = b * (k/2*ratio*ratio + k*k*ratio*ratio*ratio + k*k/4*ratio*ratio*ratio*ratio)
	} else {
		unseen = k * a * (a - 1) / 2
		s := float64(observed) + unseen
		variance = k*a*(a-1)/2 + k*k*a*(2*a-1)*(2*a-1)/4 - k*k*a*a*a*a/(4*s)
	}
	if unseen == 0 {
		return 0, 0, 0
	}
	c := math.Exp(1.96 * math.Sqrt(math.Log(1+max(variance, 0)/(unseen*unseen))))
	return unseen, unseen / c, unseen * c
}

// coverageOf is the Good–Turing estimate of the share of sightings that are of
// species already seen, as Chao and Jost sharpened it for incidence data:
//
//	C = 1 − q1/T · (m−1)q1 / ((m−1)q1 + 2 q2),  T the sightings in all
//
// I. J. Good, "The population frequencies of species and the estimation of
// population parameters", Biometrika 40, 1953, doi:10.1093/biomet/40.3-4.237;
// A. Chao and L. Jost, "Coverage-based rarefaction and extrapolation", Ecology 93,
// 2012, doi:10.1890/11-1952.1.
func coverageOf(q1, q2, total, m int) float64 {
	if total == 0 {
		return 0
	}
	if q1 == 0 {
		return 1
	}
	if m < 2 {
		return 0 // one day says nothing about the next
	}
	a := float64(m-1) * float64(q1)
	return 1 - float64(q1)/float64(total)*a/(a+2*float64(q2))
}

// expectedNew is how many unseen species the next n units will show, and how many
// units more it takes until that is half:
//
//	Q0 · (1 − (1 − q1/(m Q0 + q1))ⁿ)
//
// Colwell et al. 2012, equation 18. The base is the same whenever one begins, so
// the figure halves with every log ½ / log base units.
func expectedNew(unseen float64, q1, m, n int) (expected float64, halve int) {
	if unseen == 0 || q1 == 0 {
		return 0, 0
	}
	base := 1 - float64(q1)/(float64(m)*unseen+float64(q1))
	return unseen * (1 - math.Pow(base, float64(n))), int(math.Ceil(math.Log(0.5) / math.Log(base)))
}

func round(x float64) float64 { return math.Round(x*1000) / 1000 }

func readinessWords(r *policy.Readiness) string {
	if r.Days < 2 {
		return "One day of traffic says nothing about the next; watch on."
	}
	words := fmt.Sprintf("Enforcing today risks about %s in the next %d days (95 %%: %.0f to %.0f; %d of %d were seen on one day only); watch %s more to halve it.",
		plural(int(math.Round(r.AtRisk)), "legitimate dependency"), r.Horizon, r.AtRiskLow, r.AtRiskHigh, r.Once, r.Observed, plural(r.HalveAfter, "day"))
	if r.AtRisk < 0.5 {
		words = fmt.Sprintf("Nothing new is expected from what %d days have shown.", r.Days)
	}
	switch {
	case !r.MonthEnd:
		words += " No month's end was watched: what runs once a month may not have shown itself, and these figures cannot know of it."
	case r.Monthly > 0:
		words += fmt.Sprintf(" %s showed themselves at the month's end only and will come again then.", sentence(plural(r.Monthly, "dependency")))
	}
	if r.MonthEnd && !r.FullMonth {
		words += " Less than a month was watched: what runs once a month on another day may still be missing."
	}
	return words
}

// rare lists the single-day sightings.
func (d *draft) rare(list []sighting) (out []policy.RareDependency) {
	for _, s := range list {
		if bits.OnesCount64(s.days) != 1 {
			continue
		}
		dep := d.m.Graph.Deps[s.dep]
		day := flow.TimeOf(dep.First.Std().Truncate(24 * time.Hour))
		from, to := place{groupKey: d.groups[s.client].groupKey}, place{groupKey: d.groups[s.server].groupKey}
		out = append(out, policy.RareDependency{From: from.words(appKey{}), To: to.words(appKey{}), Service: s.service, Day: day, MonthEnd: atMonthEnd(dep.First), Example: dep})
	}
	slices.SortFunc(out, func(a, b policy.RareDependency) int {
		return cmp.Or(cmp.Compare(a.Example.Flows, b.Example.Flows), cmp.Compare(a.To, b.To), cmp.Compare(a.From, b.From), compareServices(a.Service, b.Service))
	})
	return out[:min(len(out), maxRare)]
}
