package scenario

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/flow"
)

var outsideKinds = []string{"network", "internet", "unclaimed", "ghost", "group"}

// check refuses a specification that names what it does not define.
func (s *Spec) check() error {
	if s.APIVersion != "bulkhead/v1" || s.Kind != "Scenario" {
		return fmt.Errorf("want apiVersion bulkhead/v1 and kind Scenario, have %q and %q", s.APIVersion, s.Kind)
	}
	if s.Naming != "" && s.Naming != "serial" {
		return fmt.Errorf("unknown naming %q, want serial or nothing", s.Naming)
	}
	sites, refs := map[string]bool{}, map[string]bool{}
	for _, site := range s.Sites {
		if !site.Prefix.IsValid() || site.Block < site.Prefix.Bits() || site.Block > 30 {
			return fmt.Errorf("site %s: block /%d does not fit %s", site.Name, site.Block, site.Prefix)
		}
		sites[site.Name] = true
	}
	for _, o := range s.Outside {
		if !slices.Contains(outsideKinds, o.Kind) {
			return fmt.Errorf("outside %s: unknown kind %q, want one of %v", o.Name, o.Kind, outsideKinds)
		}
		if len(o.Prefixes) == 0 || o.Hosts < 1 {
			return fmt.Errorf("outside %s: has no addresses", o.Name)
		}
		refs["net:"+o.Name] = true
	}
	for _, a := range s.Apps {
		for _, r := range a.Roles {
			if !sites[a.siteOf(r)] {
				return fmt.Errorf("application %s role %s: unknown site %q", a.Name, r.Name, a.siteOf(r))
			}
			refs[a.Name+"/"+r.Name] = true
			for _, t := range r.Tags {
				refs["@"+t] = true
			}
		}
	}
	for i := range s.Apps {
		for _, f := range s.Apps[i].Flows {
			if err := f.check(s.Apps[i].Name, refs); err != nil {
				return fmt.Errorf("application %s: %w", s.Apps[i].Name, err)
			}
		}
	}
	for _, f := range s.Flows {
		if err := f.check("", refs); err != nil {
			return err
		}
	}
	for _, r := range s.Reuse {
		if !refs[r.From] || !refs[r.To] {
			return fmt.Errorf("reuse %s by %s: unknown role", r.From, r.To)
		}
	}
	return nil
}

func (a *AppSpec) siteOf(r RoleSpec) string {
	if r.Site != "" {
		return r.Site
	}
	return a.Site
}

func (f *FlowSpec) check(app string, refs map[string]bool) error {
	for _, ref := range slices.Concat(f.From, f.To) {
		if full := qualify(strings.TrimPrefix(ref, "!"), app); !refs[full] {
			return fmt.Errorf("flow %v to %v: unknown %q", f.From, f.To, ref)
		}
	}
	for _, text := range f.Services {
		if text == dynamicRPC || text == passiveFTP {
			continue
		}
		if _, err := flow.ParseService(text); err != nil {
			return fmt.Errorf("flow %v to %v: %w", f.From, f.To, err)
		}
	}
	if len(f.Services) == 0 || f.Rate <= 0 {
		return fmt.Errorf("flow %v to %v: needs services and a rate", f.From, f.To)
	}
	if _, ok := schedules[f.Schedule]; !ok {
		return fmt.Errorf("flow %v to %v: unknown schedule %q", f.From, f.To, f.Schedule)
	}
	if _, ok := profiles[f.Profile]; f.Profile != "" && !ok {
		return fmt.Errorf("flow %v to %v: unknown profile %q", f.From, f.To, f.Profile)
	}
	if f.Outcome != "" && f.Outcome != "refused" && f.Outcome != "unanswered" {
		return fmt.Errorf("flow %v to %v: unknown outcome %q", f.From, f.To, f.Outcome)
	}
	return nil
}

// qualify gives a reference its application when it was written inside one.
func qualify(ref, app string) string {
	if app == "" || strings.ContainsAny(ref, "/@:") {
		return ref
	}
	return app + "/" + ref
}
