package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/bulkhead/bulkhead/httpapi"
	"github.com/bulkhead/bulkhead/httpapi/fake"
)

// Whatever stands in a query, the map routes answer with a map or say what is
// wrong with the query; they never fail for a reason of their own.
func FuzzMapQueries(f *testing.F) {
	for _, q := range []string{
		"", "group=env,role&expand=group:env%3Dprod&infra=show", "focus=node:internet&as=matrix", "since=7d&until=1h&newSince=24h&draft=tier",
		"id=alike:x&from=app:climate-prod&to=%2Frole:&q=%00", "id=more:env:prod&from=a%3Db&limit=-1&skip=9999999999", "sure=101&key=role&group=a,b,c,d,e",
	} {
		f.Add(q)
	}
	h := httpapi.New(fake.New(last), httpapi.Options{Log: quiet()})
	f.Fuzz(func(t *testing.T, query string) {
		for _, path := range []string{"", "/node", "/link", "/search", "/proposals", "/proposals/groups"} {
			u := url.URL{Scheme: "http", Host: "localhost", Path: "/api/v1/map" + path, RawQuery: query}
			r, err := http.NewRequest("GET", u.String(), nil)
			if err != nil {
				return // not something a client could send
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != 200 && w.Code != 400 && w.Code != 404 {
				t.Fatalf("%s: %d %s", u.String(), w.Code, w.Body)
			}
		}
	})
}
