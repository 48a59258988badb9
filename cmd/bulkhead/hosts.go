package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/fleet/authority"
	"github.com/bulkhead/bulkhead/fleet/controller"
)

func hostsCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "hosts", Short: "Agents and gateways that joined, and how each stands to what it shall enforce", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.printHosts() },
	}
	cmd.AddCommand(removeHostCmd(a), confirmHostCmd(a), retryHostCmd(a))
	return cmd
}

// hostJSON is a host for scripts.
type hostJSON struct {
	Name       string            `json:"name"`
	Role       string            `json:"role"`
	State      string            `json:"state"`
	Problem    string            `json:"problem,omitempty"`
	Version    string            `json:"version,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
	Addrs      []string          `json:"addrs"`
	Workloads  []string          `json:"workloads,omitempty"`
	Joined     time.Time         `json:"joined"`
	Heartbeat  time.Time         `json:"lastHeartbeat,omitzero"`
	CertExpiry time.Time         `json:"certificateExpires,omitzero"`
	Wanted     uint64            `json:"wanted"`
	Held       uint64            `json:"held"`
	WantedHash string            `json:"wantedHash,omitempty"`
	HeldHash   string            `json:"heldHash,omitempty"`
	Pending    uint64            `json:"pending,omitempty"`
	Deadline   time.Time         `json:"deadline,omitzero"`
	Queued     uint64            `json:"queued"`
	Lost       map[string]uint64 `json:"lost,omitempty"`
	ClockSkew  float64           `json:"clockSkew"` // seconds the host's clock is ahead
}

func hostLine(s *controller.Status) hostJSON {
	b := &s.Beat
	h := hostJSON{Name: s.Name, Role: string(s.Role), State: string(s.State), Problem: s.Problem, Version: b.Version,
		Labels: s.Labels, Addrs: []string{}, Workloads: s.Workload, Joined: s.Joined, Heartbeat: s.At, CertExpiry: b.CertExpiry,
		Wanted: s.Wanted, Held: b.Serial, WantedHash: s.Hash, HeldHash: b.Hash, Pending: b.Pending, Deadline: b.Deadline,
		Queued: b.Queued, Lost: b.Lost, ClockSkew: s.Skew.Seconds()}
	for _, addr := range b.Addrs {
		h.Addrs = append(h.Addrs, addr.String())
	}
	return h
}

// hostStatuses reads the register and what a controller last kept: for commands
// beside a running one, or without any.
func (a *app) hostStatuses() ([]controller.Status, error) {
	auth, err := a.authority()
	if err != nil {
		return nil, err
	}
	enrolled, err := auth.Hosts()
	if err != nil {
		return nil, err
	}
	sights, err := controller.Sights(a.fleetDir("controller"))
	if err != nil {
		return nil, err
	}
	return controller.Statuses(enrolled, sights, time.Now()), nil
}

func (a *app) printHosts() error {
	list, err := a.hostStatuses()
	if err != nil {
		return err
	}
	if a.json {
		out := make([]hostJSON, len(list))
		for i := range list {
			out[i] = hostLine(&list[i])
		}
		return a.printJSON(out)
	}
	if len(list) == 0 {
		a.say("no host has joined; make a token with `bulkhead join-token create`")
		return nil
	}
	var rows [][]string
	for i := range list {
		s := &list[i]
		rows = append(rows, []string{s.Name, roleWord(s.Role), string(s.State), orDash(s.Beat.Version),
			bundleOf(s.Wanted, s.Hash), bundleOf(s.Beat.Serial, s.Beat.Hash), ago(s.At), until(s.Beat.CertExpiry), s.Problem})
	}
	return table(a.out, []string{"HOST", "KIND", "STATE", "VERSION", "WANTED", "HELD", "HEARTBEAT", "CERTIFICATE", "PROBLEM"}, rows)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// bundleOf is a bundle's number with the beginning of its policies' hash.
func bundleOf(serial uint64, hash string) string {
	if serial == 0 {
		return "-"
	}
	return fmt.Sprintf("%d %.8s", serial, hash)
}

func ago(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return time.Since(t).Round(time.Second).String() + " ago"
}

func until(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	if d := time.Until(t); d > 0 {
		return "ends in " + d.Round(time.Minute).String()
	}
	return "expired"
}

func removeHostCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "remove HOST...", Short: "Revoke hosts: their certificates are refused from now on", Args: cobra.MinimumNArgs(1),
		Long: `Other machines no longer know it by the labels of its token, so what those labels
allowed is closed, unless the map or the inventory give it the same. The host keeps
enforcing what it last confirmed until somebody on it runs "bulkhead enforce
--release": a host that was thrown out is not thereby opened.`,
		RunE: func(_ *cobra.Command, args []string) error {
			return a.eachHost(args, func(auth *authority.Authority, name string) error {
				if err := auth.Remove(name); err != nil {
					return err
				}
				a.say("%s is revoked; what it enforces stays in force there until `bulkhead enforce --release` is run on it", name)
				return nil
			})
		},
	}
}

func confirmHostCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "confirm HOST...", Short: "Confirm the change that waits on hosts (controller.confirm: operator)", Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			list, err := a.hostStatuses()
			if err != nil {
				return err
			}
			pending := map[string]uint64{}
			for i := range list {
				pending[list[i].Name] = list[i].Beat.Pending
			}
			return a.eachHost(args, func(auth *authority.Authority, name string) error {
				serial, enrolled := pending[name]
				if enrolled && serial == 0 {
					return fmt.Errorf("%s: nothing waits to be confirmed there", name)
				}
				if err := auth.Confirm(name, serial); err != nil {
					return err
				}
				a.say("%s: bundle %s is confirmed; the host hears of it with its next heartbeat", name, strconv.FormatUint(serial, 10))
				return nil
			})
		},
	}
}

func retryHostCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "retry HOST...", Short: "Send hosts once more what they took back", Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.eachHost(args, func(auth *authority.Authority, name string) error { return auth.Again(name) })
		},
	}
}

// eachHost does something to hosts that must be enrolled.
func (a *app) eachHost(names []string, f func(*authority.Authority, string) error) error {
	auth, err := a.authority()
	if err != nil {
		return err
	}
	var failed error
	for _, name := range names {
		err := f(auth, name)
		if errors.Is(err, authority.ErrNoHost) {
			err = usagef("%v; `bulkhead hosts` lists them", err)
		}
		failed = errors.Join(failed, err)
	}
	return failed
}
