package privyseal

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"reflect"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/net/netutil"
)

// maxConnections bounds each listener. Envoy needs one connection per worker.
const maxConnections = 1024

// listen opens the socket of a listener. A unix socket is for its owner only;
// one that a dead process left behind is replaced, a live one is not.
func listen(l Listener) (net.Listener, error) {
	path, unix := strings.CutPrefix(l.Address, "unix://")
	if !unix {
		socket, err := net.Listen("tcp", l.Address)
		if err != nil {
			return nil, err
		}
		return netutil.LimitListener(socket, maxConnections), nil
	}
	if err := removeDeadSocket(path); err != nil {
		return nil, err
	}
	// The mode must hold from the first moment, so the umask makes it, not a
	// chmod afterwards.
	old := syscall.Umask(0o177)
	socket, err := net.Listen("unix", path)
	syscall.Umask(old)
	if err != nil {
		return nil, err
	}
	return netutil.LimitListener(socket, maxConnections), nil
}

func removeDeadSocket(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return fmt.Errorf("%s exists and is not a socket: remove it or listen elsewhere", path)
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		conn.Close()
		return fmt.Errorf("%s is in use by another process", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) { // such as a living listener that is busy
		return fmt.Errorf("%s is there, and whether it is in use is not known: %v", path, err)
	}
	return os.Remove(path)
}

func sameListeners(a, b *Config) bool {
	return a.InsecureGRPC == b.InsecureGRPC && reflect.DeepEqual(a.Listen, b.Listen)
}

// listenerTLS are the TLS configurations of a snapshot; nil is no TLS. The
// listeners ask for the current one at each handshake, so certificates are
// replaced like any file.
type listenerTLS struct{ grpc, http, admin *tls.Config }

func loadTLS(config *Config, read *files) (t listenerTLS, err error) {
	var errs []error
	load := func(path string, l Listener, protocols ...string) *tls.Config {
		if l.TLS == nil {
			return nil
		}
		c, err := serverTLS(l.TLS, read)
		if err != nil {
			errs = append(errs, option(path, err))
			return nil
		}
		c.NextProtos = protocols
		return c
	}
	t.grpc = load("listen.grpc.tls", config.Listen.GRPC, "h2")
	t.http = load("listen.http.tls", config.Listen.HTTP, "h2", "http/1.1")
	t.admin = load("listen.admin.tls", config.Listen.Admin, "http/1.1")
	return t, errors.Join(errs...)
}

// serverTLS makes a server's configuration. TLS 1.2 stays allowed: it is the
// most that Envoy speaks to its upstreams unless it is told otherwise.
func serverTLS(o *TLS, read *files) (*tls.Config, error) {
	cert, certErr := read.file(o.Cert)
	key, keyErr := read.file(o.Key)
	if certErr != nil || keyErr != nil {
		return nil, errors.Join(option("cert", certErr), option("key", keyErr))
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, option("cert", err)
	}
	c := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if o.ClientCA == "" {
		return c, nil
	}
	authorities, err := read.file(o.ClientCA)
	if err != nil {
		return nil, option("client_ca", err)
	}
	c.ClientCAs = x509.NewCertPool()
	if !c.ClientCAs.AppendCertsFromPEM(authorities) {
		return nil, option("client_ca", errors.New("holds no PEM certificate"))
	}
	c.ClientAuth = tls.RequireAndVerifyClientCert
	sans := slices.Clone(o.ClientSANs)
	c.VerifyConnection = func(state tls.ConnectionState) error { return allowedPeer(state, sans) }
	return c, nil
}

// allowedPeer holds a verified client to the list of names: who may call Check
// may mint.
func allowedPeer(state tls.ConnectionState, sans []string) error {
	if len(sans) == 0 {
		return nil
	}
	if len(state.PeerCertificates) == 0 {
		return errors.New("no client certificate")
	}
	leaf := state.PeerCertificates[0]
	names := slices.Clone(leaf.DNSNames)
	for _, uri := range leaf.URIs {
		names = append(names, uri.String())
	}
	for _, name := range names {
		if slices.Contains(sans, name) {
			return nil
		}
	}
	return errors.New("the client certificate has none of client_sans")
}

// currentTLS is a configuration that asks for another at each handshake.
func currentTLS(pick func() *tls.Config, protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: protocols,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return pick(), nil },
		// grpc-go and net/http look here before they listen.
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, errors.New("no certificate") },
	}
}
