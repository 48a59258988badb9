package httpapi

import "net/http"

// getHealth says that the process answers.
func (s *server) getHealth(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n")) // a prober that left is no failure of ours
	return nil
}

// getReady says whether the program can do its work, and why not.
func (s *server) getReady(w http.ResponseWriter, r *http.Request) error {
	st, err := s.backend.Status(r.Context())
	if err != nil {
		return &Error{Code: CodeNotReady, Message: "the status cannot be read", Err: err}
	}
	if !st.Ready {
		return Errorf(CodeNotReady, "not ready: %s", st.Problem)
	}
	return s.getHealth(w, r)
}

func (s *server) getStatus(w http.ResponseWriter, r *http.Request) error {
	st, err := s.backend.Status(r.Context())
	if err != nil {
		return err
	}
	out := *st
	out.Auth = s.Password != ""
	return reply(w, r, out)
}
