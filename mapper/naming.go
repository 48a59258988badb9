package mapper

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// nameGroups gives roles and applications their identities, names, environments
// and reasons. A group that inherits its identity keeps its name too, unless the
// operator labels it otherwise: policies are written against names.
func (w *work) nameGroups() {
	formerRoles, formerApps := w.identify()
	for a := range w.m.Applications {
		w.m.Applications[a].Env = w.commonEnv(w.m.Applications[a].Members)
	}
	for a := range w.m.Applications {
		app := &w.m.Applications[a]
		app.Name, app.Why = w.appName(int32(a))
		if w.labelled(app.Members, topology.LabelApp) {
			continue
		}
		if old := formerApps[app.ID]; old != nil {
			app.Name = old.Name
			app.Env = cmp.Or(app.Env, old.Env)
		}
		if name := w.in.Decisions.Names[app.ID]; name != "" {
			app.Name, app.Why = name, "called so by the operator; "+app.Why
		}
	}
	for r := range w.m.Roles {
		role := &w.m.Roles[r]
		role.Name, role.Why = w.roleName(role)
		if w.labelled(role.Members, topology.LabelRole) {
			continue
		}
		if old := formerRoles[role.ID]; old != nil {
			role.Name = old.Name
		}
		role.Name = cmp.Or(w.in.Decisions.Names[role.ID], role.Name)
	}
	w.uniqueAppNames()
	w.uniqueRoleNames()
}

// labelled reports that the operator labelled most members.
func (w *work) labelled(members []int32, key string) bool {
	_, share := vote(members, w.label(key))
	return share > 0.5
}

// vote returns the value most members share, and its share of those that have
// one; ties go to the smaller string.
func vote(members []int32, value func(int32) string) (string, float64) {
	count, total := map[string]int{}, 0
	for _, i := range members {
		if v := value(i); v != "" {
			count[v]++
			total++
		}
	}
	best := ""
	for v, n := range count {
		if best == "" || n > count[best] || (n == count[best] && v < best) {
			best = v
		}
	}
	if best == "" {
		return "", 0
	}
	return best, float64(count[best]) / float64(total)
}

func (w *work) label(key string) func(int32) string {
	return func(i int32) string { return w.nodes[i].Labels[key] }
}

func (w *work) commonEnv(members []int32) string {
	v, _ := vote(members, w.env)
	return v
}

// roleName names a role after the operator's labels, else its infrastructure
// kind, else the word its members' names share, else what it serves.
func (w *work) roleName(role *topology.Role) (string, string) {
	if v, share := vote(role.Members, w.label(topology.LabelRole)); share > 0.5 {
		return v, "labelled so by the operator"
	}
	if k := w.infra[role.Members[0]]; k >= 0 {
		return w.m.Infrastructure[k].Kind, w.m.Infrastructure[k].Why
	}
	app := ""
	if role.App >= 0 {
		app = w.m.Applications[role.App].Name
	}
	services := w.servedBy(role.Members)
	if v, share := vote(role.Members, func(i int32) string { return w.roleWord(i, app) }); share > 0.5 {
		return v, fmt.Sprintf("%.0f %% of the names say %q; %s", 100*share, v, describeServices(services))
	}
	switch {
	case role.App >= 0 && w.people[w.role[role.Members[0]]]:
		return "workstation", "uses services of many applications and serves none"
	case len(services) > 0:
		return serviceRole(services[0]), describeServices(services)
	}
	return "client", "uses services and serves none"
}

// roleWord is the word of a host name that says what the machine does: the last
// one, unless that is the application's name and another is a known word.
func (w *work) roleWord(i int32, app string) string {
	t := w.names[i].tokens
	if len(t) == 0 {
		return ""
	}
	word := t[len(t)-1]
	if word == app {
		for _, other := range t {
			if roleWords[other] {
				word = other
			}
		}
	}
	return cmp.Or(spelledOut[word], word)
}

// spelledOut are abbreviations in host names that only insiders read.
var spelledOut = map[string]string{"ws": "workstation", "adm": "admin-workstation", "srv": "server", "desktop": "workstation", "laptop": "workstation"}

// roleWords are words people use in host names for what a machine does.
var roleWords = map[string]bool{
	"web": true, "www": true, "api": true, "app": true, "db": true, "sql": true, "cache": true, "redis": true, "queue": true, "mq": true,
	"lb": true, "proxy": true, "gw": true, "gateway": true, "worker": true, "batch": true, "pos": true, "till": true, "kiosk": true, "file": true,
	"mail": true, "smtp": true, "print": true, "printer": true, "cam": true, "nvr": true, "voip": true, "phone": true, "sensor": true,
	"ctl": true, "controller": true, "vpn": true, "ftp": true, "search": true, "etl": true, "report": true, "reporting": true, "ci": true, "runner": true,
	"server": true, "frontend": true, "backend": true, "primary": true, "replica": true, "desktop": true, "laptop": true, "ws": true,
}

// served is a service a role gives, with how many of its members give it.
type served struct {
	service flow.Service
	members int
	clients int
}

// servedBy lists the services most members serve, most used first.
func (w *work) servedBy(members []int32) []served {
	count := map[flow.Service]*served{}
	for _, i := range members {
		seen := map[flow.Service]bool{}
		for _, d := range w.adj.serves(i) {
			s := w.deps[d].Service
			if count[s] == nil {
				count[s] = &served{service: s}
			}
			count[s].clients++
			if !seen[s] {
				seen[s] = true
				count[s].members++
			}
		}
	}
	var out []served
	for _, s := range count {
		if 2*s.members > len(members) && !agentPorts[s.service] {
			out = append(out, *s)
		}
	}
	slices.SortFunc(out, func(a, b served) int { return cmp.Or(cmp.Compare(b.clients, a.clients), a.service.Compare(b.service)) })
	return out
}

// agentPorts are what machines serve to their administrators and monitors,
// whatever they are for.
var agentPorts = map[flow.Service]bool{
	{Proto: flow.TCP, Port: 22}: true, {Proto: flow.TCP, Port: 3389}: true, {Proto: flow.TCP, Port: 5985}: true, {Proto: flow.TCP, Port: 5986}: true,
	{Proto: flow.TCP, Port: 9100}: true, {Proto: flow.UDP, Port: 161}: true, {Proto: flow.TCP, Port: 10050}: true, {Proto: flow.TCP, Port: 9182}: true,
	{Proto: flow.TCP, Port: 9102}: true, {Proto: flow.ICMP, Port: 8 << 8}: true, {Proto: flow.TCP, Port: 135}: true, {Proto: flow.TCP, Port: 445}: true,
}

func describeServices(s []served) string {
	if len(s) == 0 {
		return "serves nothing that others of the application use"
	}
	var parts []string
	for _, v := range s[:min(3, len(s))] {
		parts = append(parts, v.service.String())
	}
	return "serves " + strings.Join(parts, ", ")
}

// serviceNames are roles that well-known ports stand for.
var serviceNames = map[uint16]string{
	80: "web", 443: "web", 8080: "web", 8443: "web", 8000: "api", 5000: "api", 9000: "api",
	5432: "db", 3306: "db", 1433: "db", 1521: "db", 27017: "db", 9042: "db", 50000: "db",
	6379: "cache", 11211: "cache", 5672: "queue", 9092: "queue", 1883: "queue", 61616: "queue",
	445: "file", 2049: "file", 25: "mail", 587: "mail", 143: "mail", 993: "mail", 9200: "search", 631: "print", 9100: "print",
	5060: "voip", 554: "camera", 21: "ftp", 22: "ssh", 3389: "desktop", 502: "plc",
}

func serviceRole(s served) string {
	if n, ok := serviceNames[s.service.Port]; ok {
		return n
	}
	if flow.HasPorts(s.service.Proto) {
		return "server-" + strconv.Itoa(int(s.service.Port))
	}
	return "server-" + flow.ProtoName(s.service.Proto)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// appName names an application after the operator's labels, else the word most of
// its named members share, else what its machines are (people's, an environment's
// own), else its most used service.
func (w *work) appName(a int32) (string, string) {
	app := &w.m.Applications[a]
	size := fmt.Sprintf("%s that depend on each other more than on the rest", plural(len(app.Members), "workload"))
	if v, share := vote(app.Members, w.label(topology.LabelApp)); share > 0.5 {
		app.Infrastructure = w.commonKind(app.Members)
		return v, "labelled so by the operator; " + size
	}
	if k := w.infra[app.Members[0]]; k >= 0 && w.m.Infrastructure[k].Kind != KindBalancer {
		app.Infrastructure = w.m.Infrastructure[k].Kind
		return app.Infrastructure, "shared infrastructure: " + w.m.Infrastructure[k].Why
	}
	if w.allPeople(app.Members) {
		return "workstations", plural(len(app.Members), "machine") + " that use many applications and serve nobody"
	}
	if word, share := w.commonWord(app.Members); share >= 0.5 {
		return word, fmt.Sprintf("%s; %.0f %% of their names say %q", size, 100*share, word)
	}
	if env, share := vote(app.Members, func(i int32) string { return w.names[i].env }); share == 1 && w.onlyOneOf(app) {
		return cmp.Or(envNames[env], env), fmt.Sprintf("%s; all that their names have in common is %q", size, env)
	}
	if s := w.servedBy(w.serving(app.Members)); len(s) > 0 {
		return serviceRole(s[0]) + "-group", size
	}
	return "group", size
}

// allPeople reports that nobody among members is a server that people stand beside.
func (w *work) allPeople(members []int32) bool {
	return !slices.ContainsFunc(members, func(i int32) bool { return !w.people[w.role[i]] })
}

// commonKind is the kind of infrastructure that all members are, or "".
func (w *work) commonKind(members []int32) string {
	kind := ""
	for _, i := range members {
		k := w.infra[i]
		if k < 0 || (kind != "" && kind != w.m.Infrastructure[k].Kind) || w.m.Infrastructure[k].Kind == KindBalancer {
			return ""
		}
		kind = w.m.Infrastructure[k].Kind
	}
	return kind
}

// envNames spells environments out where they name an application.
var envNames = map[string]string{"dev": "development", "prod": "production"}

// onlyOneOf reports that no other application shares app's environment.
func (w *work) onlyOneOf(app *topology.Application) bool {
	for a := range w.m.Applications {
		if o := &w.m.Applications[a]; o.Env == app.Env && o.Members[0] != app.Members[0] {
			return false
		}
	}
	return true
}

// commonWord is the word found in most members' names; words that say a role
// count half, so that "payments" beats "db".
func (w *work) commonWord(members []int32) (string, float64) {
	count := map[string]float64{}
	for _, i := range members {
		for _, t := range w.names[i].tokens {
			if roleWords[t] {
				count[t] += 0.5
			} else {
				count[t]++
			}
		}
	}
	best := ""
	for t, n := range count {
		if best == "" || n > count[best] || (n == count[best] && t < best) {
			best = t
		}
	}
	return best, count[best] / float64(len(members))
}

func (w *work) serving(members []int32) []int32 {
	best, most := []int32{}, 0
	for _, i := range members {
		if n := len(w.adj.serves(i)); n > most {
			best, most = []int32{i}, n
		}
	}
	return best
}

// uniqueAppNames makes (name, env) pairs unique by counting.
func (w *work) uniqueAppNames() {
	taken := map[[2]string]bool{}
	for a := range w.m.Applications {
		app := &w.m.Applications[a]
		app.Name = free(app.Name, func(n string) bool { return taken[[2]string{n, app.Env}] })
		taken[[2]string{app.Name, app.Env}] = true
	}
}

// uniqueRoleNames makes role names unique within their application.
func (w *work) uniqueRoleNames() {
	type inApp struct {
		app  int32
		name string
	}
	taken := map[inApp]bool{}
	for r := range w.m.Roles {
		role := &w.m.Roles[r]
		if role.App >= 0 {
			role.Name = free(role.Name, func(n string) bool { return taken[inApp{role.App, n}] })
			taken[inApp{role.App, role.Name}] = true
		}
	}
}

// free returns name, or name with the lowest number from 2 that is not taken.
func free(name string, taken func(string) bool) string {
	if !taken(name) {
		return name
	}
	for n := 2; ; n++ {
		if s := name + "-" + strconv.Itoa(n); !taken(s) {
			return s
		}
	}
}
