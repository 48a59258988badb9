package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/bulkhead/bulkhead/internal/config"
	"github.com/bulkhead/bulkhead/internal/strictyaml"
)

// app is what every verb has: streams, the configuration and the global flags.
type app struct {
	in       io.Reader
	out, err io.Writer
	log      *slog.Logger
	cfg      config.Config

	configFile string
	dataDir    string
	clickhouse string
	json       bool
	quiet      bool
	verbose    bool

	mayBeBlind bool // the verb works for a database user that may insert and read nothing
}

const rootHelp = `Bulkhead watches a network passively, draws the map of which workload depends on
which, recommends least-privilege rules with the traffic behind each, shows on
recorded traffic what they would break, and enforces them with a way back:
discover, design, monitor, enforce.`

func newRoot(in io.Reader, out, errOut io.Writer) *cobra.Command {
	a := &app{in: in, out: out, err: errOut}
	root := &cobra.Command{
		Use: "bulkhead", Short: "Map a network, find its least-privilege rules, enforce them safely", Long: rootHelp,
		SilenceUsage: true, SilenceErrors: true,
		PersistentPreRunE: func(*cobra.Command, []string) error { return a.prepare() },
		Args:              cobra.ArbitraryArgs,
		RunE:              unknownVerb,
	}
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	f := root.PersistentFlags()
	f.StringVar(&a.configFile, "config", "", "configuration file (docs/reference.yaml lists the keys)")
	f.StringVar(&a.dataDir, "data-dir", "", "folder of the embedded engine and its data")
	f.StringVar(&a.clickhouse, "clickhouse", "", "clickhouse://user:password@host:9000/database; empty: the embedded engine")
	f.BoolVar(&a.json, "json", false, "print JSON for scripts")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "print results and errors only")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "log what the program does")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })

	addVerbs(root, a)
	root.AddCommand(exitCodesHelp())
	usageArgs(root)
	return root
}

// unknownVerb is what the bare program does: help, or a word about a verb there is
// not.
func unknownVerb(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	var verbs []string
	for _, c := range cmd.Commands() {
		verbs = append(verbs, c.Name())
	}
	return usagef("unknown command %q%s", args[0], strictyaml.Suggest(args[0], verbs))
}

// usageArgs makes a wrong number of arguments a mistake of whoever typed it.
func usageArgs(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usageError{fmt.Errorf("%s: %w", strings.TrimPrefix(cmd.CommandPath(), "bulkhead "), err)}
			}
			return nil
		}
	}
	for _, c := range cmd.Commands() {
		usageArgs(c)
	}
}

// prepare loads the configuration and lets flags override it.
func (a *app) prepare() error {
	level := slog.LevelWarn
	if a.verbose {
		level = slog.LevelInfo
	}
	opts := &slog.HandlerOptions{Level: level}
	a.log = slog.New(slog.NewJSONHandler(a.err, opts))
	if f, ok := a.err.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		a.log = slog.New(slog.NewTextHandler(a.err, opts))
	}
	cfg, err := a.configuration()
	if err != nil {
		return usageError{err}
	}
	a.cfg = cfg
	return nil
}

// configuration reads the file and lets the global flags override it.
func (a *app) configuration() (config.Config, error) {
	cfg, err := config.Load(a.configFile)
	if err != nil {
		return cfg, err
	}
	if a.dataDir != "" {
		cfg.DataDir = a.dataDir
	}
	if a.clickhouse != "" {
		cfg.ClickHouse.DSN = a.clickhouse
	}
	return cfg, nil
}

// say prints a line for people; scripts and --quiet do not get it.
func (a *app) say(format string, args ...any) {
	if !a.quiet && !a.json {
		fmt.Fprintf(a.err, format+"\n", args...)
	}
}

func exitCodesHelp() *cobra.Command {
	return &cobra.Command{
		Use: "exit-codes", Short: "What the exit codes mean",
		Long: `  0    it worked
  1    it did not; the message says what and what to do
  2    the command line, a file or a document is wrong
  3    it worked, and the answer is no: policies differ, an assertion fails, something would break
  130  interrupted; what was accepted is kept`,
	}
}

func versionCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Version of the program and of what it was built with", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			info, _ := debug.ReadBuildInfo()
			goVersion := ""
			if info != nil {
				goVersion = info.GoVersion
			}
			if a.json {
				return a.printJSON(map[string]string{"version": version, "go": goVersion})
			}
			_, err := fmt.Fprintf(a.out, "bulkhead %s (%s)\n", version, goVersion)
			return err
		},
	}
}
