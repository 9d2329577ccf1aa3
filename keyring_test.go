package privyseal

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"privyseal/envoy"
	"privyseal/keys"
)

const houseKeyring = "keys: {store: dir:keyring, encryption: {key_file: kek}}"

// newKeyringHouse is a house whose keys rotate themselves. Its store is there,
// and nobody has looked at it.
func newKeyringHouse(t *testing.T) *house {
	t.Helper()
	h := newHouseWith(t, "insecure_grpc: false")
	h.Close()
	h.keys = houseKeyring
	h.write("kek", base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef")))
	if err := os.Mkdir(filepath.Join(h.dir, "keyring"), 0o700); err != nil {
		t.Fatal(err)
	}
	h.restart()
	return h
}

// restart makes another service of the same folder.
func (h *house) restart() {
	h.t.Helper()
	if h.Service != nil {
		h.Close()
	}
	h.configure("host", "first")
	service, err := New(h.options)
	if err != nil {
		h.t.Fatal(err)
	}
	h.Service = service
}

func (h *house) step() error { return h.keeper.Step(context.Background()) }

// TestKeyringOutlivesTheProcess: what signs and what is published are the same
// after a restart.
func TestKeyringOutlivesTheProcess(t *testing.T) {
	h := newKeyringHouse(t)
	if err := h.step(); err != nil {
		t.Fatal(err)
	}
	h.mustAllow("first")
	kid, set := h.ring.KeyID(), h.get(h.public(), jwksPath).Body.String()
	if strings.Count(set, `"kid"`) != 2 {
		t.Errorf("the signing and the next key are not published: %s", set)
	}
	h.restart()
	defer h.Close()
	if err := h.step(); err != nil {
		t.Fatal(err)
	}
	h.mustAllow("first")
	if h.ring.KeyID() != kid || h.get(h.public(), jwksPath).Body.String() != set {
		t.Errorf("after a restart other keys are in use")
	}
	if answer := h.get(h.public(), jwksPath); answer.Header().Get("Cache-Control") != "public, max-age=300, must-revalidate" {
		t.Errorf("Cache-Control: %s", answer.Header().Get("Cache-Control"))
	}
}

// TestNotReadyWithoutAStore: a service whose store is absent when it starts says
// so everywhere, denies, and never makes a key of its own. It becomes ready when
// the store is there.
func TestNotReadyWithoutAStore(t *testing.T) {
	h := newKeyringHouse(t)
	defer h.Close()
	place := filepath.Join(h.dir, "keyring")
	if err := os.Rename(place, place+".away"); err != nil {
		t.Fatal(err)
	}
	status := func() healthpb.HealthCheckResponse_ServingStatus {
		healths := health.NewServer()
		announceHealth(healths, nil) // as the last look at the files found it
		answer, err := (liveHealth{healths, h.ring.Check}).Check(t.Context(), &healthpb.HealthCheckRequest{Service: envoy.ServiceName})
		if err != nil {
			t.Fatal(err)
		}
		return answer.Status
	}
	if err := h.step(); err == nil || !strings.Contains(err.Error(), "keyring") {
		t.Errorf("the store is away: %v", err)
	}
	if d := h.ask(); d.Grant() != nil || d.Record.Status != 503 {
		t.Errorf("decision: %+v", d.Record)
	}
	if answer := h.get(h.public(), jwksPath); answer.Code != 503 || answer.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("key set: %d %v", answer.Code, answer.Header())
	}
	if answer := h.get(h.admin(), "/readyz?verbose"); answer.Code != 503 || !strings.Contains(answer.Body.String(), "NOT OK keyring") {
		t.Errorf("readyz: %d %s", answer.Code, answer.Body)
	}
	if h.ring.KeyID() != "" || status() != healthpb.HealthCheckResponse_NOT_SERVING {
		t.Errorf("kid %q, health %v", h.ring.KeyID(), status())
	}
	if err := os.Rename(place+".away", place); err != nil {
		t.Fatal(err)
	}
	if err := h.step(); err != nil {
		t.Fatal(err)
	}
	h.mustAllow("first")
	if answer := h.get(h.admin(), "/readyz?verbose"); answer.Code != 200 || status() != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("readyz: %d %s, health %v", answer.Code, answer.Body, status())
	}
}

// TestKeyringReload: times can change while the service runs, places cannot.
func TestKeyringReload(t *testing.T) {
	h := newKeyringHouse(t)
	defer h.Close()
	if err := h.step(); err != nil {
		t.Fatal(err)
	}
	kid := h.ring.KeyID()
	for line, good := range map[string]bool{
		"keys: {store: dir:keyring, encryption: {key_file: kek}, rotate_every: 48h}":          true,
		"keys: {store: dir:keyring, encryption: {key_file: kek}, rotate_every: 1m}":           false,
		"keys: {store: dir:elsewhere, encryption: {key_file: kek}}":                           false,
		"keys: {store: dir:keyring, encryption: none}":                                        false,
		"signing_key_file: keys.pem":                                                          false,
		"keys: {store: dir:keyring, encryption: {key_file: absent}}":                          false,
		"keys: {store: dir:keyring, encryption: {key_file: kek}}\nsigning_key_file: keys.pem": false,
	} {
		h.keys = line
		h.configure("host", "first")
		if err := h.Reload(); (err == nil) != good {
			t.Errorf("%s: %v", line, err)
		}
		if err := h.step(); err != nil || h.ring.KeyID() != kid {
			t.Errorf("%s: then %v, and %s signs", line, err, h.ring.KeyID())
		}
	}
}

// TestStatusOfKeys: the admin listener tells what `keys status` shows.
func TestStatusOfKeys(t *testing.T) {
	h := newKeyringHouse(t)
	defer h.Close()
	if err := h.step(); err != nil {
		t.Fatal(err)
	}
	var answer struct {
		keys.Status
		Unfit string
		Now   time.Time
	}
	if err := json.Unmarshal(h.get(h.admin(), "/-/keys").Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.Keys) != 2 || answer.Keys[0].State != keys.StateSigning || answer.Keys[1].State != keys.StateNext ||
		answer.Keys[1].ActivateAt.IsZero() || answer.Store == nil || answer.Store.Generation != 1 || answer.Unfit != "" || answer.Now.IsZero() {
		t.Errorf("%+v", answer)
	}
	if figures := h.get(h.admin(), "/metrics").Body.String(); !strings.Contains(figures, "privyseal_keyring_generation 1\n") {
		t.Errorf("no generation in\n%s", figures)
	}
}

// TestKeyringSecretsNeverLeave looks for the private scalars of a keyring in
// everything that a service says, in five encodings: also where they are in the
// clear in the store, and in what Go itself prints of a process.
func TestKeyringSecretsNeverLeave(t *testing.T) {
	for name, line := range map[string]string{"sealed": houseKeyring, "in the clear": "keys: {store: dir:keyring, encryption: none}"} {
		t.Run(name, func(t *testing.T) {
			h := newKeyringHouse(t)
			h.keys = line
			h.restart()
			defer h.Close()
			set, err := keys.Parse([]byte(read(t, h.dir, "keys.pem")), keys.ParseOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := h.keeper.Import(t.Context(), set); err != nil {
				t.Fatal(err)
			}
			h.mustAllow("first")
			var said bytes.Buffer
			if err := h.Config().Print(&said, true); err != nil {
				t.Fatal(err)
			}
			said.WriteString(h.get(h.public(), jwksPath).Body.String())
			for _, path := range []string{"/metrics", "/readyz?verbose", "/-/keys"} {
				said.WriteString(h.get(h.admin(), path).Body.String())
			}
			stored := read(t, h.dir, "keyring/keyring.json")
			document, err := keys.ParseDocument([]byte(stored))
			if err != nil {
				t.Fatal(err)
			}
			for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s"} {
				fmt.Fprintf(&said, verb+verb+verb, document, h.keeper.Status(), h.Config())
			}
			text, err := json.Marshal(document)
			if err != nil {
				t.Fatal(err)
			}
			said.Write(text)
			h.write("keyring/keyring.json", strings.Replace(stored, `"alg"`, `"gla"`, 1)) // an error about it
			fmt.Fprintln(&said, h.step())
			for _, profile := range []string{"heap", "goroutine", "allocs"} {
				if err := pprof.Lookup(profile).WriteTo(&said, 1); err != nil {
					t.Fatal(err)
				}
			}
			said.Write(debug.Stack())
			said.WriteString(h.log.String())
			scalar := privateScalar(t, read(t, h.dir, "keys.pem"))
			found := map[string]bool{}
			for encoding, secret := range map[string]string{
				"hex": hex.EncodeToString(scalar), "decimal": new(big.Int).SetBytes(scalar).String(), "bytes": string(scalar),
				"base64": base64.RawStdEncoding.EncodeToString(scalar[:30]), "base64url": base64.RawURLEncoding.EncodeToString(scalar[:30]),
				"base64 in PKCS#8": base64.RawStdEncoding.EncodeToString(scalar[2:29]), "hex of PKCS#8": "0420" + hex.EncodeToString(scalar),
			} {
				found[encoding] = strings.Contains(stored, secret)
				if strings.Contains(said.String(), secret) {
					t.Errorf("a private key was said in %s", encoding)
				}
			}
			if name == "sealed" && slices.Contains(slices.Collect(maps.Values(found)), true) {
				t.Errorf("the store holds a private key: %v", found)
			}
			if !strings.Contains(said.String(), h.ring.KeyID()) {
				t.Error("not even the kid was said: the test looks at nothing")
			}
		})
	}
}

// TestKeyringMistakesBesideOthers: mistakes in rules and keys are reported
// together.
func TestKeyringMistakesBesideOthers(t *testing.T) {
	err := Validate(LoadOptions{Environ: []string{}, Source: []byte(`version: 1
keys: {store: floppy:a, encryption: none, rotate_every: 1m, algorithm: HS256}
rules: [{name: a}]
`)})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"keys.store", "keys.algorithm", "rules[0]"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing about %s in:\n%v", want, err)
		}
	}
}
