package httpapi

import (
	"net/http"
	"time"

	"github.com/bulkhead/bulkhead/flow"
)

// getNews answers with what is new on the map since a moment.
func (s *server) getNews(w http.ResponseWriter, r *http.Request) error {
	p, x, group, err := s.mapRequest(r)
	if err != nil {
		return err
	}
	since := monday(x.Map.Until)
	if v := p.text("newSince"); v != "" && v != "monday" {
		since = p.time("newSince", x.Map.Until)
	}
	if p.err != nil {
		return p.err
	}
	return reply(w, r, x.News(since, group))
}

// monday is the beginning of the last Monday before the end of what was recorded,
// UTC.
func monday(last flow.Time) flow.Time {
	t := last.Std().UTC()
	days := (int(t.Weekday()) + 6) % 7
	return flow.TimeOf(t.Truncate(24*time.Hour).AddDate(0, 0, -days))
}
