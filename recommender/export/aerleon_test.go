package export_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// Aerleon cannot be installed where the tests run; its YAML is the same model as
// the policy that capirca compiles in another test. So both must hold the same
// terms, and every network and service a term names must be defined beside them.
func TestAerleonSaysWhatCapircaSays(t *testing.T) {
	pol, _ := render(t, "capirca", shop(t))
	text, _ := render(t, "aerleon", shop(t))
	want := capircaTerms(pol)
	var got []string
	defined := map[string]bool{}
	dec := yaml.NewDecoder(strings.NewReader(text))
	for {
		var doc struct {
			Filters []struct {
				Header struct {
					Targets map[string]string `yaml:"targets"`
				} `yaml:"header"`
				Terms []map[string]string `yaml:"terms"`
			} `yaml:"filters"`
			Networks map[string]yaml.Node `yaml:"networks"`
			Services map[string]yaml.Node `yaml:"services"`
		}
		if err := dec.Decode(&doc); err != nil {
			break
		}
		for _, f := range doc.Filters {
			if len(f.Header.Targets) < 9 {
				t.Errorf("targets %v", f.Header.Targets)
			}
			for _, term := range f.Terms {
				for k, v := range term {
					if k != "name" {
						got = append(got, fmt.Sprintf("%s %s %s", term["name"], k, v))
					}
				}
			}
		}
		for name := range doc.Networks {
			defined[name] = true
		}
		for name := range doc.Services {
			defined[name] = true
		}
	}
	slices.Sort(got)
	if len(want) < 40 || !slices.Equal(got, want) {
		t.Errorf("aerleon has\n%s\ncapirca has\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, name := range regexp.MustCompile(`BH_(NET|SVC)_[0-9A-F]+`).FindAllString(strings.Join(got, "\n"), -1) {
		if !defined[name] {
			t.Errorf("%s is not defined", name)
		}
	}
}

// capircaTerms reads "term NAME { key:: value … }" into sorted lines.
func capircaTerms(pol string) (out []string) {
	name := ""
	for _, line := range strings.Split(pol, "\n") {
		if rest, ok := strings.CutPrefix(line, "term "); ok {
			name = strings.TrimSuffix(rest, " {")
		} else if line == "}" {
			name = ""
		} else if k, v, ok := strings.Cut(strings.TrimSpace(line), ":: "); ok && name != "" {
			out = append(out, fmt.Sprintf("%s %s %s", name, k, strings.Trim(v, `"`)))
		}
	}
	slices.Sort(out)
	return out
}
