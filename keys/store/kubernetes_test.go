//go:build kubernetes

// These tests run against a real API server on a real etcd. The server is built
// from testdata/kube-apiserver on the first run, which takes five minutes.

package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"privyseal/keys"
)

const (
	testNamespace = "edge"
	testSecret    = "privyseal-keyring"
)

// testCluster is an API server with its etcd.
type testCluster struct {
	binary     string
	dir        string
	etcd       string // URL
	port       string
	cert       string
	apiserver  *exec.Cmd
	adminToken string
	client     *http.Client
}

func TestKubernetes(t *testing.T) {
	c := startCluster(t)
	c.admin(t, "POST", "/api/v1/namespaces", `{"metadata":{"name":"`+testNamespace+`"}}`)
	c.grant(t)
	c.writeToken(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *testCluster)
	}{
		{"contract", kubernetesContract},
		{"environment of a pod", kubernetesPod},
		{"foreign members", kubernetesForeignMembers},
		{"missing permissions", kubernetesPermissions},
		{"token rotation", kubernetesTokenRotation},
		{"changed authority", kubernetesChangedAuthority},
		{"compacted history", kubernetesCompacted},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, c) })
	}
}

func kubernetesContract(t *testing.T, c *testCluster) {
	testContract(t, func(t *testing.T) place {
		c.removeSecret(t)
		return place{address: c.address(), remove: c.removeSecret}
	})
}

// In a pod, the server comes from the environment. The files are named here
// because the test is no pod.
func kubernetesPod(t *testing.T, c *testCluster) {
	c.removeSecret(t)
	environment := map[string]string{"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": c.port}
	address := "kubernetes://" + testNamespace + "/" + testSecret + "?ca_file=" + c.cert + "&token_file=" + c.tokenFile()
	s, err := Open(address, Options{Getenv: func(name string) string { return environment[name] }})
	if err != nil {
		t.Fatal(err)
	}
	wantDocument(t, s, "one", swap(t, s, []byte("one"), ""))
}

// The Secret may belong to somebody else too: what is not ours stays, also when
// the Secret was made without a keyring.
func kubernetesForeignMembers(t *testing.T, c *testCluster) {
	c.removeSecret(t)
	c.admin(t, "POST", "/api/v1/namespaces/"+testNamespace+"/secrets", `{
		"metadata": {"name": "`+testSecret+`", "labels": {"team": "edge"}, "annotations": {"note": "<&> \u2028"}, "finalizers": ["example.com/keep"]},
		"type": "example.com/opaque", "data": {"other": "AP8="}}`)
	before := c.secret(t)
	s := c.store(t)
	if _, err := s.Load(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("a Secret without a keyring: %v, want fs.ErrNotExist", err)
	}
	if _, err := s.Swap(t.Context(), []byte("x"), before.Metadata["resourceVersion"].(string)); !errors.Is(err, keys.ErrConflict) {
		t.Errorf("a revision that no document had: %v, want a conflict", err)
	}
	first := swap(t, s, []byte("one"), "")
	if _, err := s.Swap(t.Context(), []byte("x"), ""); !errors.Is(err, keys.ErrConflict) {
		t.Errorf("filling it twice: %v, want a conflict", err)
	}
	wantDocument(t, s, "two", swap(t, s, []byte("two"), first))
	after := c.secret(t)
	for _, member := range []string{"uid", "labels", "annotations", "finalizers"} {
		if got, want := fmt.Sprint(after.Metadata[member]), fmt.Sprint(before.Metadata[member]); got != want || want == "" {
			t.Errorf("%s is %s, was %s", member, got, want)
		}
	}
	if after.Type != before.Type || after.Data["other"] != "AP8=" || after.Data[documentFile] == "" || len(after.Data) != 2 {
		t.Errorf("type %s, data %v", after.Type, after.Data)
	}
	c.admin(t, "PATCH", c.secretPath(), `{"metadata":{"finalizers":null}}`)
}

// An error says which Role to grant; granting it is enough, see the contract.
func kubernetesPermissions(t *testing.T, c *testCluster) {
	c.removeSecret(t)
	other := strings.Replace(c.address(), testSecret, "other", 1)
	wantError(t, other, "grant the service account this Role in namespace "+testNamespace+", or create the namespace:\nrules:\n")
	wantError(t, other, "resourceNames: [other], verbs: [get, watch, update]")
	wantError(t, strings.Replace(c.address(), "//"+testNamespace+"/", "//elsewhere/", 1), "in namespace elsewhere")
	s, err := Open(other, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.(keys.Watcher).Watch(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "Role") {
		t.Errorf("watch without permission: %v", err)
	}

	// Who may write everywhere learns that the namespace is missing.
	admin := filepath.Join(t.TempDir(), "token")
	writeFile(t, admin, c.adminToken)
	address := strings.NewReplacer("//"+testNamespace+"/", "//elsewhere/", c.tokenFile(), admin).Replace(c.address())
	s, err = Open(address, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Swap(t.Context(), []byte("x"), ""); err == nil || !strings.Contains(err.Error(), "create the namespace, or correct the address") {
		t.Errorf("a missing namespace: %v", err)
	}
}

// Tokens are replaced on disk. The new one is read after a minute, or at once
// when the old one is refused.
func kubernetesTokenRotation(t *testing.T, c *testCluster) {
	c.removeSecret(t)
	now := time.Now()
	s, err := Open(c.address(), Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	rev := swap(t, s, []byte("one"), "")

	good := readFile(t, c.tokenFile())
	writeFile(t, c.tokenFile(), "not-a-token")
	wantDocument(t, s, "one", rev) // within the minute the file is left alone
	now = now.Add(credentialsAge)
	if _, err := s.Load(t.Context()); err == nil || !strings.Contains(err.Error(), "the token in "+c.tokenFile()+" is not valid") {
		t.Errorf("a token that is not valid: %v", err)
	} else if strings.Contains(err.Error(), "not-a-token") {
		t.Errorf("the error shows the token: %v", err)
	}
	writeFile(t, c.tokenFile(), good)
	wantDocument(t, s, "one", rev)

	// The service account is made anew, which ends the tokens of the old one.
	c.admin(t, "DELETE", "/api/v1/namespaces/"+testNamespace+"/serviceaccounts/privyseal", "")
	c.admin(t, "POST", "/api/v1/namespaces/"+testNamespace+"/serviceaccounts", `{"metadata":{"name":"privyseal"}}`)
	c.awaitRefused(t, good)
	c.writeToken(t)
	wantDocument(t, s, "two", swap(t, s, []byte("two"), rev))

	if err := os.Remove(c.tokenFile()); err != nil {
		t.Fatal(err)
	}
	now = now.Add(credentialsAge)
	if _, err := s.Load(t.Context()); err == nil || !strings.Contains(err.Error(), "mount the token of a service account") || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing token: %v", err)
	}
	c.writeToken(t)
}

// awaitRefused waits until the API server has noticed that a token is over.
func (c *testCluster) awaitRefused(t *testing.T, token string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		if status, _ := c.do(t, token, "GET", c.secretPath(), ""); status == http.StatusUnauthorized {
			return
		}
		<-time.After(100 * time.Millisecond)
	}
	t.Fatal("the token of a removed service account is still accepted after a minute")
}

// A server with another authority is refused, and the authority is read again.
func kubernetesChangedAuthority(t *testing.T, c *testCluster) {
	c.removeSecret(t)
	file := filepath.Join(t.TempDir(), "ca.pem")
	other, _ := newCertificate(t, "127.0.0.1")
	writeFile(t, file, readFile(t, other))
	s, err := Open(strings.Replace(c.address(), c.cert, file, 1), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown authority: %v", err)
	}
	writeFile(t, file, readFile(t, c.cert))
	wantDocument(t, s, "one", swap(t, s, []byte("one"), ""))
}

// A revision that is too old to be watched is a reason to load.
func kubernetesCompacted(t *testing.T, c *testCluster) {
	c.removeSecret(t)
	s := c.store(t)
	first := swap(t, s, []byte("one"), "")
	second := swap(t, s, []byte("two"), first)
	response, err := http.Post(c.etcd+"/v3/kv/compaction", "application/json", strings.NewReader(`{"revision":"`+second+`","physical":true}`))
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatal(response, err)
	}
	response.Body.Close()
	c.apiserver.Process.Kill() // it remembers recent changes itself
	c.apiserver.Wait()
	if _, err := s.Load(t.Context()); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("load from a dead API server: %v", err)
	}
	c.start(t)

	token := readFile(t, c.tokenFile())
	_, body := c.do(t, token, "GET", "/api/v1/namespaces/"+testNamespace+"/secrets?watch=true&timeoutSeconds=1&resourceVersion="+first+"&fieldSelector=metadata.name="+testSecret, "")
	if !strings.Contains(body, `"code":410`) {
		t.Fatalf("the API server still knows revision %s, so this tests nothing: %s", first, body)
	}
	if err := s.(keys.Watcher).Watch(t.Context(), first); err != nil {
		t.Errorf("watching a revision that is gone: %v", err)
	}
	wantDocument(t, s, "three", swap(t, s, []byte("three"), second))
}

func startCluster(t *testing.T) *testCluster {
	t.Helper()
	if _, err := exec.LookPath("etcd"); err != nil {
		t.Fatal("etcd is missing and these tests need the real one: apt-get install etcd-server")
	}
	c := &testCluster{binary: apiserverBinary(t), dir: t.TempDir(), etcd: "http://127.0.0.1:" + freePort(t), port: freePort(t), adminToken: rand.Text()}
	peer := "http://127.0.0.1:" + freePort(t)
	etcd := exec.Command("etcd", "--data-dir", c.dir+"/etcd", "--listen-client-urls", c.etcd, "--advertise-client-urls", c.etcd,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer)
	if err := etcd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { etcd.Process.Kill(); etcd.Wait() })
	awaitListener(t, strings.TrimPrefix(c.etcd, "http://"))
	c.prepare(t)
	c.start(t)
	return c
}

// prepare writes the API server's own keys.
func (c *testCluster) prepare(t *testing.T) {
	t.Helper()
	cert, key := newCertificate(t, "127.0.0.1")
	c.cert = c.dir + "/tls.crt"
	writeFile(t, c.cert, readFile(t, cert))
	writeFile(t, c.dir+"/tls.key", readFile(t, key))
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, c.dir+"/sa.key", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)})))
	writeFile(t, c.dir+"/tokens.csv", c.adminToken+`,admin,1,"system:masters"`)
	roots, err := readAuthorities(c.cert)
	if err != nil {
		t.Fatal(err)
	}
	c.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
}

func (c *testCluster) start(t *testing.T) {
	t.Helper()
	c.apiserver = exec.Command(c.binary, "--etcd-servers="+c.etcd, "--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+c.dir+"/sa.key", "--service-account-signing-key-file="+c.dir+"/sa.key", "--cert-dir="+c.dir+"/certs",
		"--tls-cert-file="+c.cert, "--tls-private-key-file="+c.dir+"/tls.key", "--secure-port="+c.port, "--bind-address=127.0.0.1",
		"--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.0.0.0/24", "--token-auth-file="+c.dir+"/tokens.csv", "--authorization-mode=RBAC")
	log, err := os.Create(c.dir + "/apiserver.log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	c.apiserver.Stdout, c.apiserver.Stderr = log, log
	if err := c.apiserver.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.apiserver.Process.Kill(); c.apiserver.Wait() })
	awaitListener(t, "127.0.0.1:"+c.port)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		if status, _ := c.do(t, c.adminToken, "GET", "/readyz", ""); status == http.StatusOK {
			return
		}
		<-time.After(100 * time.Millisecond)
	}
	t.Fatalf("the API server is not ready after a minute:\n%s", readFile(t, log.Name()))
}

// apiserverBinary builds the API server if this was not done yet.
func apiserverBinary(t *testing.T) string {
	t.Helper()
	version := regexp.MustCompile(`require k8s.io/kubernetes (\S+)`).FindStringSubmatch(readFile(t, "testdata/kube-apiserver/go.mod"))[1]
	cache, err := filepath.Abs("../../.cache/kube-apiserver-" + version)
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(cache, "kube-apiserver")
	if _, err := os.Stat(binary); err == nil {
		return binary
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Logf("building %s, which takes about five minutes", binary)
	unfinished := binary + "." + strconv.Itoa(os.Getpid())
	build := exec.Command("go", "build", "-o", unfinished, "k8s.io/kubernetes/cmd/kube-apiserver")
	build.Dir = "testdata/kube-apiserver"
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the API server: %v\n%s", err, output)
	}
	if err := os.Rename(unfinished, binary); err != nil {
		t.Fatal(err)
	}
	return binary
}

func (c *testCluster) tokenFile() string { return c.dir + "/token" }

func (c *testCluster) address() string {
	return "kubernetes://" + testNamespace + "/" + testSecret + "?server=https://127.0.0.1:" + c.port + "&ca_file=" + c.cert + "&token_file=" + c.tokenFile()
}

func (c *testCluster) store(t *testing.T) keys.Store {
	t.Helper()
	return place{address: c.address()}.open(t)
}

// grant gives a service account the Role that errors tell operators to grant,
// and nothing else.
func (c *testCluster) grant(t *testing.T) {
	t.Helper()
	role, err := yaml.YAMLToJSON([]byte((&kubernetes{secret: testSecret}).role()))
	if err != nil {
		t.Fatal(err)
	}
	metadata := `"metadata":{"name":"privyseal"}`
	rbac := "/apis/rbac.authorization.k8s.io/v1/namespaces/" + testNamespace
	c.admin(t, "POST", "/api/v1/namespaces/"+testNamespace+"/serviceaccounts", `{`+metadata+`}`)
	c.admin(t, "POST", rbac+"/roles", `{`+metadata+`,`+strings.TrimPrefix(strings.TrimSpace(string(role)), "{"))
	c.admin(t, "POST", rbac+"/rolebindings", `{`+metadata+`,"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"privyseal"},
		"subjects":[{"kind":"ServiceAccount","name":"privyseal","namespace":"`+testNamespace+`"}]}`)
}

// writeToken asks for a token of the service account, as the kubelet does.
func (c *testCluster) writeToken(t *testing.T) {
	t.Helper()
	var request struct{ Status struct{ Token string } }
	body := c.admin(t, "POST", "/api/v1/namespaces/"+testNamespace+"/serviceaccounts/privyseal/token",
		`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"expirationSeconds":600}}`)
	if err := json.Unmarshal([]byte(body), &request); err != nil || request.Status.Token == "" {
		t.Fatal(body, err)
	}
	writeFile(t, c.tokenFile(), request.Status.Token+"\n")
}

func (c *testCluster) secretPath() string {
	return "/api/v1/namespaces/" + testNamespace + "/secrets/" + testSecret
}

type testObject struct {
	Metadata map[string]any
	Type     string
	Data     map[string]string
}

func (c *testCluster) secret(t *testing.T) (object testObject) {
	t.Helper()
	if err := json.Unmarshal([]byte(c.admin(t, "GET", c.secretPath(), "")), &object); err != nil {
		t.Fatal(err)
	}
	return object
}

func (c *testCluster) removeSecret(t *testing.T) {
	t.Helper()
	if status, body := c.do(t, c.adminToken, "DELETE", c.secretPath(), ""); status != http.StatusOK && status != http.StatusNotFound {
		t.Fatal(status, body)
	}
}

func (c *testCluster) admin(t *testing.T, method, path, body string) string {
	t.Helper()
	status, answer := c.do(t, c.adminToken, method, path, body)
	if status/100 != 2 {
		t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	return answer
}

func (c *testCluster) do(t *testing.T, token, method, path, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "https://127.0.0.1:"+c.port+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(token))
	request.Header.Set("Content-Type", "application/json")
	if method == "PATCH" {
		request.Header.Set("Content-Type", "application/merge-patch+json")
	}
	response, err := c.client.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(answer)
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
