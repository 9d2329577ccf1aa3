package login_test

import "net/http"

// slow keeps requests for a path waiting until a channel is closed.
func slow(path string, release <-chan struct{}) func(http.ResponseWriter, *http.Request) bool {
	return func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == path {
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}
		return false
	}
}

// says answers requests for a path with a status and a body.
func says(path string, status int, body string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != path {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		w.Write([]byte(body))
		return true
	}
}

// failing gives requests for a path the status 500 and lets them have their
// answer.
func failing(path string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == path {
			w.WriteHeader(http.StatusInternalServerError)
		}
		return false
	}
}
