package fleet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

// Batch is rows that a host reports. Queue and Seq name it for ever: sent again it
// is stored once.
type Batch struct {
	Queue      string             `json:"queue"` // of the host that made it: 32 hex digits
	Seq        uint64             `json:"seq"`   // from 1, without gaps but for batches given up
	Records    []flow.Record      `json:"records,omitempty"`
	Violations []policy.Violation `json:"violations,omitempty"`
}

// Bounds of one batch.
const (
	MaxBatchRows  = 5000
	MaxBatchBytes = 8 << 20
)

// Rows is how many rows the batch has.
func (b *Batch) Rows() int { return len(b.Records) + len(b.Violations) }

// ErrBatch: the batch is not one.
var ErrBatch = errors.New("not a batch")

// Encode writes the batch for the wire and for disk.
func (b *Batch) Encode() ([]byte, error) { return json.Marshal(b) }

// DecodeBatch reads what Encode wrote, by anybody: it refuses what is too large and
// what could not be told apart from another batch. Fields that a newer host adds
// are passed over.
func DecodeBatch(data []byte) (*Batch, error) {
	if len(data) > MaxBatchBytes {
		return nil, fmt.Errorf("%w: %d bytes", ErrBatch, len(data))
	}
	b := &Batch{}
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(b); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBatch, err)
	}
	switch {
	case d.More():
		return nil, fmt.Errorf("%w: something follows it", ErrBatch)
	case !isHex(b.Queue, 32):
		return nil, fmt.Errorf("%w: queue %.40q", ErrBatch, b.Queue)
	case b.Seq == 0:
		return nil, fmt.Errorf("%w: number 0", ErrBatch)
	case b.Rows() > MaxBatchRows:
		return nil, fmt.Errorf("%w: %d rows", ErrBatch, b.Rows())
	}
	return b, nil
}

func isHex(s string, n int) bool {
	if len(s) != n {
		return false
	}
	for _, r := range s {
		if (r < '0' || r > '9') && (r < 'a' || r > 'f') {
			return false
		}
	}
	return true
}

// Own makes every row one that host saw, whatever it said: no host speaks for
// another.
func (b *Batch) Own(host string) {
	for i := range b.Records {
		r := &b.Records[i]
		r.Sensor, r.Source = host, flow.SourceConntrack
		r.ClientWorkload, r.ServerWorkload = 0, 0
	}
	for i := range b.Violations {
		v := &b.Violations[i]
		v.Host = host
		v.Client.Workload, v.Server.Workload = 0, 0
	}
}
