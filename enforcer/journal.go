package enforcer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// Step is one line of the journal.
type Step struct {
	Time    time.Time `json:"time"`
	Event   string    `json:"event"` // applied, confirmed, expired, rolled-back, restored, tampered, repaired, released, …
	Version int       `json:"version,omitempty"`
	Hash    string    `json:"hash,omitempty"`
	Author  string    `json:"author,omitempty"`
	Reason  string    `json:"reason,omitempty"` // why, as its author says
	Change  string    `json:"change,omitempty"` // id of the recorded change it belongs to
	Detail  string    `json:"detail,omitempty"`
}

// journalBytes bounds the newest part of the journal; when it is full it becomes
// the old part, and what was that is gone.
const journalBytes = 4 << 20

func (s *state) record(step Step) error {
	line, err := json.Marshal(step)
	if err != nil {
		return err
	}
	name := s.path("journal.jsonl")
	if info, err := os.Stat(name); err == nil && info.Size() > journalBytes {
		if err := os.Rename(name, s.path("journal.old.jsonl")); err != nil {
			return fmt.Errorf("enforcer journal: %w", err)
		}
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("enforcer journal: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("enforcer journal: %w", err)
	}
	return nil
}

// journal reads the steps there are; a last line torn by a crash is left out.
func (s *state) journal() (out []Step, err error) {
	for _, name := range []string{"journal.old.jsonl", "journal.jsonl"} {
		text, err := os.ReadFile(s.path(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("enforcer journal: %w", err)
		}
		for _, line := range bytes.Split(text, []byte("\n")) {
			var step Step
			if json.Unmarshal(line, &step) == nil {
				out = append(out, step)
			}
		}
	}
	return out, nil
}
