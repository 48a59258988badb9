// Package config is the program's one configuration file: raw YAML in, typed and
// checked values out. Unknown keys are errors that name the nearest known key;
// docs/reference.yaml documents every key with its default and is parsed by a
// test.
package config

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/bulkhead/bulkhead/internal/strictyaml"
)

// Config is the whole file, every default filled in.
type Config struct {
	// DataDir holds the embedded engine's data, the spool and the state of the
	// enforcer.
	DataDir    string     `yaml:"dataDir"`
	ClickHouse ClickHouse `yaml:"clickhouse"`
	API        API        `yaml:"api"`
	Collector  Collector  `yaml:"collector"`
	Map        Map        `yaml:"map"`
	Enforcer   Enforcer   `yaml:"enforcer"`
	Controller Controller `yaml:"controller"`
	Agent      Agent      `yaml:"agent"`
}

// ClickHouse says where flows are stored.
type ClickHouse struct {
	DSN         string        `yaml:"dsn"`     // empty: the embedded engine
	Cluster     string        `yaml:"cluster"` // name of a cluster for replicated and distributed tables
	KeepFlows   time.Duration `yaml:"keepFlows"`
	KeepEdges   time.Duration `yaml:"keepEdges"`
	MemoryBytes int64         `yaml:"memoryBytes"` // bound of the embedded engine; 0: a share of the machine
	SpoolBytes  int64         `yaml:"spoolBytes"`
}

// API is the dashboard and its interface.
type API struct {
	Listen  string `yaml:"listen"`
	Metrics string `yaml:"metrics"` // address of /metrics for Prometheus; empty: none
}

// Collector says how traffic becomes flows.
type Collector struct {
	Sensor        string        `yaml:"sensor"` // name of this sensor; default: the host's name
	IdleTimeout   time.Duration `yaml:"idleTimeout"`
	ActiveTimeout time.Duration `yaml:"activeTimeout"`
	MaxFlows      int           `yaml:"maxFlows"`
	ExportPorts   []uint16      `yaml:"exportPorts"` // UDP ports whose datagrams are flow exports
	Listen        []string      `yaml:"listen"`      // "udp://:2055"
	Interfaces    []string      `yaml:"interfaces"`
	Exporters     []Exporter    `yaml:"exporters"` // allow-list; empty admits all
	Sampling      uint32        `yaml:"sampling"`  // rate for exporters that do not say
	Ignore        []string      `yaml:"ignore"`    // prefixes to leave out
	ServerPorts   []string      `yaml:"serverPorts"`
	ScopeVLAN     bool          `yaml:"scopeVLAN"` // networks overlap: each VLAN has addresses of its own
	ScopeVNI      bool          `yaml:"scopeVNI"`
	User          string        `yaml:"user"` // who the sensor becomes once everything is open
	// DirectionOverrides: address → "server" or "client".
	DirectionOverrides map[string]string `yaml:"directionOverrides"`
}

// Map says what is inside the estate.
type Map struct {
	Inside []string      `yaml:"inside"` // prefixes of workloads; the rest is outside
	Window time.Duration `yaml:"window"` // how far back the map looks by default
}

// Enforcer holds the safety limits of enforcement.
type Enforcer struct {
	ConfirmWithin time.Duration `yaml:"confirmWithin"`
	BreakGlass    []string      `yaml:"breakGlass"`
	// Watch is how long a confirmed change is watched, 0 for not at all; Bear how
	// much harm is borne before it is taken back (see enforcer.Aftercare).
	Watch time.Duration `yaml:"watch"`
	Bear  int           `yaml:"bear"`
}

// Controller says how `bulkhead serve` drives agents and gateways.
type Controller struct {
	Listen          string        `yaml:"listen"`  // address that hosts connect to; empty: no controller
	Confirm         string        `yaml:"confirm"` // "reach" or "operator"
	CertificateLife time.Duration `yaml:"certificateLife"`
	RenewGrace      time.Duration `yaml:"renewGrace"` // how long after its end a certificate can be renewed
	Canary          int           `yaml:"canary"`     // percent of hosts that get a change first; 0: all at once
	Soak            time.Duration `yaml:"soak"`       // how long they must hold it
}

// Agent holds the limits of an enforcement point with a controller.
type Agent struct {
	QueueBytes int64 `yaml:"queueBytes"` // disk for reports while the controller is away
	Flows      bool  `yaml:"flows"`      // report the host's own connections
}

// Default returns the configuration of a program without a file.
func Default() Config {
	return Config{
		DataDir:    defaultDataDir(),
		ClickHouse: ClickHouse{KeepFlows: 30 * 24 * time.Hour, KeepEdges: 400 * 24 * time.Hour, SpoolBytes: 2 << 30},
		API:        API{Listen: "127.0.0.1:8440"},
		Collector: Collector{
			IdleTimeout: time.Minute, ActiveTimeout: 5 * time.Minute, MaxFlows: 1 << 20,
			ExportPorts: []uint16{2055, 2056, 4432, 4739, 4740, 6343, 9025, 9555, 9995, 9996},
		},
		Map: Map{
			Inside: []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15", "fc00::/7"},
			Window: 30 * 24 * time.Hour,
		},
		Enforcer:   Enforcer{ConfirmWithin: 2 * time.Minute, Watch: 48 * time.Hour, Bear: 2},
		Controller: Controller{Confirm: "reach", CertificateLife: 24 * time.Hour, RenewGrace: 30 * 24 * time.Hour, Soak: 10 * time.Minute},
		Agent:      Agent{QueueBytes: 64 << 20, Flows: true},
	}
}

func defaultDataDir() string {
	if os.Geteuid() == 0 {
		return "/var/lib/bulkhead"
	}
	if d := os.Getenv("XDG_DATA_HOME"); d != "" {
		return filepath.Join(d, "bulkhead")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		home = os.TempDir()
	}
	return filepath.Join(home, ".local", "share", "bulkhead")
}

// Load reads file over the defaults and checks every value. An empty name gives
// the defaults.
func Load(file string) (Config, error) {
	c := Default()
	if file == "" {
		return c, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return c, fmt.Errorf("read configuration: %w", err)
	}
	if err := strictyaml.Decode(data, file, &c); err != nil {
		return c, err
	}
	if err := c.Check(); err != nil {
		return c, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

// Check reports the first value that cannot work, by its key.
func (c *Config) Check() error {
	if c.DataDir == "" {
		return fmt.Errorf("dataDir: must name a folder")
	}
	if _, _, err := net.SplitHostPort(c.API.Listen); err != nil {
		return fmt.Errorf("api.listen: %w", err)
	}
	if c.API.Metrics != "" {
		if _, _, err := net.SplitHostPort(c.API.Metrics); err != nil {
			return fmt.Errorf("api.metrics: %w", err)
		}
	}
	if c.Collector.User != "" && c.ClickHouse.DSN == "" {
		return fmt.Errorf("collector.user: needs clickhouse.dsn: the embedded engine's files belong to whoever starts it")
	}
	for key, d := range map[string]time.Duration{
		"collector.idleTimeout": c.Collector.IdleTimeout, "collector.activeTimeout": c.Collector.ActiveTimeout,
		"controller.certificateLife": c.Controller.CertificateLife, "controller.renewGrace": c.Controller.RenewGrace,
		"map.window": c.Map.Window, "clickhouse.keepFlows": c.ClickHouse.KeepFlows, "clickhouse.keepEdges": c.ClickHouse.KeepEdges,
	} {
		if d <= 0 {
			return fmt.Errorf("%s: %s is not a positive duration", key, d)
		}
	}
	if c.Collector.MaxFlows < 1024 {
		return fmt.Errorf("collector.maxFlows: %d is less than 1024", c.Collector.MaxFlows)
	}
	if err := c.Controller.check(); err != nil {
		return err
	}
	if c.Enforcer.Watch < 0 || c.Enforcer.Bear < 0 {
		return fmt.Errorf("enforcer.watch, enforcer.bear: %s and %d: want 0 or more", c.Enforcer.Watch, c.Enforcer.Bear)
	}
	for key, list := range map[string][]string{
		"map.inside": c.Map.Inside, "collector.ignore": c.Collector.Ignore, "enforcer.breakGlass": c.Enforcer.BreakGlass,
	} {
		if _, err := Prefixes(list); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return checkExporters(c.Collector.Exporters)
}

func (c *Controller) check() error {
	if c.Listen != "" {
		if _, _, err := net.SplitHostPort(c.Listen); err != nil {
			return fmt.Errorf("controller.listen: %w", err)
		}
	}
	if c.Confirm != "reach" && c.Confirm != "operator" {
		return fmt.Errorf("controller.confirm: %q is neither reach nor operator", c.Confirm)
	}
	if c.Canary < 0 || c.Canary > 100 {
		return fmt.Errorf("controller.canary: %d is no percentage", c.Canary)
	}
	if c.Soak < 0 {
		return fmt.Errorf("controller.soak: %s is negative", c.Soak)
	}
	return nil
}

// Prefixes parses CIDR prefixes; a bare address is a prefix of its own.
func Prefixes(list []string) ([]netip.Prefix, error) {
	out := make([]netip.Prefix, 0, len(list))
	for _, s := range list {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			a, err2 := netip.ParseAddr(s)
			if err2 != nil {
				return nil, fmt.Errorf("%q is neither a prefix nor an address", s)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		out = append(out, p.Masked())
	}
	return out, nil
}
