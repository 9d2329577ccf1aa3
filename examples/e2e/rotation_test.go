package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"privyseal/authz"
	"privyseal/keys"
)

// verifierCaches is how long the tests' jwt_authn keeps a key set; it does not
// fetch again for a key it does not know.
const verifierCaches = time.Second

// TestRotationInThreeSteps edits the key file under traffic, in the ways that
// people, editors and Kubernetes replace a file. Every assertion must verify at
// Envoy's jwt_authn.
func TestRotationInThreeSteps(t *testing.T) {
	for name, replace := range map[string]func(t *testing.T, file, text string){
		"in place": func(t *testing.T, file, text string) {
			must(t, os.WriteFile(file, []byte(text), 0o600))
		},
		"by rename": func(t *testing.T, file, text string) {
			must(t, os.WriteFile(file+".new", []byte(text), 0o600))
			must(t, os.Rename(file+".new", file))
		},
		"by symbolic link": func(t *testing.T, file, text string) { // as Kubernetes mounts secrets
			dir, err := os.MkdirTemp(filepath.Dir(file), "..data-")
			must(t, err)
			must(t, os.WriteFile(filepath.Join(dir, "keys.pem"), []byte(text), 0o600))
			link := filepath.Join(filepath.Dir(file), "link")
			must(t, os.Symlink(filepath.Join(dir, "keys.pem"), link))
			must(t, os.Rename(link, file))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := ordinary(t, knobs{})
			a, b := keyIn(t, w.service.keyFile), newKey(t)
			traffic := w.traffic(t)
			step := func(signing *keys.Key, published int, list ...*keys.Key) {
				t.Helper()
				replace(t, w.service.keyFile, pemOf(t, list...))
				w.service.await(t, signing.KeyID(), published)
				traffic.flow(2 * verifierCaches)
			}
			traffic.flow(verifierCaches)
			step(a, 2, a, b) // add
			step(b, 2, b, a) // move to the front
			step(b, 2, b)    // remove: a stays published while its assertions live
			traffic.stop(t)
		})
	}
}

// TestSkippedStep replaces the key at once. Without hold_new_key that is said
// loudly; with it the old key signs until the new one can be known.
func TestSkippedStep(t *testing.T) {
	t.Run("hold_new_key", func(t *testing.T) {
		t.Parallel()
		w := ordinary(t, knobs{rules: rules + "publish_before: 5s\nhold_new_key: true\n"})
		a, b := keyIn(t, w.service.keyFile), newKey(t)
		traffic := w.traffic(t)
		traffic.flow(2 * verifierCaches)
		writeKeys(t, w.service.keyFile, b)
		w.service.await(t, a.KeyID(), 2)
		w.service.await(t, b.KeyID(), 2)
		traffic.flow(2 * verifierCaches)
		traffic.stop(t)
	})
	t.Run("at once", func(t *testing.T) {
		t.Parallel()
		w := ordinary(t, knobs{})
		b := newKey(t)
		writeKeys(t, w.service.keyFile, b)
		w.service.await(t, b.KeyID(), 2)
		if log := w.service.log.String(); !strings.Contains(log, "level=WARN") || !strings.Contains(log, b.KeyID()) {
			t.Errorf("no warning:\n%s", log)
		}
		if metrics := httpGet(t, w.service.admin, "/metrics"); strings.Contains(metrics, "privyseal_signing_key_missing_publication_seconds 0\n") {
			t.Error("the metric says that nothing is missing")
		}
	})
}

// traffic is a client that asks all the time and has every assertion verified.
type traffic struct {
	asked  atomic.Int64
	failed atomic.Pointer[string]
	end    chan struct{}
	ended  chan struct{}
}

func (w *world) traffic(t *testing.T) *traffic {
	t.Helper()
	f := &traffic{end: make(chan struct{}), ended: make(chan struct{})}
	token := w.token("alice", "staff")
	for range waits(10 * time.Second) { // jwt_authn fetches for the first time
		lines := fields(w.get(t, "/v1", bearer(token)).want(t, 200).body, authz.DefaultHeader)
		if r, err := w.verified(lines[0]); err == nil && r.status == 200 {
			break
		}
	}
	go func() {
		defer close(f.ended)
		for {
			select {
			case <-f.end:
				return
			case <-time.After(5 * time.Millisecond): // a load, not a wait: two cores are shared
			}
			if err := w.once(token); err != nil {
				text := fmt.Sprintf("request %d: %v", f.asked.Load(), err)
				f.failed.CompareAndSwap(nil, &text)
				return
			}
			f.asked.Add(1)
		}
	}()
	return f
}

func (w *world) once(token string) error {
	conn, err := dial(w.port)
	if err != nil {
		return err
	}
	r, err := exchange(conn, "GET /v1 HTTP/1.1\r\nhost: app.example\r\n"+bearer(token)+"\r\n\r\n")
	if err != nil {
		return err
	}
	lines := fields(r.body, authz.DefaultHeader)
	if r.status != 200 || len(lines) != 1 {
		return fmt.Errorf("status %d with %d assertions: %s", r.status, len(lines), r.body)
	}
	v, err := w.verified(lines[0])
	if err != nil {
		return err
	}
	if v.status != 200 {
		return fmt.Errorf("jwt_authn answers %d: %s", v.status, v.body)
	}
	return nil
}

// flow lets requests pass for some time: as long as a verifier caches.
func (f *traffic) flow(d time.Duration) { time.Sleep(d) }

func (f *traffic) stop(t *testing.T) {
	t.Helper()
	close(f.end)
	<-f.ended
	if failed := f.failed.Load(); failed != nil {
		t.Fatal(*failed)
	}
	if n := f.asked.Load(); n < 100 {
		t.Errorf("only %d requests: too few to mean anything", n)
	}
	t.Logf("%d requests, no failure", f.asked.Load())
}

// await waits until a key signs and so many are published.
func (s *service) await(t *testing.T, kid string, published int) {
	t.Helper()
	var set string
	for range waits(30 * time.Second) {
		set = httpGet(t, s.http, "/.well-known/jwks.json")
		signing := httpGet(t, s.admin, "/readyz?verbose")
		if strings.Contains(signing, kid) && strings.Count(set, `"kid"`) == published {
			return
		}
	}
	t.Fatalf("%s does not sign, with %d keys published: %s", kid, published, set)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
