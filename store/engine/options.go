package engine

import (
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// Options say which ClickHouse to use and where an embedded one lives.
type Options struct {
	// DSN names a server the operator runs, as clickhouse-go/v2 reads it:
	// clickhouse://user:password@host:9000/database?secure=true. Nothing is
	// started then.
	DSN string
	// Dir is the folder of an embedded engine: data, configuration, logs, lock.
	// It is created with mode 0700.
	Dir string
	// Exclusive wants an engine of our own: while another program holds the folder
	// Open waits ten seconds for it to end, and then fails with ErrLocked, instead
	// of using that program's engine.
	Exclusive bool

	// Binary is the clickhouse program; "" looks on PATH, "-" does not use one.
	Binary string
	// Library is libchdb.so; "" is DefaultLibrary().
	Library string

	// MemoryBytes bounds the engine's memory; 0 is half of the machine's (or of
	// its cgroup's limit), at least 1 GiB.
	MemoryBytes int64
	// MinFreeBytes is the disk space below which the engine refuses to start; 0
	// is 64 MiB.
	MinFreeBytes int64
	// StartTimeout bounds one start, until the first answer; 0 is 60 s, and 10 s
	// for a server that DSN names.
	StartTimeout time.Duration
	// Users are further database users, for programs on this machine that need
	// less than everything. The engine gets their passwords' hashes only.
	Users []User

	// Remotes are clusters the engine knows for Distributed tables: per cluster
	// name, one DSN-less address with credentials per shard.
	Remotes []Cluster

	// Log receives starts, deaths and restarts; nil discards them.
	Log *slog.Logger
}

// User is a database user with exactly these rights.
type User struct {
	Name     string // letters, digits and '_'
	Password string
	Grants   []string // GRANT statements without their TO
}

// Cluster is a named list of shards (ClickHouse's remote_servers).
type Cluster struct {
	Name   string
	Shards []Shard
}

// Shard is one server of a cluster.
type Shard struct {
	Host     string
	Port     int
	User     string
	Password string
}

func (o Options) withDefaults() Options {
	if o.Library == "" {
		o.Library = DefaultLibrary()
	}
	if o.MemoryBytes == 0 {
		o.MemoryBytes = max(machineMemory()/2, 1<<30)
	}
	if o.MinFreeBytes == 0 {
		o.MinFreeBytes = 64 << 20
	}
	switch {
	case o.StartTimeout != 0:
	case o.DSN != "":
		o.StartTimeout = 10 * time.Second
	default:
		o.StartTimeout = time.Minute
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// DefaultLibrary is where make engine puts libchdb.so: $BULKHEAD_ENGINE, else
// bulkhead/libchdb.so in the user's cache folder.
func DefaultLibrary() string {
	if p := os.Getenv("BULKHEAD_ENGINE"); p != "" {
		return p
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	return filepath.Join(cache, "bulkhead", "libchdb.so")
}
