package watch

import "testing"

func TestUnitOfAControlGroup(t *testing.T) {
	for path, want := range map[string]string{
		"/system.slice/nginx.service":                  "nginx.service",
		"/system.slice/app.service/workers":            "app.service",
		"/user.slice/user-1000.slice/session-3.scope":  "session-3.scope",
		"/kubepods.slice/pod7.slice/cri-ab.scope/init": "cri-ab.scope",
		"/":      "",
		"":       "",
		"/tmp.x": "",
	} {
		if got := unitOf(path); got != want {
			t.Errorf("%q is %q, want %q", path, got, want)
		}
	}
}
