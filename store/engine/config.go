package engine

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"text/template"
)

// Owner is the name of the program's own database user in an embedded engine.
const Owner = "bulkhead"

// layout names the files of an engine's folder.
type layout struct{ dir string }

func (l layout) data() string     { return filepath.Join(l.dir, "data") }
func (l layout) config() string   { return filepath.Join(l.dir, "config.xml") }
func (l layout) users() string    { return filepath.Join(l.dir, "users.xml") }
func (l layout) log() string      { return filepath.Join(l.dir, "engine.log") }
func (l layout) lock() string     { return filepath.Join(l.dir, "engine.lock") }
func (l layout) identity() string { return filepath.Join(l.dir, "identity") }
func (l layout) endpoint() string { return filepath.Join(l.dir, "endpoint.json") }

// configTemplate is the server's configuration. No HTTP, MySQL or interserver
// port is named, so none opens; no system log table is named, so none is written;
// nothing is reported to anybody.
var configTemplate = template.Must(template.New("config").Funcs(template.FuncMap{"x": escape}).Parse(`<clickhouse>
  <logger><level>warning</level><log>{{x .Log}}</log><size>10M</size><count>2</count></logger>
  <path>{{x .Data}}/</path>
  <tmp_path>{{x .Data}}/tmp/</tmp_path>
  <user_files_path>{{x .Data}}/user_files/</user_files_path>
  <format_schema_path>{{x .Data}}/format_schemas/</format_schema_path>
  <listen_host>127.0.0.1</listen_host>
  <tcp_port>{{.Port}}</tcp_port>
  <user_directories>
    <users_xml><path>{{x .Users}}</path></users_xml>
    <local_directory><path>{{x .Data}}/access/</path></local_directory>
  </user_directories>
  <default_profile>default</default_profile>
  <default_database>default</default_database>
  <send_crash_reports><enabled>false</enabled></send_crash_reports>
  <max_server_memory_usage>{{.Memory}}</max_server_memory_usage>
  <mark_cache_size>134217728</mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <max_concurrent_queries>100</max_concurrent_queries>
  <remote_servers>{{range .Remotes}}
    <{{.Name}}>{{range .Shards}}
      <shard><internal_replication>true</internal_replication><replica>
        <host>{{x .Host}}</host><port>{{.Port}}</port><user>{{x .User}}</user><password>{{x .Password}}</password>
      </replica></shard>{{end}}
    </{{.Name}}>{{end}}
  </remote_servers>
</clickhouse>
`))

// usersTemplate strips "default", which cannot be left out because the library's
// in-process session logs in as it from 127.0.0.1 without a password.
var usersTemplate = template.Must(template.New("users").Funcs(template.FuncMap{"x": escape, "hash": hash}).Parse(`<clickhouse>
  <profiles>
    <default>
      <async_insert>0</async_insert>
      <log_queries>0</log_queries>
      <max_bytes_before_external_group_by>{{.External}}</max_bytes_before_external_group_by>
      <max_bytes_before_external_sort>{{.External}}</max_bytes_before_external_sort>
    </default>
  </profiles>
  <quotas><default></default></quotas>
  <users>
    <default>
      <password></password>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
      <grants>
        <query>GRANT SYSTEM LISTEN ON *.*</query>
        <query>GRANT SELECT ON system.numbers</query>
      </grants>
    </default>
    <{{.Owner}}>
      <password_sha256_hex>{{hash .Password}}</password_sha256_hex>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
      <access_management>1</access_management>
    </{{.Owner}}>{{range .Users}}
    <{{.Name}}>
      <password_sha256_hex>{{hash .Password}}</password_sha256_hex>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
      <grants>{{range .Grants}}
        <query>{{x .}}</query>{{end}}
      </grants>
    </{{.Name}}>{{end}}
  </users>
</clickhouse>
`))

// writeConfig writes the engine's two configuration files, mode 0600.
func (e *Engine) writeConfig() error {
	at := e.at
	config := map[string]any{
		"Log": at.log(), "Data": at.data(), "Users": at.users(),
		"Port": e.port, "Memory": e.opt.MemoryBytes, "Remotes": e.opt.Remotes,
	}
	users := map[string]any{
		"Owner": Owner, "Password": e.password, "Users": e.opt.Users, "External": e.opt.MemoryBytes * 2 / 5,
	}
	if err := writeTemplate(at.users(), usersTemplate, users); err != nil {
		return err
	}
	return writeTemplate(at.config(), configTemplate, config)
}

func writeTemplate(path string, t *template.Template, data any) error {
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return writeFile(path, b.Bytes())
}

// writeFile replaces path by a file of mode 0600, whole or not at all.
func writeFile(path string, content []byte) error {
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, content, 0o600); err != nil {
		return err
	}
	if err := os.Chmod(tmp, 0o600); err != nil { // WriteFile keeps the mode of a file left behind
		return err
	}
	return os.Rename(tmp, path)
}

func escape(s string) (string, error) {
	var b bytes.Buffer
	err := xml.EscapeText(&b, []byte(s))
	return b.String(), err
}

func hash(password string) string {
	sum := sha256.Sum256([]byte(password))
	return hex.EncodeToString(sum[:])
}

var elementName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// checkNames refuses names that cannot be elements of the configuration.
func (o Options) checkNames() error {
	for _, u := range o.Users {
		if !elementName.MatchString(u.Name) || u.Name == Owner || u.Name == "default" {
			return fmt.Errorf("user %q: want letters, digits and '_'", u.Name)
		}
	}
	for _, c := range o.Remotes {
		if !elementName.MatchString(c.Name) {
			return fmt.Errorf("cluster %q: want letters, digits and '_'", c.Name)
		}
	}
	return nil
}
