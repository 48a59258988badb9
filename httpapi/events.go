package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Event kinds.
const (
	EventProgress = "progress" // data is a Job
	EventMap      = "map"      // the map changed; data is empty
	EventDocument = "document" // a document was saved; data is a Document without body
)

// Event is something open dashboards should know.
type Event struct {
	Kind string
	Data any // marshalled as JSON
}

// Hub hands events to every open stream. Safe for concurrent use; create with
// NewHub.
type Hub struct {
	mu      sync.Mutex
	streams map[chan []byte]struct{}
}

// streamBuffer is how many events a slow reader may be behind.
const streamBuffer = 32

// NewHub returns a hub without readers.
func NewHub() *Hub { return &Hub{streams: map[chan []byte]struct{}{}} }

// Publish hands e to every reader. It never blocks: a reader whose buffer is full
// loses its oldest event, because only the newest state matters.
func (h *Hub) Publish(e Event) error {
	data, err := json.Marshal(e.Data)
	if err != nil {
		return fmt.Errorf("publish %s: %w", e.Kind, err)
	}
	frame := fmt.Appendf(nil, "event: %s\ndata: %s\n\n", e.Kind, data)
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.streams {
		select {
		case c <- frame:
		default:
			select {
			case <-c:
			default:
			}
			c <- frame // only Publish sends, under the lock: there is room now
		}
	}
	return nil
}

func (h *Hub) subscribe() chan []byte {
	c := make(chan []byte, streamBuffer) // full: the oldest is dropped, see Publish
	h.mu.Lock()
	defer h.mu.Unlock()
	h.streams[c] = struct{}{}
	return c
}

func (h *Hub) unsubscribe(c chan []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.streams, c)
}

// keepAlive is how often an idle stream says that it lives, so that proxies keep
// it open.
const keepAlive = 20 * time.Second

// getEvents streams events as Server-Sent Events until the client leaves.
func (s *server) getEvents(w http.ResponseWriter, r *http.Request) {
	c := s.Hub.subscribe()
	defer s.Hub.unsubscribe(c)
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	tick := time.NewTicker(keepAlive)
	defer tick.Stop()
	frame := []byte("retry: 3000\n: open\n\n")
	for {
		if _, err := w.Write(frame); err != nil {
			return
		}
		if err := out.Flush(); err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case frame = <-c:
		case <-tick.C:
			frame = []byte(": alive\n\n")
		}
	}
}
