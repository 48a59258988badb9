package engine_test

import (
	"fmt"
	"net/url"
	"strconv"
	"testing"
)

func itoa(n int) string { return strconv.Itoa(n) }

// portHex is the DSN's port as /proc/net/tcp writes it.
func portHex(t *testing.T, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%04X", n)
}
