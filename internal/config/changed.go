package config

import "reflect"

// live are the keys a running sensor takes over when it reads its file again. All
// others are read once.
var live = map[string]bool{
	"collector.exporters": true, "collector.sampling": true, "collector.ignore": true,
	"collector.serverPorts": true, "collector.directionOverrides": true, "collector.exportPorts": true,
	"collector.idleTimeout": true, "collector.activeTimeout": true,
	"collector.scopeVLAN": true, "collector.scopeVNI": true,
}

// Changed lists the keys whose values differ between a and b, in the order of the
// file: those a running sensor can take over, and those that need a restart.
func Changed(a, b *Config) (taken, restart []string) {
	differ(reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem(), "", func(key string) {
		if live[key] {
			taken = append(taken, key)
		} else {
			restart = append(restart, key)
		}
	})
	return taken, restart
}

func differ(a, b reflect.Value, prefix string, found func(string)) {
	t := a.Type()
	for i := range t.NumField() {
		key := prefix + t.Field(i).Tag.Get("yaml")
		switch x, y := a.Field(i), b.Field(i); {
		case x.Kind() == reflect.Struct:
			differ(x, y, key+".", found)
		case (x.Kind() == reflect.Slice || x.Kind() == reflect.Map) && x.Len() == 0 && y.Len() == 0:
		case !reflect.DeepEqual(x.Interface(), y.Interface()):
			found(key)
		}
	}
}

// TakeLive copies the keys from b that a running sensor takes over.
func (c *Config) TakeLive(b *Config) {
	to, from := &c.Collector, &b.Collector
	to.Exporters, to.Sampling, to.Ignore = from.Exporters, from.Sampling, from.Ignore
	to.ServerPorts, to.DirectionOverrides, to.ExportPorts = from.ServerPorts, from.DirectionOverrides, from.ExportPorts
	to.IdleTimeout, to.ActiveTimeout = from.IdleTimeout, from.ActiveTimeout
	to.ScopeVLAN, to.ScopeVNI = from.ScopeVLAN, from.ScopeVNI
}
