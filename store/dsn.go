package store

import "net/url"

// WithDatabase returns dsn with another database name; a dsn that is no URL comes
// back as it is.
func WithDatabase(dsn, database string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		return dsn
	}
	u.Path = "/" + database
	return u.String()
}
