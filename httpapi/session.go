package httpapi

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	cookieName      = "bulkhead_session"
	sessionLifetime = 12 * time.Hour
)

// GeneratePassword makes an administrator's password of 100 random bits.
func GeneratePassword(random io.Reader) (string, error) {
	var b [13]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("generate password: %w", err)
	}
	text := strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))[:20]
	return text[:5] + "-" + text[5:10] + "-" + text[10:15] + "-" + text[15:], nil
}

// sessions issues and checks login cookies: an expiry signed with a key that
// lives as long as the process. Safe for concurrent use.
type sessions struct {
	key      []byte
	password [sha256.Size]byte
	now      func() time.Time
	guesses  guesses
}

func newSessions(o Options) *sessions {
	key := make([]byte, 32)
	if _, err := io.ReadFull(o.Random, key); err != nil {
		panic("read random key: " + err.Error()) // the operating system has none: nothing is safe
	}
	return &sessions{key: key, password: sha256.Sum256([]byte(o.Password)), now: o.Now, guesses: guesses{now: o.Now}}
}

// check compares a password in constant time, within what its origin may try.
func (s *sessions) check(r *http.Request, password string) error {
	from := origin(r)
	if wait := s.guesses.left(from); wait > 0 {
		return &Error{Code: CodeThrottled, Message: "too many wrong passwords from your address; wait " + wait.Round(time.Second).String(), Retry: wait}
	}
	sum := sha256.Sum256([]byte(password))
	if subtle.ConstantTimeCompare(sum[:], s.password[:]) != 1 {
		s.guesses.failed(from)
		return Errorf(CodeUnauthenticated, "wrong password")
	}
	return nil
}

func (s *sessions) sign(expires int64) string {
	msg := binary.BigEndian.AppendUint64(nil, uint64(expires))
	mac := hmac.New(sha256.New, s.key)
	mac.Write(msg)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(msg))
}

func (s *sessions) valid(cookie string) bool {
	b, err := base64.RawURLEncoding.DecodeString(cookie)
	if err != nil || len(b) != 8+sha256.Size {
		return false
	}
	expires := int64(binary.BigEndian.Uint64(b))
	return hmac.Equal([]byte(s.sign(expires)), []byte(cookie)) && s.now().Unix() < expires
}

// loggedIn reports whether r carries a session cookie or the password as a
// bearer token.
func (s *server) loggedIn(r *http.Request) bool {
	if s.Password == "" {
		return true
	}
	if c, err := r.Cookie(cookieName); err == nil && s.sessions.valid(c.Value) {
		return true
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && s.sessions.check(r, token) == nil
}

// authenticated refuses requests without a login.
func (s *server) authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.loggedIn(r) {
			s.fail(w, r, Errorf(CodeUnauthenticated, "log in first"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// session is what the dashboard asks before anything else.
type session struct {
	Required bool `json:"required"`
	LoggedIn bool `json:"loggedIn"`
}

func (s *server) getSession(w http.ResponseWriter, r *http.Request) error {
	return reply(w, r, session{Required: s.Password != "", LoggedIn: s.loggedIn(r)})
}

func (s *server) postSession(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Password string `json:"password"`
	}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if s.Password != "" {
		if err := s.sessions.check(r, in.Password); err != nil {
			return err
		}
		expires := s.Now().Add(sessionLifetime)
		http.SetCookie(w, sessionCookie(r, s.sessions.sign(expires.Unix()), int(sessionLifetime.Seconds())))
	}
	return reply(w, r, session{Required: s.Password != "", LoggedIn: true})
}

func (s *server) deleteSession(w http.ResponseWriter, r *http.Request) error {
	http.SetCookie(w, sessionCookie(r, "", -1))
	return reply(w, r, session{Required: s.Password != ""})
}

func sessionCookie(r *http.Request, value string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: cookieName, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil,
	}
}

// author names who acts, for the record. There is one account.
func author(*http.Request) string { return "admin" }
