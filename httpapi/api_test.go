package httpapi_test

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/httpapi"
	"github.com/bulkhead/bulkhead/httpapi/fake"
	"github.com/bulkhead/bulkhead/httpapi/view"
)

var last = time.Date(2026, time.November, 2, 12, 0, 0, 0, time.UTC)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// call sends one request to a server over the fake backend.
func call(h http.Handler, method, target, body string, header ...string) *http.Response {
	r := httptest.NewRequest(method, "http://localhost"+target, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func read[T any](t *testing.T, r *http.Response) T {
	t.Helper()
	var v T
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("status %d, body %.200s: %v", r.StatusCode, b, err)
	}
	return v
}

type problem struct {
	Status int          `json:"status"`
	Code   httpapi.Code `json:"code"`
	Detail string       `json:"detail"`
}

func TestAnswers(t *testing.T) {
	tests := []struct {
		method, target, body string
		status               int
		holds                string // part of the body
	}{
		{"GET", "/healthz", "", 200, "ok"},
		{"GET", "/readyz", "", 200, "ok"},
		{"GET", "/api/v1/openapi.yaml", "", 200, "openapi: 3.1.0"},
		{"GET", "/api/v1/session", "", 200, `"required":false`},
		{"GET", "/api/v1/status", "", 200, `"reason":"no-template"`},
		{"GET", "/api/v1/map", "", 200, `"id":"app:payments-prod"`},
		{"GET", "/api/v1/map?infra=sideways", "", 400, "one of fold, show, hide"},
		{"GET", "/api/v1/map?since=yesterday", "", 400, "RFC 3339"},
		{"GET", "/api/v1/map?since=1h&until=2h", "", 400, "until is not after since"},
		{"GET", "/api/v1/map?group=a,b,c,d,e", "", 400, "at most 4"},
		{"GET", "/api/v1/map/node?id=app:payments-prod", "", 200, `"nodes":15`},
		{"GET", "/api/v1/map/node?id=nobody", "", 404, "nobody"},
		{"GET", "/api/v1/map/link?from=app:climate-prod&to=app:point-of-sale-prod", "", 200, "tcp/445"},
		{"GET", "/api/v1/map/link?from=app:climate-prod&to=app:payments-prod", "", 404, "was not seen using"},
		{"GET", "/api/v1/map/search?q=hsm", "", 200, "payments-hsm-prod-001"},
		{"GET", "/api/v1/map/search?q=hsm&limit=0", "", 400, "1 to 100"},
		{"GET", "/api/v1/map/proposals?key=role&limit=3", "", 200, `"total":`},
		{"POST", "/api/v1/map/labels", `{"decisions":[{"node":"a","key":"role","value":"db","accept":true}]}`, 200, `"decided":1`},
		{"POST", "/api/v1/map/labels", `{"decisions":[]}`, 400, "1 to 200000"},
		{"POST", "/api/v1/map/labels", `{"all":[{"key":"role","value":"terminal","sure":90,"accept":true}]}`, 200, `"decided":60`},
		{"POST", "/api/v1/map/labels", `{"all":[{"key":"role","value":"terminal","sure":94,"accept":true}]}`, 400, "got 0"},
		{"GET", "/api/v1/map/proposals/groups?sure=95", "", 200, `{"key":"role","value":"terminal","nodes":60,"mean":0.9`},
		{"POST", "/api/v1/map/labels", `{"decision":[]}`, 400, "unknown field"},
		{"POST", "/api/v1/map/labels", `{"decisions":[]} x`, 400, "goes on"},
		{"GET", "/api/v1/reach?from=node:climate-controller-prod-001&level=service", "", 200, `"draft"`},
		{"GET", "/api/v1/reach?from=nobody", "", 404, "nobody"},
		{"GET", "/api/v1/flows?from=app:webshop-prod&to=app:payments-prod&service=tcp/8443", "", 200, `"evidence":"syn"`},
		{"GET", "/api/v1/flows", "", 400, "from or to"},
		{"GET", "/api/v1/flows?from=app:webshop-prod&service=tcp", "", 400, "tcp/PORT"},
		{"GET", "/api/v1/reach?from=app=climate", "", 404, "no node"}, // the fake knows no labels
		{"GET", "/api/v1/map?draft=service", "", 200, `"blocked":144`},
		{"GET", "/api/v1/map?as=matrix", "", 200, `"zones":[]`},
		{"GET", "/api/v1/map?draft=tighter", "", 400, "ringfence"},
		{"GET", "/api/v1/map/link?from=app:climate-prod&to=app:point-of-sale-prod&draft=service", "", 200, `"outcome":"blocked"`},
		{"GET", "/api/v1/violations?limit=5", "", 200, `"name":"buildfarm-runner-dev-001"`},
		{"GET", "/api/v1/violations?outcome=blocked", "", 200, `"violations":[]`},
		{"GET", "/api/v1/readiness", "", 200, `"service":"tcp/3306"`},
		{"GET", "/api/v1/recommendation/tighten?level=workload", "", 400, "nothing is tighter"},
		{"GET", "/api/v1/recommendation/tighten?level=service", "", 200, `"total":0`},
		{"GET", "/api/v1/recommendation", "", 200, `"role=web app=webshop env=prod"`},
		{"GET", "/api/v1/recommendation?base=saved", "", 200, `"changes":[]`},
		{"GET", "/api/v1/recommendation?base=mine", "", 400, "one of none, saved"},
		{"GET", "/api/v1/recommendation?level=tighter", "", 400, "ringfence"},
		{"GET", "/api/v1/recommendation/policy", "", 200, "kind: Policy"},
		{"POST", "/api/v1/recommendation/decisions", `{"id":"x","answer":"deny"}`, 200, "deny"},
		{"POST", "/api/v1/recommendation/decisions", `{"id":"x","answer":"perhaps"}`, 400, "allow, deny or watch"},
		{"GET", "/api/v1/simulation", "", 200, `"would-break"`},
		{"POST", "/api/v1/simulation", `{"policy":"kind: Nothing"}`, 400, "policy.yaml"},
		{"GET", "/api/v1/exports", "", 200, `"nftables"`},
		{"GET", "/api/v1/exports/csv", "", 200, "csv,"},
		{"GET", "/api/v1/exports/papyrus", "", 404, "papyrus"},
		{"GET", "/api/v1/documents", "", 200, `"documents":[]`},
		{"GET", "/api/v1/documents/policy/shop", "", 404, "shop"},
		{"GET", "/api/v1/documents/policy/shop/versions", "", 404, "shop"},
		{"GET", "/api/v1/documents/policy/..%2Fshop", "", 400, "lower case"},
		{"PUT", "/api/v1/documents/policy/shop", `{"version":7,"reason":"r","body":"b"}`, 409, "by now"},
		{"PUT", "/api/v1/documents/policy/shop", `{"version":0,"reason":"r","body":"b"}`, 200, `"version":1`},
		{"GET", "/api/v1/documents/policy/shop/versions", "", 200, `"version":1`},
		{"GET", "/api/v1/documents/policy/shop/diff?to=1", "", 200, `"+ b"`},
		{"GET", "/api/v1/documents/policy/shop/diff?to=-1", "", 400, "a number from"},
		{"POST", "/api/v1/documents/policy/shop/restore", `{"version":1,"base":7}`, 409, "by now"},
		{"POST", "/api/v1/documents/policy/shop/restore", `{"version":1,"base":1,"reason":"r"}`, 200, `"version":2`},
		{"GET", "/api/v1/map/news", "", 200, `"since":"2026-11-02T00:00:00Z"`},
		{"GET", "/api/v1/map/news?newSince=30d", "", 200, `"novel":true`},
		{"GET", "/api/v1/map/news?newSince=lately", "", 400, "RFC 3339"},
		{"GET", "/api/v1/map/node/identity?id=node:payments-db-prod-001", "", 200, `"sshd.service"`},
		{"GET", "/api/v1/map/node/identity?id=app:payments-prod", "", 404, "no workload"},
		{"GET", "/api/v1/map?shade=reach&draft=service", "", 200, `"draft":{"mean":`},
		{"GET", "/api/v1/map?shade=readiness", "", 200, `"waiting":{"policy":"payments-prod"`},
		{"GET", "/api/v1/map?shade=moon", "", 400, "one of priority"},
		{"GET", "/api/v1/inventory?q=hsm", "", 200, `"matching":2`},
		{"GET", "/api/v1/inventory/hygiene", "", 200, `"stale"`},
		{"POST", "/api/v1/inventory/plan", `{"file":"a.csv","data":"x,10.9.9.9\nbad"}`, 400, "a.csv:2"},
		{"POST", "/api/v1/inventory/plan", `{"file":"a.csv","data":"x,10.9.9.9","merge":true}`, 200, `"+ x 10.9.9.9"`},
		{"POST", "/api/v1/inventory", `{"file":"a.csv","data":"x,10.9.9.9","base":7}`, 409, "by now"},
		{"POST", "/api/v1/inventory", `{"file":"a.csv","data":"x,10.9.9.9","base":1}`, 200, `"version":2`},
		{"GET", "/api/v1/exports/csv/preview", "", 200, `"losses":["process`},
		{"GET", "/api/v1/exports/papyrus/preview", "", 404, "papyrus"},
		{"GET", "/api/v1/map/infrastructure", "", 200, `"kind":"backup"`},
		{"POST", "/api/v1/map/infrastructure", `{"decisions":[{"node":"dns-001","kind":"dns","accept":false,"reason":"no"}]}`, 200, `"decided":1`},
		{"GET", "/api/v1/map/infrastructure", "", 200, `"refused":[{"node":{"id":"node:dns-001"`},
		{"POST", "/api/v1/map/infrastructure", `{"decisions":[]}`, 400, "empty"},
		{"POST", "/api/v1/map/application", `{"application":"payments-prod","pin":true,"name":"Till"}`, 200, `"pin":true`},
		{"POST", "/api/v1/map/claim", `{"node":"node:10.1.2.3","name":"till","labels":{"app":"shop"}}`, 200, `"node":"10.1.2.3"`},
		{"POST", "/api/v1/map/claim", `{"name":"till"}`, 400, "node is missing"},
		{"GET", "/api/v1/changes", "", 200, `"state":"partly confirmed"`},
		{"GET", "/api/v1/changes/20261101-pos", "", 200, `"unforeseen":`},
		{"GET", "/api/v1/changes/nobody", "", 404, "nobody"},
		{"GET", "/api/v1/violations/proposals", "", 200, `missed in discovery`},
		{"POST", "/api/v1/violations/proposals", `{"accept":[]}`, 400, "accept is empty"},
		{"POST", "/api/v1/violations/proposals", `{"accept":["point-of-sale-prod/x"]}`, 200, `"saved":["point-of-sale-prod"]`},
		{"GET", "/api/v1/hosts", "", 200, `"state":"pending"`},
		{"POST", "/api/v1/hosts/store-gw-2/confirm", "", 200, `"confirmed":"store-gw-2"`},
		{"POST", "/api/v1/hosts/store-gw-1/confirm", "", 409, "nothing waits"},
		{"GET", "/api/v1/nothing", "", 404, "nothing at"},
		{"DELETE", "/api/v1/map", "", 405, ""},
	}
	b := fake.New(last)
	h := httpapi.New(b, b.Options(quiet()))
	described := describe(t)
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.target, func(t *testing.T) {
			r := call(h, tt.method, tt.target, tt.body)
			b, err := io.ReadAll(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			if r.StatusCode != tt.status || !strings.Contains(string(b), tt.holds) {
				t.Errorf("got %d %.300s\nwant %d with %q", r.StatusCode, b, tt.status, tt.holds)
			}
			if r.StatusCode >= 400 && r.StatusCode != 405 && r.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("a failure came as %s", r.Header.Get("Content-Type"))
			}
			described.check(t, tt.method, tt.target, r, b)
		})
	}
}

func TestWithoutSourcesItSaysSo(t *testing.T) {
	h := httpapi.New(fake.New(last), httpapi.Options{Log: quiet()})
	for _, target := range []string{
		"/api/v1/violations", "/api/v1/readiness", "/api/v1/map?shade=reach", "/api/v1/map?shade=readiness", "/api/v1/map/node/identity?id=x",
		"/api/v1/inventory", "/api/v1/inventory/hygiene", "/api/v1/documents/policy/x/versions",
		"/api/v1/hosts", "/api/v1/changes", "/api/v1/changes/x", "/api/v1/violations/proposals",
	} {
		if p := read[problem](t, call(h, "GET", target, "")); p.Code != httpapi.CodeUnsupported {
			t.Errorf("%s: %+v", target, p)
		}
	}
}

func TestCodesMapToStatus(t *testing.T) {
	tests := map[httpapi.Code]int{
		httpapi.CodeInvalid: 400, httpapi.CodeUnauthenticated: 401, httpapi.CodeForbidden: 403, httpapi.CodeThrottled: 429, httpapi.CodeNotFound: 404, httpapi.CodeConflict: 409,
		httpapi.CodeTooLarge: 413, httpapi.CodeUnsupported: 501, httpapi.CodeNotReady: 503, httpapi.CodeTimeout: 504, httpapi.CodeInternal: 500,
	}
	for code, status := range tests {
		b := fake.New(last)
		b.Err = &httpapi.Error{Code: code, Message: "shown", Err: errors.New("secret")}
		r := call(httpapi.New(b, httpapi.Options{Log: quiet()}), "GET", "/api/v1/status", "")
		want := problem{Status: status, Code: code, Detail: "shown"}
		if diff := cmp.Diff(want, read[problem](t, r)); r.StatusCode != status || diff != "" {
			t.Errorf("%s: status %d (-want +got):\n%s", code, r.StatusCode, diff)
		}
	}
}

func TestInternalErrorsStayInside(t *testing.T) {
	b := fake.New(last)
	b.Err = errors.New("password=hunter2 at 10.0.0.1")
	p := read[problem](t, call(httpapi.New(b, httpapi.Options{Log: quiet()}), "GET", "/api/v1/map", ""))
	if p.Code != httpapi.CodeInternal || strings.Contains(p.Detail, "hunter2") {
		t.Errorf("got %+v", p)
	}
	b.Err = errors.ErrUnsupported
	if p := read[problem](t, call(httpapi.New(b, httpapi.Options{Log: quiet()}), "GET", "/api/v1/map", "")); p.Code != httpapi.CodeUnsupported {
		t.Errorf("unsupported came as %+v", p)
	}
}

func TestEntityTags(t *testing.T) {
	h := httpapi.New(fake.New(last), httpapi.Options{Log: quiet()})
	first := call(h, "GET", "/api/v1/map", "")
	tag := first.Header.Get("ETag")
	if tag == "" {
		t.Fatal("no entity tag")
	}
	if r := call(h, "GET", "/api/v1/map", "", "If-None-Match", tag); r.StatusCode != http.StatusNotModified {
		t.Errorf("unchanged map: got %d", r.StatusCode)
	}
	if r := call(h, "GET", "/api/v1/map?infra=show", "", "If-None-Match", tag); r.StatusCode != http.StatusOK {
		t.Errorf("another view: got %d", r.StatusCode)
	}
}

func TestWindowSpansCountFromTheEndOfTheRecord(t *testing.T) {
	b := &windows{Backend: fake.New(last)}
	h := httpapi.New(b, httpapi.Options{Log: quiet()})
	q := url.Values{"since": {"24h"}, "until": {last.Add(-time.Hour).Format(time.RFC3339)}}
	if r := call(h, "GET", "/api/v1/map?"+q.Encode(), ""); r.StatusCode != 200 {
		t.Fatalf("got %d", r.StatusCode)
	}
	if got := b.seen.Since.Std(); !got.Equal(last.Add(-24 * time.Hour)) {
		t.Errorf("since=24h asked for %s", got)
	}
	if got := b.seen.Until.Std(); !got.Equal(last.Add(-time.Hour)) {
		t.Errorf("until asked for %s", got)
	}
}

func TestMapIsSmallWhateverIsAsked(t *testing.T) {
	h := httpapi.New(fake.New(last), httpapi.Options{Log: quiet(), Draw: 40})
	q := url.Values{"infra": {"show"}}
	for _, b := range read[view.View](t, call(h, "GET", "/api/v1/map", "")).Boxes {
		q.Add("expand", b.ID)
	}
	if v := read[view.View](t, call(h, "GET", "/api/v1/map?"+q.Encode(), "")); v.Count.Shown > 60 {
		t.Errorf("%d boxes shown with a budget of 40", v.Count.Shown)
	}
}
