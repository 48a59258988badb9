package lab

import (
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Step is one command of the tutorial, to be typed into a shell.
type Step struct {
	Say     string // what it is for
	Command string
	Fails   bool // it is meant to fail: what it tries is blocked
}

// Environment returns the variables that the tutorial's commands use: LAB is the
// lab's folder, NS what the names of its namespaces begin with.
func (l *Lab) Environment() []string { return []string{"LAB=" + l.dir, "NS=" + l.prefix} }

// Tutorial writes the lab's inventory next to the capture and returns the way
// from discovery to rollback on this lab. The lab must have the Payments
// topology, its traffic made and its tap stopped.
func (l *Lab) Tutorial() ([]Step, error) {
	b, err := yaml.Marshal(l.Inventory())
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(l.dir, "inventory.yaml"), b, 0o644); err != nil {
		return nil, err
	}
	const bulkhead = "bulkhead --data-dir $LAB/data "
	const router = "ip netns exec ${NS}router " + bulkhead
	try := func(c Call) string {
		return "ip netns exec ${NS}" + c.From + " " + strings.Join(quoted(c.Command(l, l.hosts[c.To])), " ")
	}
	return []Step{
		{"who is there, with labels", bulkhead + "inventory import $LAB/inventory.yaml", false},
		{"what was seen on the wire", bulkhead + "import $LAB/capture.pcap", false},
		{"discover: the map", bulkhead + "map", false},
		{"how far the vendor gets today", bulkhead + "reach net:vendor-vpn", false},
		{"design: least privilege for what was seen", bulkhead + "recommend -o $LAB/policy.yaml", false},
		{"what that would break", bulkhead + "simulate $LAB/policy.yaml", false},
		{"how far the vendor would get", bulkhead + "reach net:vendor-vpn --policy $LAB/policy.yaml", false},
		{"monitor: on the router, nothing is blocked, everything is recorded",
			router + "enforce $LAB/policy.yaml --gateway --mode monitor --watch > $LAB/watch.log 2>&1 & echo $! > $LAB/watch.pid", false},
		{"it is in force", "until grep version $LAB/watch.log; do sleep 1; done", false},
		{"the vendor still reaches a store's files", try(TooMuch()), false},
		{"the month ends: settlement reads the payment database", try(MonthEnd()), false},
		{"its connection is recorded within seconds", "until " + router + "violations --propose $LAB/policy.yaml | grep settlement; do sleep 1; done", false},
		{"what the policy would have blocked", router + "violations", false},
		{"what to do about it", router + "violations --propose $LAB/policy.yaml -o $LAB/policy2.yaml", false},
		{"monitor with the new rule", router + "enforce $LAB/policy2.yaml --gateway --mode monitor", false},
		{"plan: what the change will do", router + "change plan $LAB/policy2.yaml --gateway --mode enforce --reason 'close the vendor out'", false},
		{"enforce: the kernel will fall back by itself unless confirmed", router + "change apply --all --gateway", false},
		{"the vendor reaches the building management", try(GetAddr("vendor", "bms", 443)), false},
		{"a till still reaches the payment gateway", try(Get("till1", "gateway", 9443)), false},
		{"the shop still sells", try(GetAddr("shopper", "web", 80)), false},
		{"settlement still reads the payment database", try(MonthEnd()), false},
		{"the vendor does not reach the store's files any more", try(TooMuch()), true},
		{"it is as it should be: make it last", router + "change confirm", false},
		{"an administrator runs into something nobody had foreseen", try(GetAddr("admin", "paydb", 5432)), true},
		{"and a till", try(GetAddr("till1", "paydb", 5432)), true},
		{"and a web server: more than is borne", try(GetAddr("web", "paydb", 5432)), true},
		{"the watch takes the change back", "until " + router + "enforce --status | grep rolled-back; do sleep 1; done", false},
		{"as it was", try(TooMuch()), false},
		{"that was nothing: take the change once more", router + "change apply --all --gateway --confirm", false},
		{"the vendor is closed out again", try(TooMuch()), true},
		{"roll back by hand", router + "change rollback --reason 'end of the tutorial'", false},
		{"as it was before", try(TooMuch()), false},
		{"what happened, by whom and why", router + "change status", false},
		{"leave no trace", router + "enforce --release", false},
		{"and stop watching", "kill $(cat $LAB/watch.pid)", false},
	}, nil
}

// quoted protects words from the shell.
func quoted(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		if strings.ContainsAny(w, " $'\"()*;&|<>?") {
			w = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		out[i] = w
	}
	return out
}
