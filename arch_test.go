package bulkhead_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/bulkhead/bulkhead/"

// mayImport is the house: what each package may import of ours. A package not
// listed takes the entry of its nearest listed parent. Test files are free to
// import internal/testenv and internal/scenario besides.
var mayImport = map[string][]string{
	"flow":                {},
	"topology":            {"flow"},
	"policy":              {"flow", "topology", "internal/strictyaml"},
	"change":              {"flow", "topology", "policy"},
	"schemas":             {},
	"ui":                  {},
	"internal/durable":    {},
	"internal/task":       {},
	"internal/metrics":    {},
	"internal/testenv":    {},
	"internal/strictyaml": {},
	"internal/inventory":  {"flow", "topology", "internal/strictyaml"},
	"internal/config":     {"flow", "topology", "policy", "internal/strictyaml"},
	"internal/scenario":   {"flow", "topology", "policy", "internal/strictyaml", "testdata/scenarios"},
	"collector":           {"flow", "topology", "policy", "internal/metrics", "internal/durable", "collector"},
	"mapper":              {"flow", "topology", "policy", "internal/metrics"},
	"recommender":         {"flow", "topology", "policy", "internal/metrics", "recommender"},
	"enforcer":            {"flow", "topology", "policy", "internal/metrics", "internal/durable", "enforcer"},
	"fleet":               {"flow", "topology", "policy", "internal/metrics", "internal/durable", "fleet"},
	"store":               {"flow", "topology", "policy", "schemas", "internal/metrics", "store"},
	"httpapi":             {"flow", "topology", "policy", "change", "ui", "schemas", "httpapi"},
	"cmd":                 {"*"},
	"lab":                 {"*"},
	"bench":               {"*"},
	"truth":               {"*"},
}

// fences name the only packages that may import a heavy library, with the reason.
var fences = []struct {
	library string
	only    []string
	why     string
}{
	{"github.com/google/gopacket", []string{"collector", "internal/scenario"}, "packets become flow.Records in collector"},
	{"github.com/netsampler/goflow2", []string{"collector/netflow"}, "export protocols end in collector/netflow"},
	{"gonum.org/v1/gonum", []string{"mapper"}, "graph mathematics stays in mapper"},
	{"github.com/ClickHouse/", []string{"store"}, "the database is an adapter"},
	{"github.com/google/nftables", []string{"enforcer"}, "the kernel is reached through enforcer"},
	{"github.com/vishvananda/netlink", []string{"enforcer"}, "the kernel is reached through enforcer"},
	{"github.com/mdlayher/netlink", []string{"enforcer"}, "the kernel is reached through enforcer"},
	{"github.com/go-chi/chi", []string{"httpapi"}, "routing is httpapi's business"},
}

var banned = []string{"common", "util", "utils", "helpers", "types", "models", "manager", "misc"}

func TestImportsFollowTheHouse(t *testing.T) {
	eachFile(t, func(path string, imports []string, test bool) {
		dir := filepath.ToSlash(filepath.Dir(path))
		if dir == "." {
			return
		}
		owner, allowed := ruleFor(dir)
		if owner == "" {
			t.Errorf("%s: package %s is not in the import table of arch_test.go", path, dir)
			return
		}
		for _, imp := range imports {
			if ours, ok := strings.CutPrefix(imp, module); ok && !permitted(dir, ours, allowed, test) {
				t.Errorf("%s imports %s; %s may import only %v", path, ours, owner, allowed)
			}
			for _, f := range fences {
				if strings.HasPrefix(imp, f.library) && !underAny(dir, f.only) && !test {
					t.Errorf("%s imports %s, allowed only in %v: %s", path, imp, f.only, f.why)
				}
			}
		}
	})
}

func TestPackagesAreNamedAndDocumented(t *testing.T) {
	documented := map[string]bool{}
	eachFile(t, func(path string, _ []string, test bool) {
		dir := filepath.ToSlash(filepath.Dir(path))
		for _, part := range strings.Split(dir, "/") {
			for _, b := range banned {
				if part == b {
					t.Errorf("%s: a package called %q says nothing", path, b)
				}
			}
		}
		if test || dir == "." {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		documented[dir] = documented[dir] || f.Doc != nil
	})
	for dir, ok := range documented {
		if !ok {
			t.Errorf("package %s has no package comment", dir)
		}
	}
}

func ruleFor(dir string) (string, []string) {
	for d := dir; d != "."; d = filepath.ToSlash(filepath.Dir(d)) {
		if allowed, ok := mayImport[d]; ok {
			return d, allowed
		}
	}
	return "", nil
}

func permitted(dir, imp string, allowed []string, test bool) bool {
	if imp == dir || (test && underAny(imp, []string{"internal/testenv", "internal/scenario"})) {
		return true
	}
	for _, a := range allowed {
		if a == "*" || imp == a || strings.HasPrefix(imp, a+"/") {
			return true
		}
	}
	return false
}

func underAny(dir string, parents []string) bool {
	for _, p := range parents {
		if dir == p || strings.HasPrefix(dir, p+"/") {
			return true
		}
	}
	return false
}

func eachFile(t *testing.T, visit func(path string, imports []string, test bool)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git" || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, src, parser.ImportsOnly)
		if err != nil {
			return err
		}
		var imports []string
		for _, i := range f.Imports {
			p, _ := strconv.Unquote(i.Path.Value)
			imports = append(imports, p)
		}
		visit(path, imports, strings.HasSuffix(path, "_test.go"))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
