package recommender

import (
	"strings"

	"github.com/bulkhead/bulkhead/flow"
)

// trait is what makes a service more dangerous than its port number says.
type trait uint8

const (
	administrative trait = 1 << iota // gives control of the machine
	cleartext                        // carries credentials or data readable on the wire
	fileSharing
	database
	web // meant for strangers
)

// traits of registered services (IANA; vendor defaults where the port is not
// registered).
var traits = map[flow.Service]trait{
	{Proto: flow.TCP, Port: 21}: cleartext | fileSharing, {Proto: flow.TCP, Port: 22}: administrative, {Proto: flow.TCP, Port: 23}: administrative | cleartext,
	{Proto: flow.UDP, Port: 69}: cleartext | fileSharing, {Proto: flow.TCP, Port: 80}: cleartext | web, {Proto: flow.TCP, Port: 110}: cleartext,
	{Proto: flow.TCP, Port: 111}: fileSharing, {Proto: flow.TCP, Port: 135}: administrative, {Proto: flow.TCP, Port: 139}: fileSharing,
	{Proto: flow.TCP, Port: 143}: cleartext, {Proto: flow.UDP, Port: 161}: cleartext | administrative, {Proto: flow.TCP, Port: 389}: cleartext,
	{Proto: flow.TCP, Port: 443}: web, {Proto: flow.UDP, Port: 443}: web, {Proto: flow.TCP, Port: 445}: fileSharing | administrative,
	{Proto: flow.TCP, Port: 512}: administrative | cleartext, {Proto: flow.TCP, Port: 513}: administrative | cleartext, {Proto: flow.TCP, Port: 514}: cleartext,
	{Proto: flow.TCP, Port: 623}: administrative, {Proto: flow.UDP, Port: 623}: administrative, {Proto: flow.TCP, Port: 873}: fileSharing | cleartext,
	{Proto: flow.TCP, Port: 1433}: database, {Proto: flow.TCP, Port: 1521}: database, {Proto: flow.TCP, Port: 2049}: fileSharing,
	{Proto: flow.TCP, Port: 2375}: administrative | cleartext, {Proto: flow.TCP, Port: 2376}: administrative, {Proto: flow.TCP, Port: 3306}: database,
	{Proto: flow.TCP, Port: 3389}: administrative, {Proto: flow.UDP, Port: 3389}: administrative, {Proto: flow.TCP, Port: 5432}: database,
	{Proto: flow.TCP, Port: 5900}: administrative | cleartext, {Proto: flow.TCP, Port: 5985}: administrative | cleartext, {Proto: flow.TCP, Port: 5986}: administrative,
	{Proto: flow.TCP, Port: 6379}: database | cleartext, {Proto: flow.TCP, Port: 6443}: administrative, {Proto: flow.TCP, Port: 8000}: cleartext | web,
	{Proto: flow.TCP, Port: 8080}: cleartext | web, {Proto: flow.TCP, Port: 8443}: web, {Proto: flow.TCP, Port: 9200}: database,
	{Proto: flow.TCP, Port: 10250}: administrative, {Proto: flow.TCP, Port: 11211}: database | cleartext, {Proto: flow.TCP, Port: 27017}: database,
}

func is(s flow.Service, t trait) bool { return traits[s]&t != 0 }

// interactive reports a service by which somebody works on the machine. The RPC
// endpoint mapper and file sharing give control too, but every directory and file
// server is used by them.
func interactive(s flow.Service) bool {
	return is(s, administrative) && !is(s, fileSharing) && s != flow.Service{Proto: flow.TCP, Port: 135}
}

// baselineServices are what a workload needs of shared infrastructure to work at
// all; who uses them tells nothing about who may.
var baselineServices = map[flow.Service]string{
	{Proto: flow.UDP, Port: 53}: "name resolution", {Proto: flow.TCP, Port: 53}: "name resolution",
	{Proto: flow.UDP, Port: 123}: "time", {Proto: flow.UDP, Port: 67}: "address assignment", {Proto: flow.UDP, Port: 547}: "address assignment",
	{Proto: flow.UDP, Port: 514}: "logging", {Proto: flow.TCP, Port: 514}: "logging", {Proto: flow.TCP, Port: 6514}: "logging", {Proto: flow.UDP, Port: 6514}: "logging",
}

// envRank orders environments by how much harm a change in them does: traffic
// from a lower to a higher one crosses the line that release processes draw. 0
// is not known.
func envRank(env string) int {
	switch strings.ToLower(env) {
	case "prod", "production", "live", "prd":
		return 4
	case "staging", "stage", "preprod", "pre-prod", "preproduction", "uat", "acceptance":
		return 3
	case "test", "testing", "qa", "integration", "int":
		return 2
	case "dev", "development", "sandbox", "lab":
		return 1
	}
	return 0
}

var (
	workstationWords = []string{"workstation", "desktop", "laptop", "notebook", "client", "pc", "desk", "endpoint"}
	vendorWords      = []string{"vendor", "supplier", "contractor", "thirdparty", "third-party", "maintenance", "vpn"}
)

// mentions reports whether a name holds one of the words.
func mentions(name string, words []string) bool {
	name = strings.ToLower(name)
	for _, part := range strings.FieldsFunc(name, func(r rune) bool { return r == '-' || r == '_' || r == '.' || r == ' ' || r == '/' }) {
		for _, w := range words {
			if part == w || part == w+"s" {
				return true
			}
		}
	}
	return false
}

// workstation reports whether people sit at the group's machines.
func (g *group) workstation() bool { return mentions(g.role, workstationWords) }

// supports reports whether a kind of infrastructure serves or looks after every
// environment by its nature.
func supports(kind string) bool { return kind != "" && kind != kindScanner && kind != kindJump }

// serves reports a kind that is known by what it serves, rather than by how many
// use it: such a machine is a server even among machines people sit at.
func serves(kind string) bool { return supports(kind) && !strings.HasPrefix(kind, "shared-") }

// Kinds of findings that are treated differently from other infrastructure.
const (
	kindScanner = "scanner"
	kindJump    = "jump"
)
