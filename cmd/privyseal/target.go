package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// target is a running service's gRPC listener, as flags name it.
type target struct {
	address    string
	ca         string
	cert, key  string
	serverName string
	timeout    time.Duration
}

func targetFlags(c *cobra.Command) *target {
	t := &target{}
	f := c.Flags()
	f.StringVar(&t.address, "address", "127.0.0.1:9001", "gRPC `address` of the service: HOST:PORT or unix:///PATH")
	f.StringVar(&t.ca, "tls-ca", "", "speak TLS; PEM `file` of the authority that certifies the service")
	f.StringVar(&t.cert, "tls-cert", "", "PEM `file` of our certificate")
	f.StringVar(&t.key, "tls-key", "", "PEM `file` of its key")
	f.StringVar(&t.serverName, "tls-server-name", "", "`name` in the service's certificate (default: the host of the address)")
	f.DurationVar(&t.timeout, "timeout", 3*time.Second, "how long to wait for the answer")
	return t
}

// connect makes a connection and the context that bounds its use. Nothing is
// sent before the first call. The environment's proxy is never asked.
func (t *target) connect(c *cobra.Command) (context.Context, *grpc.ClientConn, func(), error) {
	security, err := t.credentials()
	if err != nil {
		return nil, nil, nil, err
	}
	name := t.address
	if !strings.HasPrefix(name, "unix:") {
		name = "passthrough:///" + name
	}
	conn, err := grpc.NewClient(name, grpc.WithTransportCredentials(security), grpc.WithNoProxy())
	if err != nil {
		return nil, nil, nil, failed(wrongUsage, "--address is HOST:PORT or unix:///PATH", "--address: %v", err)
	}
	ctx, cancel := context.WithTimeout(c.Context(), t.timeout)
	return ctx, conn, func() { cancel(); conn.Close() }, nil
}

func (t *target) credentials() (credentials.TransportCredentials, error) {
	if t.ca == "" && t.cert == "" && t.key == "" && t.serverName == "" {
		return insecure.NewCredentials(), nil
	}
	config := &tls.Config{ServerName: t.serverName, MinVersion: tls.VersionTLS12}
	if t.ca != "" {
		text, err := os.ReadFile(t.ca)
		if err != nil {
			return nil, fmt.Errorf("--tls-ca: %v", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, errors.New("--tls-ca: the file holds no PEM certificate")
		}
	}
	if (t.cert == "") != (t.key == "") {
		return nil, failed(wrongUsage, "give both or neither", "--tls-cert and --tls-key belong together")
	}
	if t.cert != "" {
		pair, err := tls.LoadX509KeyPair(t.cert, t.key)
		if err != nil {
			return nil, fmt.Errorf("--tls-cert: %v", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return credentials.NewTLS(config), nil
}

// lost is the failure to get an answer.
func (t *target) lost(err error) error {
	return failed(unreachable, "is the service running (`privyseal serve`), and is this its listen.grpc?", "no answer from %s: %s", t.address, status.Convert(err).Message())
}
