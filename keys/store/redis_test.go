package store

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"privyseal/keys"
)

// redisProcess is a redis-server of a test.
type redisProcess struct {
	port string
	args []string
	cmd  *exec.Cmd
}

// startRedis starts redis-server with the options, which override the test's.
func startRedis(t *testing.T, options ...string) *redisProcess {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Fatal("redis-server is missing and these tests need the real one: apt-get install redis-server")
	}
	s := &redisProcess{port: freePort(t)}
	s.args = append([]string{"--port", s.port, "--bind", "127.0.0.1", "--dir", t.TempDir(), "--save", "", "--appendonly", "yes", "--appendfsync", "always"}, options...)
	s.start(t)
	return s
}

func (s *redisProcess) start(t *testing.T) {
	t.Helper()
	s.cmd = exec.Command("redis-server", s.args...)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	awaitListener(t, "127.0.0.1:"+s.port)
}

func (s *redisProcess) kill() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

// admin sends one command as the default user of a server without TLS.
func (s *redisProcess) admin(t *testing.T, command string, args ...any) any {
	t.Helper()
	conn, err := redis.Dial("tcp", "127.0.0.1:"+s.port)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	reply, err := conn.Do(command, args...)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// awaitListener waits until a process it depends on listens.
func awaitListener(t *testing.T, address string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return
		}
		<-time.After(10 * time.Millisecond)
	}
	t.Fatalf("nothing listens on %s after a minute", address)
}

func TestRedisContract(t *testing.T) {
	s := startRedis(t)
	testContract(t, func(t *testing.T) place {
		return place{
			address: "redis://127.0.0.1:" + s.port + "?key=" + rand.Text(),
			remove:  func(t *testing.T) { s.admin(t, "FLUSHALL") },
		}
	})
}

// The ACL of the package comment is enough, and it is for one key.
func TestRedisTLSAndACL(t *testing.T) {
	cert, key := newCertificate(t, "127.0.0.1")
	tlsPort := freePort(t)
	s := startRedis(t, "--tls-port", tlsPort, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-auth-clients", "no")
	awaitListener(t, "127.0.0.1:"+tlsPort)
	for _, rule := range documentedACL(t) {
		s.admin(t, "ACL", anys(strings.Fields(rule))...)
	}
	address := "rediss://privyseal:s3cret%2F@127.0.0.1:" + tlsPort + "/0?key=privyseal:keyring&ca_file=" + cert
	testContract(t, func(t *testing.T) place {
		s.admin(t, "DEL", "privyseal:keyring")
		return place{address: address, remove: func(t *testing.T) { s.admin(t, "DEL", "privyseal:keyring") }}
	})

	for _, test := range []struct{ name, address, want string }{
		{"another key", strings.Replace(address, "key=privyseal:keyring", "key=other", 1), "~other +eval +hmget +hset +time"},
		{"wrong password", strings.Replace(address, "s3cret", "n0tit", 1), "correct the user or the password"},
		{"unknown authority", strings.Replace(address, "&ca_file="+cert, "", 1), "certificate"},
		{"authority file missing", address + "x", "no such file"},
		{"no TLS", "redis://127.0.0.1:" + tlsPort + "?key=k", "cannot"},
	} {
		t.Run(test.name, func(t *testing.T) {
			wantError(t, test.address, test.want)
		})
	}
}

// documentedACL reads the rule from the package comment, so that the manual
// cannot say anything else than what is tested.
func documentedACL(t *testing.T) []string {
	t.Helper()
	manual, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(manual)) {
		if rule, ok := strings.CutPrefix(line, "//\tACL SETUSER "); ok {
			return []string{"SETUSER " + strings.Replace(strings.TrimSpace(rule), ">PASSWORD", ">s3cret/", 1)}
		}
	}
	t.Fatal("the package comment has no line with ACL SETUSER")
	return nil
}

func anys(words []string) []any {
	list := make([]any, len(words))
	for i, w := range words {
		list[i] = w
	}
	return list
}

// wantError loads and swaps: both fail, say want, and never the password.
func wantError(t *testing.T, address, want string) {
	t.Helper()
	s, err := Open(address, Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, loadErr := s.Load(t.Context())
	_, swapErr := s.Swap(t.Context(), []byte("document"), "")
	for _, err := range []error{loadErr, swapErr} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
			continue
		}
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, keys.ErrConflict) {
			t.Errorf("%v claims to know what the store holds", err)
		}
		for _, secret := range []string{"s3cret", "n0tit"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error shows the password: %v", err)
			}
		}
	}
}

// What a server refuses comes back with what to do about it.
func TestRedisAnswers(t *testing.T) {
	primary := startRedis(t)
	replica := startRedis(t, "--replicaof", "127.0.0.1 "+primary.port)
	locked := startRedis(t, "--requirepass", "s3cret")
	full := startRedis(t, "--maxmemory", "1", "--maxmemory-policy", "noeviction")
	primary.admin(t, "SET", "text", "something else")

	t.Run("no password", func(t *testing.T) { wantError(t, "redis://127.0.0.1:"+locked.port+"?key=k", "USER:PASSWORD@") })
	t.Run("wrong password", func(t *testing.T) { wantError(t, "redis://:n0tit@127.0.0.1:"+locked.port+"?key=k", "correct the user") })
	t.Run("other type", func(t *testing.T) {
		wantError(t, "redis://127.0.0.1:"+primary.port+"?key=text", "a key of its own")
	})
	t.Run("nobody there", func(t *testing.T) {
		wantError(t, "redis://:s3cret@127.0.0.1:"+freePort(t)+"?key=k", "check that the server runs")
	})
	for name, address := range map[string]string{
		"name the primary": "redis://127.0.0.1:" + replica.port + "?key=k",
		"raise maxmemory":  "redis://127.0.0.1:" + full.port + "?key=k",
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Open(address, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Swap(t.Context(), []byte("document"), ""); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("error %v, want one with %q", err, name)
			}
		})
	}
}

// Words of a server are not ours: proxies repeat the arguments of commands they
// do not know, and AUTH has the password there.
func TestRedisExplainHidesArguments(t *testing.T) {
	for _, secure := range []string{"redis", "rediss"} {
		s, err := Open(secure+"://user:s3cret@127.0.0.1?key=k", Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, answer := range []string{
			"ERR unknown command 'AUTH', with args beginning with: 'user' 's3cret' ",
			"ERR s3cret is wrong",
			"LOADING Redis is loading the dataset in memory",
		} {
			if got := s.(*redisStore).explain(answer).Error(); strings.Contains(got, "s3cret") || strings.Contains(got, "'user'") {
				t.Errorf("the error shows the arguments: %s", got)
			}
		}
	}
}

// A server that is killed and comes back has the document, and the store needs
// no restart. A Watch that loses its server says so.
func TestRedisRestart(t *testing.T) {
	server := startRedis(t)
	s, err := Open("redis://127.0.0.1:"+server.port+"/3?key=k", Options{})
	if err != nil {
		t.Fatal(err)
	}
	rev := swap(t, s, []byte("one"), "")
	watched := make(chan error, 1)
	go func() { watched <- s.(keys.Watcher).Watch(t.Context(), rev) }()
	server.kill()
	if err := <-watched; err == nil {
		t.Error("Watch reports a change of a server that is gone")
	}
	if _, err := s.Load(t.Context()); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("load from a dead server: %v", err)
	}
	server.start(t)
	v := eventually(t, s) // it reads its data first
	if string(v.Document) != "one" || v.Revision != rev {
		t.Errorf("after a restart: %q of %s", v.Document, v.Revision)
	}
	wantDocument(t, s, "two", swap(t, s, []byte("two"), rev))
}

// eventually loads until there is an answer.
func eventually(t *testing.T, s keys.Store) keys.Version {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		v, err := s.Load(ctx)
		if err == nil {
			return v
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// If the answer is lost, the write was done or not, and the store must claim
// neither. The next Load tells.
func TestRedisLostAnswer(t *testing.T) {
	server := startRedis(t)
	truth, err := Open("redis://127.0.0.1:"+server.port+"?key=k", Options{})
	if err != nil {
		t.Fatal(err)
	}
	first := swap(t, truth, []byte("one"), "")
	proxy := cuttingProxy(t, "127.0.0.1:"+server.port)
	s, err := Open("redis://"+proxy+"?key=k", Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Swap(t.Context(), []byte("two"), first)
	if err == nil || errors.Is(err, keys.ErrConflict) || errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("a lost answer: %v, want an error that claims nothing", err)
	}
	if !strings.Contains(err.Error(), "may have been done") {
		t.Errorf("error %v does not say that the write may have been done", err)
	}
	v, err := truth.Load(t.Context())
	if err != nil || string(v.Document) != "two" {
		t.Fatalf("the truth is %q, %v; the proxy was to let the write through", v.Document, err)
	}
	if _, err := truth.Swap(t.Context(), []byte("two"), first); !errors.Is(err, keys.ErrConflict) {
		t.Errorf("a retry with the old revision: %v, want a conflict", err)
	}
}

// cuttingProxy passes on what a client sends and closes the connection when the
// first answer comes.
func cuttingProxy(t *testing.T, target string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer client.Close()
				server, err := net.Dial("tcp", target)
				if err != nil {
					return
				}
				defer server.Close()
				go io.Copy(server, client)
				server.Read(make([]byte, 1))
			}()
		}
	}()
	return l.Addr().String()
}

// A server that takes the connection and says nothing does not hold us longer
// than the context allows.
func TestRedisSilentServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts, never answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, scheme := range []string{"redis", "rediss"} {
		s, err := Open(scheme+"://"+l.Addr().String()+"?key=k", Options{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		if _, err := s.Load(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want context.Canceled", scheme, err)
		}
	}
}

// A document that somebody else made too large is not read.
func TestRedisOversize(t *testing.T) {
	server := startRedis(t)
	server.admin(t, "HSET", "k", "revision", "r", "document", strings.Repeat("x", maxDocument+1))
	wantLoadError(t, "redis://127.0.0.1:"+server.port+"?key=k", fmt.Sprintf("more than %d bytes", maxDocument))
	server.admin(t, "DEL", "k")
	server.admin(t, "HSET", "k", "document", "x")
	wantLoadError(t, "redis://127.0.0.1:"+server.port+"?key=k", "no keyring")
}

func wantLoadError(t *testing.T, address, want string) {
	t.Helper()
	s, err := Open(address, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = s.Load(t.Context()); err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want one with %q", err, want)
	}
}

// newCertificate returns the files of a self-signed certificate and its key.
func newCertificate(t *testing.T, ip string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.ParseIP(ip)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}
