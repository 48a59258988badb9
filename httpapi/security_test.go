package httpapi_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/httpapi"
	"github.com/bulkhead/bulkhead/httpapi/fake"
	"github.com/bulkhead/bulkhead/topology"
)

// windows remembers the last window asked for.
type windows struct {
	*fake.Backend
	seen httpapi.Window
}

func (w *windows) Map(ctx context.Context, win httpapi.Window) (*topology.Map, error) {
	w.seen = win
	return w.Backend.Map(ctx, win)
}

func TestHeadersOnEveryAnswer(t *testing.T) {
	h := httpapi.New(fake.New(last), httpapi.Options{Log: quiet()})
	for _, target := range []string{"/", "/map", "/api/v1/map", "/api/v1/nothing", "/healthz", "/assets/nothing.js"} {
		r := call(h, "GET", target, "")
		csp := r.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || r.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", target, r.Header)
		}
	}
}

// Without a login a page elsewhere must not reach the API, by rebinding its name
// or by posting across origins.
func TestForeignPagesAreRefused(t *testing.T) {
	h := httpapi.New(fake.New(last), httpapi.Options{Log: quiet()})
	for host, want := range map[string]int{
		"localhost:8080": 200, "127.0.0.1:8080": 200, "[::1]:8080": 200, "127.0.0.1": 200, "evil.example": 403, "evil.example:8080": 403, "10.0.0.1": 403, "": 403,
	} {
		r := httptest.NewRequest("GET", "/api/v1/status", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("host %q: got %d, want %d", host, w.Code, want)
		}
	}
	decide := `{"id":"x","answer":"allow"}`
	if r := call(h, "POST", "/api/v1/recommendation/decisions", decide, "Sec-Fetch-Site", "cross-site"); r.StatusCode != 403 {
		t.Errorf("a cross-site post got %d", r.StatusCode)
	}
	if r := call(h, "POST", "/api/v1/recommendation/decisions", decide, "Sec-Fetch-Site", "same-origin"); r.StatusCode != 200 {
		t.Errorf("a same-origin post got %d", r.StatusCode)
	}
}

func TestLogin(t *testing.T) {
	now := last
	h := httpapi.New(fake.New(last), httpapi.Options{Log: quiet(), Password: "correct horse", Now: func() time.Time { return now }})
	if r := call(h, "GET", "/api/v1/map", ""); r.StatusCode != 401 {
		t.Fatalf("without a login: %d", r.StatusCode)
	}
	if r := call(h, "POST", "/api/v1/session", `{"password":"wrong"}`); r.StatusCode != 401 {
		t.Errorf("a wrong password: %d", r.StatusCode)
	}
	r := call(h, "POST", "/api/v1/session", `{"password":"correct horse"}`)
	if r.StatusCode != 200 || len(r.Cookies()) != 1 {
		t.Fatalf("the right password: %d %v", r.StatusCode, r.Cookies())
	}
	c := r.Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode {
		t.Errorf("the cookie is loose: %+v", c)
	}
	cookie := c.Name + "=" + c.Value
	forged := c.Name + "=" + "AAAAAH" + c.Value[6:] // a later expiry under the old signature
	tests := []struct {
		header, value string
		after         time.Duration
		want          int
	}{
		{"Cookie", cookie, 0, 200},
		{"Cookie", forged, 0, 401},
		{"Cookie", c.Name + "=", 0, 401},
		{"Cookie", cookie, 13 * time.Hour, 401},
		{"Authorization", "Bearer correct horse", 0, 200},
		{"Authorization", "Bearer wrong", 0, 401},
		{"Authorization", "Basic correct horse", 0, 401},
	}
	for _, tt := range tests {
		now = last.Add(tt.after)
		if r := call(h, "GET", "/api/v1/map", "", tt.header, tt.value); r.StatusCode != tt.want {
			t.Errorf("%s: %s after %s: got %d, want %d", tt.header, tt.value, tt.after, r.StatusCode, tt.want)
		}
	}
}

func TestGuessingIsSlowedByAddress(t *testing.T) {
	now := last
	h := httpapi.New(fake.New(last), httpapi.Options{Log: quiet(), Password: "right", Now: func() time.Time { return now }})
	login := func(from, password string) *http.Response {
		r := httptest.NewRequest("POST", "http://localhost/api/v1/session", strings.NewReader(fmt.Sprintf(`{"password":%q}`, password)))
		r.RemoteAddr = from
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Result()
	}
	for i := range 10 {
		if r := login(fmt.Sprintf("192.0.2.1:%d", 4000+i), fmt.Sprint(i)); r.StatusCode != 401 {
			t.Errorf("guess %d: %d", i, r.StatusCode)
		}
		login(fmt.Sprintf("[2001:db8::%d]:9", i), fmt.Sprint(i))
	}
	if r := login("192.0.2.1:9", "right"); r.StatusCode != 429 || r.Header.Get("Retry-After") != "60" {
		t.Errorf("the eleventh guess in a minute: %d, retry after %q", r.StatusCode, r.Header.Get("Retry-After"))
	}
	if r := login("[2001:db8::ffff]:9", "right"); r.StatusCode != 429 {
		t.Errorf("another address of the same IPv6 network: %d", r.StatusCode)
	}
	if r := login("192.0.2.2:9", "right"); r.StatusCode != 200 {
		t.Errorf("somebody else in the same minute: %d", r.StatusCode)
	}
	now = now.Add(2 * time.Minute)
	if r := login("192.0.2.1:9", "right"); r.StatusCode != 200 {
		t.Errorf("two minutes later: %d", r.StatusCode)
	}
}

// Many addresses buy no more guesses than one once there are too many to remember.
func TestGuessersAreBounded(t *testing.T) {
	h := httpapi.New(fake.New(last), httpapi.Options{Log: quiet(), Password: "right", Now: func() time.Time { return last }})
	codes := map[int]int{}
	for i := range 4096 + 50 {
		r := httptest.NewRequest("GET", "http://localhost/api/v1/status", nil)
		r.Header.Set("Authorization", "Bearer wrong")
		r.RemoteAddr = fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		codes[w.Code]++
	}
	r := httptest.NewRequest("POST", "http://localhost/api/v1/session", strings.NewReader(`{"password":"right"}`))
	r.RemoteAddr = "203.0.113.9:1"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 429 || codes[401] != 4096+50 {
		t.Errorf("after %v, a new address got %d, want 429", codes, w.Code)
	}
}

func TestGeneratedPasswords(t *testing.T) {
	a, err := httpapi.GeneratePassword(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b, err := httpapi.GeneratePassword(rand.Reader)
	if err != nil || a == b || len(a) != 23 {
		t.Errorf("%q and %q: %v", a, b, err)
	}
	if _, err := httpapi.GeneratePassword(bytes.NewReader(nil)); err == nil {
		t.Error("a password out of no randomness")
	}
}

func TestLargeBodiesAreRefused(t *testing.T) {
	h := httpapi.New(fake.New(last), httpapi.Options{Log: quiet()})
	body := `{"policy":"` + strings.Repeat("x", 9<<20) + `"}`
	if r := call(h, "POST", "/api/v1/simulation", body); r.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("got %d", r.StatusCode)
	}
}

type panics struct{ *fake.Backend }

func (panics) Status(context.Context) (*httpapi.Status, error) { panic("broken") }

func TestPanicsAnswer(t *testing.T) {
	h := httpapi.New(panics{fake.New(last)}, httpapi.Options{Log: quiet()})
	if r := call(h, "GET", "/api/v1/status", ""); r.StatusCode != 500 {
		t.Errorf("got %d", r.StatusCode)
	}
}

func TestEventsArriveAndSlowReadersLoseTheOldest(t *testing.T) {
	hub := httpapi.NewHub()
	srv := httptest.NewServer(httpapi.New(fake.New(last), httpapi.Options{Log: quiet(), Hub: hub}))
	defer srv.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", srv.URL+"/api/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	lines := bufio.NewScanner(r.Body)
	await := func(want string) {
		t.Helper()
		for lines.Scan() {
			if lines.Text() == want {
				return
			}
		}
		t.Fatalf("the stream ended before %q: %v", want, lines.Err())
	}
	await(": open")
	for i := range 1000 { // far more than a reader's buffer; Publish must not block
		if err := hub.Publish(httpapi.Event{Kind: httpapi.EventProgress, Data: httpapi.Job{ID: fmt.Sprint(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := hub.Publish(httpapi.Event{Kind: httpapi.EventMap}); err != nil {
		t.Fatal(err)
	}
	await("event: map")
	await("data: null")
}

// Requests are counted by what became of them, and the figures add up.
func TestRequestsAreCounted(t *testing.T) {
	var c httpapi.Counters
	h := httpapi.New(fake.New(last), httpapi.Options{Log: quiet(), Password: "right", Counters: &c, Now: func() time.Time { return last }})
	for range 12 {
		call(h, "GET", "/api/v1/status", "", "Authorization", "Bearer wrong")
	}
	call(h, "GET", "/healthz", "")
	call(h, "POST", "/api/v1/session", `{"password":"right"}`)
	got := c.Stage()
	sum := got.Passed
	for _, d := range got.Drops {
		sum += d.Count
	}
	want := httpapi.Stage{Name: "api", Unit: "requests", Received: 14, Passed: 1, Drops: []httpapi.Drop{{Reason: "throttled", Count: 1}, {Reason: "unauthenticated", Count: 12}}}
	if diff := cmp.Diff(want, got); diff != "" || sum != got.Received {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
