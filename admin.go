package privyseal

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"privyseal/keys"
)

// admin is what the admin listener serves: whether the service lives, whether
// it is ready and why not, figures, the state of the keys, and a reload on
// request.
func (s *Service) admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	mux.HandleFunc("GET /-/keys", s.keysz)
	mux.HandleFunc("POST /-/reload", s.reloadz)
	return mux
}

// condition is one line of /readyz?verbose. Only a required one makes the
// service not ready: with an issuer down it still answers everybody else.
type condition struct {
	Name     string `json:"name"`
	OK       bool   `json:"ok"`
	Required bool   `json:"required"`
	Detail   string `json:"detail,omitempty"`
}

func (s *Service) conditions() []condition {
	snap := s.current.Load()
	status := s.keyStatus()
	list := []condition{{Name: "signing key", OK: true, Required: true, Detail: s.ring.KeyID()}}
	if status.Ephemeral {
		list[0].Detail += " (ephemeral: no verifier can find it)"
	}
	if err := s.ring.Check(); err != nil {
		list[0].OK, list[0].Detail = false, err.Error()
	}
	if status.Store != nil {
		list = append(list, keyringCondition(*status.Store))
	}
	reload := condition{Name: "configuration", OK: true, Detail: fmt.Sprintf("%d rules", len(snap.policy.Rules()))}
	if failure := s.failure.Load(); failure != nil {
		reload.OK, reload.Detail = false, "the last reload failed; the state before it is in force: "+*failure
	}
	list = append(list, reload)
	for source, keys := range snap.issuerKeySets() {
		set := keys.Status()
		c := condition{Name: "keys of source " + source, OK: set.Keys > 0 && set.LastError == "", Detail: fmt.Sprintf("%d keys", set.Keys)}
		if !set.LastSuccess.IsZero() {
			c.Detail += ", fetched " + set.LastSuccess.UTC().Format(time.RFC3339)
		}
		if set.LastError != "" {
			c.Detail += ": " + set.LastError
		}
		list = append(list, c)
	}
	return list
}

func (s *Service) readyz(w http.ResponseWriter, r *http.Request) {
	list, status := s.conditions(), http.StatusOK
	for _, c := range list {
		if c.Required && !c.OK {
			status = http.StatusServiceUnavailable
		}
	}
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		writeJSON(w, list)
		return
	}
	w.WriteHeader(status)
	if r.URL.Query().Has("verbose") {
		for _, c := range list {
			mark := "ok"
			if !c.OK {
				mark = "NOT OK"
			}
			fmt.Fprintf(w, "%-6s %s: %s\n", mark, c.Name, c.Detail)
		}
	}
	if status == http.StatusOK {
		fmt.Fprintln(w, "ready")
	} else {
		fmt.Fprintln(w, "not ready")
	}
}

func keyringCondition(store keys.StoreStatus) condition {
	c := condition{Name: "keyring", OK: store.LastError == "", Detail: fmt.Sprintf("generation %d", store.Generation)}
	if !store.Confirmed.IsZero() {
		c.Detail += ", read " + store.Confirmed.UTC().Format(time.RFC3339)
	}
	if store.LastError != "" {
		c.Detail += ": " + store.LastError
	}
	return c
}

// keyStatus is the state of the keys, and of the keyring that they come from.
func (s *Service) keyStatus() keys.Status {
	if s.keeper != nil {
		return s.keeper.Status()
	}
	return s.ring.Status()
}

// keysz tells everything about the keys but the keys. `privyseal keys status`
// compares replicas by it.
func (s *Service) keysz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	answer := struct {
		keys.Status
		Unfit string    `json:"unfit,omitempty"` // why the replica is out of service
		Now   time.Time `json:"now"`
	}{Status: s.keyStatus(), Now: s.options.Now().UTC()}
	if err := s.ring.Check(); err != nil {
		answer.Unfit = err.Error()
	}
	writeJSON(w, answer)
}

// reloadz reloads for callers on this machine.
func (s *Service) reloadz(w http.ResponseWriter, r *http.Request) {
	if !local(r) || r.Header.Get("Origin") != "" { // a page in a browser here is not its user
		http.Error(w, "reload is for loopback and unix peers only", http.StatusForbidden)
		return
	}
	if err := s.Reload(); err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	fmt.Fprintln(w, "reloaded")
}

func local(r *http.Request) bool {
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && addr.Network() == "unix" {
		return true
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}

func writeJSON(w http.ResponseWriter, v any) {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.Encode(v) // an error is the client's having left
}
