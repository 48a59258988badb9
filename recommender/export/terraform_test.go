package export_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// terraformArguments are those of the providers' schemas that we write, required
// ones first.
var terraformArguments = map[string]struct{ required, optional string }{
	"aws_security_group":                  {"", "name description vpc_id"},
	"aws_vpc_security_group_ingress_rule": {"security_group_id ip_protocol", "from_port to_port cidr_ipv4 cidr_ipv6 referenced_security_group_id description"},
	"aws_vpc_security_group_egress_rule":  {"security_group_id ip_protocol", "from_port to_port cidr_ipv4 cidr_ipv6 referenced_security_group_id description"},
	"azurerm_network_security_group":      {"name resource_group_name location", ""},
	"azurerm_application_security_group":  {"name resource_group_name location", ""},
	"azurerm_network_security_rule": {"name priority direction access protocol resource_group_name network_security_group_name",
		"source_port_range destination_port_range destination_port_ranges source_address_prefix source_address_prefixes destination_address_prefix destination_address_prefixes source_application_security_group_ids destination_application_security_group_ids"},
	"google_compute_firewall": {"name network", "direction priority target_tags source_tags source_ranges destination_ranges allow deny"},
}

// terraformFile is a parsed file: what it declares and what it refers to.
type terraformFile struct {
	declared  map[string]bool // "kind.name" and "var.name"
	resources []*hclsyntax.Block
	problems  []string
}

// readTerraform parses as Terraform does (HCL native syntax) and collects what
// Terraform would refuse without asking a provider.
func readTerraform(text string) *terraformFile {
	f := &terraformFile{declared: map[string]bool{}}
	file, diags := hclsyntax.ParseConfig([]byte(text), "export.tf", hcl.InitialPos)
	if diags.HasErrors() {
		f.problems = append(f.problems, diags.Error())
		return f
	}
	body := file.Body.(*hclsyntax.Body)
	for _, b := range body.Blocks {
		address := strings.Join(b.Labels, ".")
		switch {
		case b.Type == "variable" && len(b.Labels) == 1:
			address = "var." + address
		case b.Type == "resource" && len(b.Labels) == 2:
			f.resources = append(f.resources, b)
		default:
			f.problems = append(f.problems, "unknown block "+b.Type)
		}
		if f.declared[address] {
			f.problems = append(f.problems, "declared twice: "+address)
		}
		f.declared[address] = true
	}
	for _, b := range f.resources {
		f.expressions(b.Body)
	}
	return f
}

// expressions checks that values are constants or refer to what is declared:
// nothing in a string is a template.
func (f *terraformFile) expressions(body *hclsyntax.Body) {
	for _, a := range body.Attributes {
		for _, v := range a.Expr.Variables() {
			address := v.RootName()
			if len(v) > 1 {
				attr, _ := v[1].(hcl.TraverseAttr)
				address += "." + attr.Name
			}
			if !f.declared[address] {
				f.problems = append(f.problems, "not declared: "+address)
			}
		}
		if _, isTemplate := a.Expr.(*hclsyntax.TemplateExpr); isTemplate && len(a.Expr.Variables()) > 0 {
			f.problems = append(f.problems, "a template in "+a.Name)
		}
		if len(a.Expr.Variables()) == 0 {
			if _, diags := a.Expr.Value(nil); diags.HasErrors() {
				f.problems = append(f.problems, diags.Error())
			}
		}
	}
	for _, b := range body.Blocks {
		f.expressions(b.Body)
	}
}

// value is an argument's constant; cty.NilVal when it is not given.
func value(b *hclsyntax.Block, name string) cty.Value {
	a, ok := b.Body.Attributes[name]
	if !ok {
		return cty.NilVal
	}
	v, _ := a.Expr.Value(nil)
	return v
}

// Whatever the descriptions are, the files parse, declare what they refer to, and
// hold the arguments the providers know.
func TestTerraformParses(t *testing.T) {
	for _, format := range []string{"terraform-aws", "terraform-azure", "terraform-google"} {
		plain, _ := render(t, format, shop(t))
		want := len(readTerraform(plain).resources)
		if want < 8 {
			t.Errorf("%s: %d resources", format, want)
		}
		for _, text := range hostile {
			in := shop(t)
			withDescription(&in, "x"+strings.Map(dropControls, text))
			out, _ := render(t, format, in)
			f := readTerraform(out)
			for _, p := range f.problems {
				t.Errorf("%s: %q: %s", format, text, p)
			}
			if len(f.resources) != want {
				t.Errorf("%s: %q makes %d resources of %d", format, text, len(f.resources), want)
			}
			for _, r := range f.resources {
				checkResource(t, r)
			}
			checkPriorities(t, f)
		}
	}
}

func checkResource(t *testing.T, r *hclsyntax.Block) {
	t.Helper()
	given := []string{}
	for name := range r.Body.Attributes {
		given = append(given, name)
	}
	for _, b := range r.Body.Blocks {
		given = append(given, b.Type)
		if b.Type == "allow" || b.Type == "deny" {
			for name := range b.Body.Attributes {
				if name != "protocol" && name != "ports" {
					t.Errorf("%s.%s has no argument %s", r.Labels[0], b.Type, name)
				}
			}
		}
	}
	if r.Labels[0] == "google_compute_firewall" && slices.Contains(given, "allow") == slices.Contains(given, "deny") {
		t.Errorf("%v: either allow or deny", r.Labels)
	}
	checkArguments(t, r.Labels[0], given)
}

// checkPriorities holds Azure's rules to 100–4096, each once a direction.
func checkPriorities(t *testing.T, f *terraformFile) {
	t.Helper()
	seen := map[string]bool{}
	for _, r := range f.resources {
		if r.Labels[0] != "azurerm_network_security_rule" {
			continue
		}
		n, _ := value(r, "priority").AsBigFloat().Int64()
		key := fmt.Sprint(value(r, "direction").AsString(), n)
		if seen[key] || n < 100 || n > 4096 {
			t.Errorf("%v: priority %s is taken or out of range", r.Labels, key)
		}
		seen[key] = true
	}
}

// The reading above finds what is wrong.
func TestTerraformDamageIsFound(t *testing.T) {
	good, _ := render(t, "terraform-aws", shop(t))
	for _, c := range []struct{ old, new, want string }{
		{`description = "shop-prod/partners-to-web"`, `description = "shop-prod/partners-to-web`, "Invalid multi-line string"},
		{`description = "shop-prod/partners-to-web"`, `description = "${file("/etc/passwd")}"`, "Function calls not allowed"},
		{`description = "shop-prod/partners-to-web"`, `description = "${var.secret}"`, "not declared: var.secret"},
		{"aws_security_group.bh-shop-prod-web.id", "aws_security_group.bh-gone.id", "not declared: aws_security_group.bh-gone"},
		{`"shop-prod-partners-to-web-in-0-1"`, `"shop-prod-partners-to-web-in-0-0"`, "declared twice"},
		{`resource "aws_security_group" "bh-shop-prod"`, `resource "aws_security_group"`, "unknown block"},
	} {
		if !strings.Contains(good, c.old) {
			t.Fatalf("no %s in the file", c.old)
		}
		if got := fmt.Sprint(readTerraform(strings.Replace(good, c.old, c.new, 1)).problems); !strings.Contains(got, c.want) {
			t.Errorf("%s: want %q, got %s", c.new, c.want, got)
		}
	}
}

func checkArguments(t *testing.T, kind string, given []string) {
	t.Helper()
	known := terraformArguments[kind]
	for _, want := range strings.Fields(known.required) {
		if !slices.Contains(given, want) {
			t.Errorf("%s lacks %s", kind, want)
		}
	}
	for _, g := range given {
		if !slices.Contains(strings.Fields(known.required+" "+known.optional), g) {
			t.Errorf("%s has no argument %s", kind, g)
		}
	}
}
