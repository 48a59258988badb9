package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Document is one version of something people decide: an inventory, labels, a
// policy, a change.
type Document struct {
	Kind    string // "inventory", "policy", "labels", "change", …
	Name    string
	Version uint64 // from 1; given by SaveDocument
	Base    uint64 // the version this one was made from; 0 for the first
	Author  string
	Time    time.Time // zero: when it was saved
	Reason  string
	Hash    string // SHA-256 of Content, hex; given by SaveDocument
	Deleted bool   // the document was removed by this version
	Content []byte
}

// ErrStale: the document was changed by somebody else since the version that a
// save was based on.
var ErrStale = errors.New("document was changed meanwhile")

// ErrNoDocument: there is no such document or version.
var ErrNoDocument = errors.New("no such document")

// SaveDocument adds a version on top of d.Base and returns its number. It is on
// disk when SaveDocument returns. Of several savers on the same base one wins;
// the others get ErrStale.
func (s *Store) SaveDocument(ctx context.Context, d Document) (uint64, error) {
	latest, err := s.latest(ctx, d.Kind, d.Name)
	if err != nil {
		return 0, fmt.Errorf("save %s %s: %w", d.Kind, d.Name, err)
	}
	if latest != d.Base {
		return 0, fmt.Errorf("save %s %s on version %d: %w: it is at version %d", d.Kind, d.Name, d.Base, ErrStale, latest)
	}
	if d.Time.IsZero() {
		d.Time = s.opt.Now()
	}
	sum := sha256.Sum256(d.Content)
	d.Version, d.Hash = latest+1, hex.EncodeToString(sum[:])
	nonce := make([]byte, 16)
	if _, err := rand.Read(nonce); err != nil {
		return 0, err
	}
	mine := hex.EncodeToString(nonce)
	if err := retry(ctx, func() error { return s.insertDocument(ctx, d, mine) }); err != nil {
		return 0, fmt.Errorf("save %s %s: %w", d.Kind, d.Name, err)
	}
	// The token made one of any concurrent inserts count: was it ours?
	var winner string
	err = s.get(ctx, "SELECT nonce FROM documents WHERE kind = ? AND name = ? AND version = ?",
		[]any{d.Kind, d.Name, d.Version}, &winner)
	if err != nil {
		return 0, fmt.Errorf("save %s %s: read it back: %w", d.Kind, d.Name, err)
	}
	if winner != mine {
		return 0, fmt.Errorf("save %s %s on version %d: %w: it is at version %d", d.Kind, d.Name, d.Base, ErrStale, d.Version)
	}
	return d.Version, nil
}

func (s *Store) insertDocument(ctx context.Context, d Document, nonce string) error {
	token := fmt.Sprintf("%s/%s/%d", d.Kind, d.Name, d.Version)
	batch, err := s.conn.PrepareBatch(insertOnce(ctx, token),
		"INSERT INTO documents (kind, name, version, base, author, time, reason, hash, nonce, deleted, content)")
	if err != nil {
		return err
	}
	err = batch.Append(d.Kind, d.Name, d.Version, d.Base, d.Author, d.Time.UTC(), d.Reason, d.Hash, nonce, bit(d.Deleted), string(d.Content))
	if err != nil {
		return errors.Join(err, batch.Abort())
	}
	return batch.Send()
}

// latest is the highest version of a document, 0 when there is none.
func (s *Store) latest(ctx context.Context, kind, name string) (version uint64, err error) {
	err = s.get(ctx, "SELECT max(version) FROM documents WHERE kind = ? AND name = ?", []any{kind, name}, &version)
	return version, err
}

const documentColumns = "kind, name, version, base, author, time, reason, hash, deleted"

// LoadDocument returns a version of a document, 0 for the latest. The error wraps
// ErrNoDocument when there is none, or when the latest version removed it.
func (s *Store) LoadDocument(ctx context.Context, kind, name string, version uint64) (Document, error) {
	query := "SELECT " + documentColumns + ", content FROM documents WHERE kind = ? AND name = ?"
	args := []any{kind, name}
	if version != 0 {
		query += " AND version = ?"
		args = append(args, version)
	}
	var d Document
	var deleted uint8
	var content string
	err := s.get(ctx, query+" ORDER BY version DESC LIMIT 1", args,
		&d.Kind, &d.Name, &d.Version, &d.Base, &d.Author, &d.Time, &d.Reason, &d.Hash, &deleted, &content)
	if errors.Is(err, sql.ErrNoRows) || err == nil && deleted != 0 && version == 0 {
		err = ErrNoDocument
	}
	if err != nil {
		return Document{}, fmt.Errorf("load %s %s: %w", kind, name, err)
	}
	d.Deleted, d.Content, d.Time = deleted != 0, []byte(content), d.Time.UTC()
	return d, nil
}

// History lists the versions of a document, newest first, without their content.
func (s *Store) History(ctx context.Context, kind, name string) ([]Document, error) {
	return s.documents(ctx, "SELECT "+documentColumns+" FROM documents WHERE kind = ? AND name = ? ORDER BY version DESC", kind, name)
}

// Documents lists the latest version of every document of a kind that has not
// been removed, by name, without their content. An empty kind lists all kinds.
func (s *Store) Documents(ctx context.Context, kind string) ([]Document, error) {
	return s.documents(ctx, "SELECT * FROM (SELECT "+documentColumns+` FROM documents WHERE ? IN ('', kind)
ORDER BY kind, name, version DESC LIMIT 1 BY kind, name) WHERE deleted = 0 ORDER BY kind, name`, kind)
}

func (s *Store) documents(ctx context.Context, query string, args ...any) ([]Document, error) {
	var out []Document
	err := s.each(ctx, query, args, func() { out = nil }, func(rows driver.Rows) error {
		var d Document
		var deleted uint8
		if err := rows.Scan(&d.Kind, &d.Name, &d.Version, &d.Base, &d.Author, &d.Time, &d.Reason, &d.Hash, &deleted); err != nil {
			return err
		}
		d.Deleted, d.Time = deleted != 0, d.Time.UTC()
		out = append(out, d)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list documents: %w", err)
	}
	return out, nil
}
