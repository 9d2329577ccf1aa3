package store

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"privyseal/keys"
)

// These are answers that a real API server cannot be made to give; the rest is
// tested against a real one, with the build tag kubernetes.

const secretAnswer = `{"kind":"Secret","metadata":{"name":"keyring","namespace":"edge","resourceVersion":"7"},"data":{"keyring.json":"b25l"}}`

// newAPI returns a store on a server that answers with the handler.
func newAPI(t *testing.T, handler http.HandlerFunc) *kubernetes {
	t.Helper()
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	ca, token := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "token")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := errors.Join(os.WriteFile(ca, certificate, 0o600), os.WriteFile(token, []byte("s3cret\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	s, err := Open("kubernetes://edge/keyring?server="+server.URL+"&ca_file="+ca+"&token_file="+token, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s.(*kubernetes)
}

// answers is a handler that gives one answer after the other.
func answers(served *atomic.Int32, steps ...http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		steps[min(int(served.Add(1)), len(steps))-1](w, r)
	}
}

func say(status int, header, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if name, value, ok := strings.Cut(header, ": "); ok {
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// A server that asks for patience is asked again when it says, as long as the
// context lasts.
func TestKubernetesRetryAfter(t *testing.T) {
	var served atomic.Int32
	for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		served.Store(0)
		k := newAPI(t, answers(&served, say(status, "Retry-After: 0", ""), say(status, "Retry-After: 0", ""), say(200, "", secretAnswer)))
		wantDocument(t, k, "one", "7")
		if served.Load() != 3 {
			t.Errorf("%d: asked %d times, want 3", status, served.Load())
		}
	}

	served.Store(0)
	k := newAPI(t, answers(&served, say(429, "Retry-After: 3600", "")))
	if _, err := k.Load(t.Context()); err == nil || !strings.Contains(err.Error(), "try again later") {
		t.Errorf("a wait that is too long: %v", err)
	}
	if served.Load() != 1 {
		t.Errorf("asked %d times before the hour was over", served.Load())
	}

	served.Store(0)
	k = newAPI(t, answers(&served, say(503, "Retry-After: 0", "")))
	if _, err := k.Load(t.Context()); err == nil || served.Load() != maxAttempts {
		t.Errorf("asked %d times, error %v; want %d times", served.Load(), err, maxAttempts)
	}
}

// The wait itself is as long as the server says.
func TestKubernetesWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		served := 0
		c := &cluster{server: "https://api.example", now: time.Now}
		c.login = login{token: "x", read: began, client: &http.Client{Transport: transport(func(*http.Request) *http.Response {
			served++
			if served == 1 {
				return &http.Response{StatusCode: 429, Header: http.Header{"Retry-After": {"7"}}, Body: http.NoBody}
			}
			return &http.Response{StatusCode: 200, Body: http.NoBody}
		})}}
		if _, err := c.request(t.Context(), http.MethodPut, "/", nil); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited != 7*time.Second || served != 2 {
			t.Errorf("asked %d times within %v, want a second time after 7s", served, waited)
		}
	})
}

type transport func(*http.Request) *http.Response

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

// A 503 may come from between us and a server that has done the write. Sending
// it again would make our own document look like somebody else's.
func TestKubernetesWriteIsNotRepeated(t *testing.T) {
	var writes atomic.Int32
	k := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			io.WriteString(w, secretAnswer)
			return
		}
		writes.Add(1)
		say(503, "Retry-After: 0", "")(w, r)
	})
	_, err := k.Swap(t.Context(), []byte("two"), "7")
	if err == nil || errors.Is(err, keys.ErrConflict) || writes.Load() != 1 {
		t.Errorf("%d writes, error %v; want one write and an error that is no conflict", writes.Load(), err)
	}
}

// An answer to a write that is lost claims nothing.
func TestKubernetesLostAnswer(t *testing.T) {
	var writes atomic.Int32
	k := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			io.WriteString(w, secretAnswer)
			return
		}
		io.Copy(io.Discard, r.Body)
		writes.Add(1)
		panic(http.ErrAbortHandler)
	})
	_, err := k.Swap(t.Context(), []byte("two"), "7")
	if err == nil || errors.Is(err, keys.ErrConflict) || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "may have been done") {
		t.Errorf("error %v, want one that claims nothing", err)
	}
	if writes.Load() != 1 {
		t.Errorf("written %d times", writes.Load())
	}
}

// Only an API server that names the Secret says that there is no keyring.
func TestKubernetesStrangeAnswers(t *testing.T) {
	notFound := `{"kind":"Status","reason":"NotFound","details":{"name":"%s","kind":"%s"}}`
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		want   string // empty: there is no document
	}{
		{"absent", say(404, "", fmt.Sprintf(notFound, "keyring", "secrets")), ""},
		{"404 of a proxy", say(404, "", "<html>not here</html>"), "address of an API server"},
		{"404 of the path", say(404, "", `{"kind":"Status","reason":"NotFound","details":{}}`), "address of an API server"},
		{"404 of another Secret", say(404, "", fmt.Sprintf(notFound, "other", "secrets")), "address of an API server"},
		{"404 of something else", say(404, "", fmt.Sprintf(notFound, "keyring", "configmaps")), "address of an API server"},
		{"redirect", say(307, "Location: https://127.0.0.1:1/", ""), "redirects are not followed"},
		{"not JSON", say(200, "", "hello"), "address of an API server"},
		{"another object", say(200, "", strings.Replace(secretAnswer, `"keyring"`, `"other"`, 1)), "is not the Secret"},
		{"another namespace", say(200, "", strings.Replace(secretAnswer, `"edge"`, `"other"`, 1)), "is not the Secret"},
		{"another kind", say(200, "", strings.Replace(secretAnswer, `"Secret"`, `"ConfigMap"`, 1)), "is not the Secret"},
		{"no version", say(200, "", strings.Replace(secretAnswer, `"7"`, `""`, 1)), "is not the Secret"},
		{"not base64", say(200, "", strings.Replace(secretAnswer, `b25l`, `!`, 1)), "is not base64"},
		{"large document", say(200, "", strings.Replace(secretAnswer, `b25l`, strings.Repeat("AAAA", maxDocument/3+1), 1)), "more than 262144 bytes"},
		{"large answer", say(200, "", secretAnswer+strings.Repeat(" ", maxAnswer)), "more than 3145728 bytes"},
		{"cut off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, "{}")
		}, "ended early"},
		{"unauthorized", say(401, "", "{}"), "is not valid here"},
		{"quotes what was sent", say(400, "", `{"reason":"BadRequest","message":"s3cret"}`), "400"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := newAPI(t, test.answer).Load(t.Context())
			if errors.Is(err, fs.ErrNotExist) != (test.want == "") || err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error shows what was sent: %v", err)
			}
		})
	}
}

// A watch that ends as agreed is a reason to load, one that breaks off is not
// news, and one that ends at once would be repeated without end.
func TestKubernetesWatchEnds(t *testing.T) {
	bookmark := `{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9"}}}` + "\n"
	empty := `{"type":"ADDED","object":{"data":{"other":"AA=="}}}` + "\n"
	full := `{"type":"MODIFIED","object":{"data":{"keyring.json":"AA=="}}}` + "\n"
	gone := `{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}` + "\n"
	for _, test := range []struct {
		name, rev, events string
		lasted            time.Duration
		want              string // empty: nil
	}{
		{"changed", "7", bookmark + full, 0, ""},
		{"lost its document", "7", empty, 0, ""},
		{"history is gone", "7", gone, 0, ""},
		{"history is gone, no document", "", gone, 0, ""},
		{"still no document", "", empty + bookmark, 0, "ended the watch at once"},
		{"filled", "", empty + full, 0, ""},
		{"ended in time", "7", bookmark, watchTimeout, ""},
		{"ended at once", "7", bookmark, 0, "ended the watch at once"},
		{"broken off", "7", bookmark + full[:20], 0, "broke off"},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
				if got := r.URL.Query(); got.Get("fieldSelector") != "metadata.name=keyring" || got.Get("resourceVersion") != test.rev || got.Get("timeoutSeconds") != "240" {
					t.Errorf("query %v", got)
				}
				io.WriteString(w, test.events)
			})
			calls := 0
			began := time.Now()
			k.now = func() time.Time { // the last call is the one after the watch
				calls++
				if calls > 2 {
					return began.Add(test.lasted)
				}
				return began
			}
			err := k.Watch(t.Context(), test.rev)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
	if err := newAPI(t, say(410, "", "{}")).Watch(t.Context(), "7"); err != nil {
		t.Errorf("410: %v", err)
	}
	if err := newAPI(t, say(500, "", "{}")).Watch(t.Context(), "7"); err == nil {
		t.Error("500: no error")
	}
}

// The token goes to the configured server only, whatever the environment says.
func TestKubernetesUsesNoProxy(t *testing.T) {
	client, err := (&cluster{}).newClient()
	if err != nil {
		t.Fatal(err)
	}
	if client.Transport.(*http.Transport).Proxy != nil {
		t.Error("a proxy may be used")
	}
}

// A server that says nothing does not hold us longer than the context allows.
func TestKubernetesSilentServer(t *testing.T) {
	done := make(chan struct{})
	k := newAPI(t, func(http.ResponseWriter, *http.Request) { <-done })
	defer close(done)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := k.Load(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want an ended deadline", err)
	}
}

// The manual and the errors grant the same Role, the one that is tested.
func TestKubernetesRoleIsDocumented(t *testing.T) {
	manual, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	role := (&kubernetes{secret: "SECRET"}).role()
	if !strings.Contains(string(manual), "//\t"+strings.ReplaceAll(role, "\n", "\n//\t")+"\n") {
		t.Errorf("the package comment does not hold the Role\n%s", role)
	}
}
