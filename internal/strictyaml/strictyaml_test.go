package strictyaml_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/internal/strictyaml"
)

type inner struct {
	Timeout time.Duration `yaml:"timeout"`
}

type outer struct {
	Listen string            `yaml:"listen"`
	Many   []inner           `yaml:"many"`
	ByName map[string]*inner `yaml:"byName"`
}

func TestDecodeNamesThePlaceAndTheNearestKey(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"listen: a\nmany: [{timeout: 3s}]\n", ""},
		{"listne: a\n", `f.yaml:1: unknown key "listne"; did you mean "listen"?`},
		{"many:\n- timeout: 1s\n- timeuot: 2s\n", `f.yaml:3: unknown key "timeuot"; did you mean "timeout"?`},
		{"byName:\n  x: {zzzzzzzz: 1}\n", `f.yaml:2: unknown key "zzzzzzzz"; known: timeout`},
		{"many: [{timeout: soon}]\n", "f.yaml:1: cannot unmarshal"},
		{"a: [\n", "f.yaml: line"},
		{"listen: a\n---\nlisten: b\n", "f.yaml:3: more than one document"},
	} {
		var o outer
		err := strictyaml.Decode([]byte(c.in), "f.yaml", &o)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%q: %v", c.in, err)
		case c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)):
			t.Errorf("%q: got %v, want %s…", c.in, err, c.want)
		}
	}
}
