package httpapi

import (
	"net/http"
	"sync"

	"github.com/bulkhead/bulkhead/httpapi/view"
	"github.com/bulkhead/bulkhead/topology"
)

// cachedIndexes is how many maps keep their index: the whole record and a few
// time windows that people look at together.
const cachedIndexes = 4

// indexCache keeps the indexes of the maps used last. The zero value is ready;
// safe for concurrent use.
type indexCache struct {
	mu      sync.Mutex
	indexes []*view.Index // newest use last
}

func (c *indexCache) of(m *topology.Map) *view.Index {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, x := range c.indexes {
		if x.Map == m {
			c.indexes = append(append(c.indexes[:i:i], c.indexes[i+1:]...), x)
			return x
		}
	}
	x := view.NewIndex(m)
	if len(c.indexes) == cachedIndexes {
		c.indexes = c.indexes[1:]
	}
	c.indexes = append(c.indexes[:len(c.indexes):len(c.indexes)], x)
	return x
}

// index returns the index of the map a request asks for.
func (s *server) index(r *http.Request, w Window) (*view.Index, error) {
	m, err := s.backend.Map(r.Context(), w)
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, Errorf(CodeNotReady, "no traffic has been recorded yet")
	}
	return s.indexes.of(m), nil
}
