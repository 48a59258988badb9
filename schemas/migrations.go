package schemas

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"sort"
	"strconv"
	"strings"
	"text/template"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migration is one numbered step of the schema.
type Migration struct {
	Version int    // from the file's name, from 1 without gaps
	Name    string // the rest of the file's name
	Hash    string // SHA-256 of the file, hex
	text    string
}

// Target says what a migration is rendered for.
type Target struct {
	// Cluster is the ClickHouse cluster to create the tables on; "" is a single
	// server. On a cluster every table is a replicated local one, NAME_local,
	// with a Distributed one, NAME, before it.
	Cluster string
	// Plain keeps the local tables of a cluster unreplicated, for clusters
	// without a Keeper; ON CLUSTER is left out too, so every server is migrated
	// by itself.
	Plain bool
}

// Migrations returns all migrations in order.
func Migrations() ([]Migration, error) { return readMigrations(migrationFiles, "migrations") }

func readMigrations(files fs.FS, dir string) ([]Migration, error) {
	entries, err := fs.ReadDir(files, dir)
	if err != nil {
		return nil, err
	}
	var all []Migration
	for _, e := range entries {
		text, err := fs.ReadFile(files, dir+"/"+e.Name())
		if err != nil {
			return nil, err
		}
		number, name, ok := strings.Cut(strings.TrimSuffix(e.Name(), ".sql"), "_")
		version, err := strconv.Atoi(number)
		if !ok || err != nil {
			return nil, fmt.Errorf("migration %s: name must be NUMBER_NAME.sql", e.Name())
		}
		sum := sha256.Sum256(text)
		all = append(all, Migration{Version: version, Name: name, Hash: hex.EncodeToString(sum[:]), text: string(text)})
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Version < all[j].Version })
	for i, m := range all {
		if m.Version != i+1 {
			return nil, fmt.Errorf("migration %d is missing or there twice", i+1)
		}
	}
	return all, nil
}

// Statements renders the migration's SQL statements for a target.
func (m Migration) Statements(target Target) ([]string, error) {
	t, err := template.New(m.Name).Funcs(target.functions()).Option("missingkey=error").Parse(m.text)
	if err != nil {
		return nil, fmt.Errorf("migration %d %s: %w", m.Version, m.Name, err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, nil); err != nil {
		return nil, fmt.Errorf("migration %d %s: %w", m.Version, m.Name, err)
	}
	return split(b.String()), nil
}

// functions are what migrations may call:
//
//	{{local "flows"}}       name of the table that holds the rows
//	{{on}}                  ON CLUSTER clause, or nothing
//	{{engine "MergeTree"}}  table engine, replicated on a cluster
//	{{dedup}}               the settings that make re-sent batches count once
//	{{distributed "flows" "KEY"}}  the Distributed table before a local one
//	{{distributedColumn "flows" "NAME TYPE"}}  a column added to that Distributed table
func (t Target) functions() template.FuncMap {
	return template.FuncMap{
		"local":  t.local,
		"on":     t.on,
		"engine": t.engine,
		"dedup":  t.dedup,
		"distributed": func(table, key string) string {
			if t.Cluster == "" {
				return ""
			}
			return fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s%s AS %s ENGINE = Distributed(%s, currentDatabase(), %s, %s);",
				table, t.on(), t.local(table), t.Cluster, t.local(table), key)
		},
		"distributedColumn": func(table, column string) string {
			if t.Cluster == "" {
				return ""
			}
			return fmt.Sprintf("ALTER TABLE %s%s ADD COLUMN IF NOT EXISTS %s;", table, t.on(), column)
		},
	}
}

func (t Target) local(table string) string {
	if t.Cluster == "" {
		return table
	}
	return table + "_local"
}

func (t Target) on() string {
	if t.Cluster == "" || t.Plain {
		return ""
	}
	return " ON CLUSTER " + t.Cluster
}

func (t Target) engine(name string) string {
	if t.Cluster == "" || t.Plain {
		return name
	}
	return "Replicated" + name
}

// dedupWindow is how many inserted blocks a table remembers by their token. A
// batch makes one block per partition it touches; other sensors' batches may come
// between one batch and its repetition.
const dedupWindow = 10000

func (t Target) dedup() string {
	if t.Cluster == "" || t.Plain {
		return fmt.Sprintf("non_replicated_deduplication_window = %d", dedupWindow)
	}
	return fmt.Sprintf("replicated_deduplication_window = %d", dedupWindow)
}

// split cuts a script at semicolons that end a line and drops comments.
func split(script string) []string {
	var out []string
	var b strings.Builder
	for _, line := range strings.Split(script, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "--") {
			continue
		}
		trimmed := strings.TrimRight(line, " \t")
		if s, ended := strings.CutSuffix(trimmed, ";"); ended {
			b.WriteString(s)
			if text := strings.TrimSpace(b.String()); text != "" {
				out = append(out, text)
			}
			b.Reset()
			continue
		}
		b.WriteString(trimmed + "\n")
	}
	if text := strings.TrimSpace(b.String()); text != "" {
		out = append(out, text)
	}
	return out
}
