package controller

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/bulkhead/bulkhead/fleet"
	"github.com/bulkhead/bulkhead/fleet/authority"
)

// routes is everything that is served.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+fleet.PathJoin, s.join)
	mux.HandleFunc("POST "+fleet.PathRenew, s.known(true, s.renew))
	mux.HandleFunc("POST "+fleet.PathHeartbeat, s.known(false, s.heartbeat))
	mux.HandleFunc("GET "+fleet.PathBundle, s.known(false, s.bundle))
	mux.HandleFunc("POST "+fleet.PathBatch, s.known(false, s.batch))
	return mux
}

// maxSmall bounds requests that are not batches.
const maxSmall = 1 << 20

// known lets requests of enrolled hosts through; of those with an expired
// certificate only to renew it.
func (s *Server) known(renewing bool, f func(http.ResponseWriter, *http.Request, *fleet.Enrolment)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) == 0 {
			fail(w, http.StatusUnauthorized, fleet.CodeRevoked, "a certificate is needed; join first")
			return
		}
		e, err := s.opts.Authority.Holder(r.TLS.PeerCertificates[0])
		switch {
		case err == nil, renewing && errors.Is(err, authority.ErrExpired):
			f(w, r, e)
			return
		case errors.Is(err, authority.ErrExpired):
			fail(w, http.StatusUnauthorized, fleet.CodeExpired, "the certificate has expired; renew it")
			return
		case errors.Is(err, authority.ErrTooLate):
			fail(w, http.StatusUnauthorized, fleet.CodeTooLate, "the certificate expired too long ago; join again with a new token")
		case errors.Is(err, authority.ErrRevoked), errors.Is(err, authority.ErrForeign):
			fail(w, http.StatusUnauthorized, fleet.CodeRevoked, "this host is not enrolled here (any more); join again with a new token")
		default:
			s.internal(w, err)
			return
		}
		s.opts.Log.Warn("controller: host refused", "from", r.RemoteAddr, "error", err)
	}
}

func (s *Server) join(w http.ResponseWriter, r *http.Request) {
	var req fleet.JoinRequest
	if !read(w, r, &req) {
		return
	}
	c, err := s.opts.Authority.Join(req)
	switch {
	case err == nil:
		s.opts.Log.Info("controller: host joined", "host", c.Name, "role", string(c.Role), "from", r.RemoteAddr, "version", req.Version)
		s.joined(c.Name)
		answer(w, c)
	case errors.Is(err, authority.ErrRequest):
		fail(w, http.StatusBadRequest, fleet.CodeInvalid, err.Error())
	case errors.Is(err, fleet.ErrToken), errors.Is(err, authority.ErrUnknownToken), errors.Is(err, authority.ErrUsedToken),
		errors.Is(err, authority.ErrLateToken), errors.Is(err, authority.ErrOtherHost):
		// Which of these it was, the controller's log says and not the network.
		s.opts.Log.Warn("controller: join refused", "host", req.Name, "from", r.RemoteAddr, "error", err)
		fail(w, http.StatusForbidden, fleet.CodeToken, "the token is unknown, used, expired or for another host; make a new one with `bulkhead join-token create`")
	default:
		s.internal(w, err)
	}
}

// joined forgets what was known of a host of that name: this is another one, or one
// that begins anew.
func (s *Server) joined(name string) {
	s.mu.Lock()
	h := s.host(name)
	h.Sight = fleet.Sight{Wanted: h.Wanted}
	h.content = nil
	s.dirty = true
	s.mu.Unlock()
	s.Changed()
}

func (s *Server) renew(w http.ResponseWriter, r *http.Request, e *fleet.Enrolment) {
	var req fleet.RenewRequest
	if !read(w, r, &req) {
		return
	}
	c, err := s.opts.Authority.Renew(e, req.Request)
	switch {
	case errors.Is(err, authority.ErrRequest):
		fail(w, http.StatusBadRequest, fleet.CodeInvalid, err.Error())
	case err != nil:
		s.internal(w, err)
	default:
		answer(w, c)
	}
}

func (s *Server) heartbeat(w http.ResponseWriter, r *http.Request, e *fleet.Enrolment) {
	var beat fleet.Heartbeat
	if !read(w, r, &beat) {
		return
	}
	now := s.opts.Now()
	from, _, _ := net.SplitHostPort(r.RemoteAddr)
	s.reached(r)
	s.mu.Lock()
	h := s.host(e.Name)
	moved := h.From != from || !sameAddrs(h.Beat.Addrs, beat.Addrs) || beat.Seen > h.Wanted || h.Beat.Serial == 0 || h.Beat.Released != beat.Released
	h.Beat, h.At, h.From = beat, now, from
	h.Skew = beat.Time.Sub(now).Round(time.Millisecond)
	s.dirty = true
	wanted := h.Wanted
	s.mu.Unlock()
	if moved {
		s.Changed()
	}
	answer(w, fleet.Answer{Time: now, Wanted: wanted, Confirm: e.Confirm})
}

// bundle answers with a bundle newer than the one the host has, as soon as there is
// one, or with nothing after a while.
func (s *Server) bundle(w http.ResponseWriter, r *http.Request, e *fleet.Enrolment) {
	after, err := strconv.ParseUint(r.URL.Query().Get("after"), 10, 64)
	if err != nil {
		fail(w, http.StatusBadRequest, fleet.CodeInvalid, "after: want a number")
		return
	}
	late := time.NewTimer(s.opts.Poll)
	defer late.Stop()
	for {
		s.mu.Lock()
		h := s.host(e.Name)
		content, wanted, newer := h.content, h.Wanted, h.newer
		s.mu.Unlock()
		if content != nil && wanted > after {
			data, err := content.Sign(wanted, s.opts.Now())
			if err != nil {
				s.internal(w, err)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(data) // who left asks again
			return
		}
		select {
		case <-newer:
		case <-late.C:
			w.WriteHeader(http.StatusNoContent)
			return
		case <-r.Context().Done(): // the host left, or this controller stops
			w.WriteHeader(http.StatusNoContent)
			return
		}
	}
}

func (s *Server) batch(w http.ResponseWriter, r *http.Request, e *fleet.Enrolment) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, fleet.MaxBatchBytes))
	if err != nil {
		fail(w, http.StatusBadRequest, fleet.CodeInvalid, "the batch cannot be read: "+err.Error())
		return
	}
	b, err := fleet.DecodeBatch(data)
	if err != nil {
		fail(w, http.StatusBadRequest, fleet.CodeInvalid, err.Error())
		return
	}
	b.Own(e.Name)
	if n := b.Clean(); n > 0 {
		s.opts.Log.Warn("controller: rows that mean nothing", "host", e.Name, "rows", n)
	}
	switch err := s.inbox.add(r.Context(), e.Name, b); {
	case errors.Is(err, errFull):
		w.Header().Set("Retry-After", "10")
		fail(w, http.StatusServiceUnavailable, fleet.CodeInternal, "too much waits to be stored; keep the batch and try again")
	case err != nil:
		s.internal(w, err)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func read(w http.ResponseWriter, r *http.Request, v any) bool {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxSmall)).Decode(v); err != nil {
		fail(w, http.StatusBadRequest, fleet.CodeInvalid, "the request cannot be read: "+err.Error())
		return false
	}
	return true
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // who left asks again
}

func fail(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(fleet.Failure{Code: code, Message: message})
}

// internal answers for what is no fault of the host's.
func (s *Server) internal(w http.ResponseWriter, err error) {
	s.opts.Log.Error("controller", "error", err)
	fail(w, http.StatusInternalServerError, fleet.CodeInternal, "the controller has a problem of its own; its log says more")
}

func sameAddrs(a, b []netipAddr) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
