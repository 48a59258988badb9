package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bulkhead/bulkhead/enforcer"
	"github.com/bulkhead/bulkhead/enforcer/nft"
)

// show prints the ruleset and its difference from what the kernel holds.
func (e *enforcing) show(want nft.Ruleset) error {
	have, err := readKernel()
	if e.json {
		return e.showJSON(want, have, err)
	}
	fmt.Fprint(e.out, want.String())
	for _, l := range want.Losses {
		fmt.Fprintf(e.out, "# not expressed: %s\n", l)
	}
	if err != nil {
		fmt.Fprintf(e.err, "no comparison with the kernel: %v\n", err)
		return nil
	}
	changes := nft.Diff(have, want)
	if changes.Empty() {
		fmt.Fprintln(e.out, "# the kernel holds exactly this")
		return nil
	}
	fmt.Fprintf(e.out, "\n# what would change in the kernel:\n%s", changes)
	return nil
}

// showJSON prints the same for scripts.
func (e *enforcing) showJSON(want, have nft.Ruleset, unread error) error {
	shown := struct {
		Hash    string   `json:"hash"` // of the policy set
		Ruleset string   `json:"ruleset"`
		Losses  []string `json:"losses"`
		// Kernel is why there is no comparison; Changes is what would change, a line each.
		Kernel  string   `json:"kernel,omitempty"`
		Changes []string `json:"changes"`
	}{Hash: want.Hash, Ruleset: want.String(), Losses: []string{}, Changes: []string{}}
	for _, l := range want.Losses {
		shown.Losses = append(shown.Losses, fmt.Sprint(l))
	}
	if unread != nil {
		shown.Kernel = unread.Error()
	} else if changes := nft.Diff(have, want); !changes.Empty() {
		shown.Changes = strings.Split(strings.TrimRight(changes.String(), "\n"), "\n")
	}
	return e.printJSON(shown)
}

func readKernel() (have nft.Ruleset, err error) {
	k, err := nft.Open(0)
	if err != nil {
		return have, err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	have, _, _, err = k.Read()
	return have, err
}

// manage shows or ends what is in force.
func (e *enforcing) manage(ctx context.Context, f *enforcer.Enforcer) error {
	if e.release {
		if err := f.Release(ctx, e.reason); err != nil {
			return fmt.Errorf("release: %w", err)
		}
		e.say("the table is gone; this machine is as it was found")
		return nil
	}
	st := f.Status()
	steps, err := f.Journal()
	if err != nil {
		return err
	}
	if e.json {
		return e.printJSON(map[string]any{"confirmed": st.Confirmed, "pending": st.Pending, "watch": st.Watch, "watchUntil": st.WatchUntil, "journal": steps})
	}
	e.showStatus(st)
	rows := make([][]string, 0, len(steps))
	for _, s := range steps {
		rows = append(rows, []string{s.Time.Local().Format(time.DateTime), s.Event, fmt.Sprint(s.Version), s.Author, s.Change, stepWords(s)})
	}
	return table(e.out, []string{"TIME", "EVENT", "VERSION", "BY", "CHANGE", "DETAIL"}, rows)
}

// stepWords is why and what of a step, in one line.
func stepWords(s enforcer.Step) string {
	words := strings.Join(strings.Fields(s.Detail), " ")
	if s.Reason != "" {
		return s.Reason + ": " + words
	}
	return words
}

// sayStep says what happens while nobody types: a repair, a change taken back.
func (a *app) sayStep(s enforcer.Step) {
	a.say("%s %s: version %d: %s", s.Time.Local().Format(time.TimeOnly), s.Event, s.Version, printable(stepWords(s)))
}

func (e *enforcing) showStatus(st enforcer.Status) {
	for _, x := range []struct {
		what string
		v    *enforcer.Version
	}{{"confirmed", st.Confirmed}, {"waits to be confirmed", st.Pending}} {
		if x.v != nil {
			fmt.Fprintf(e.out, "%s: version %d, policy %.12s, by %s\n", x.what, x.v.Number, x.v.Hash, x.v.Author)
		}
	}
	if st.Flapping {
		fmt.Fprintln(e.out, "somebody keeps changing the table: repairs pause")
	}
	if st.Watch == nil {
		return
	}
	until := "some time after it is confirmed"
	if !st.WatchUntil.IsZero() {
		until = st.WatchUntil.Local().Format(time.DateTime)
	}
	fmt.Fprintf(e.out, "watched until %s: %s\n", until, printable(st.Watch.String()))
}
