//go:build linux

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
)

// floorHeaderBytes is what an assertion has, about.
const floorHeaderBytes = 700

// floor is the least that an ext_authz server in Go does with the library as it
// comes: it decodes the question, looks at nothing, and answers OK with a header
// of constant length.
type floor struct {
	authv3.UnimplementedAuthorizationServer
	header string
	key    *ecdsa.PrivateKey // nil: the header is constant
}

// Check implements the service.
func (f *floor) Check(context.Context, *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	header := f.header
	if f.key != nil {
		digest := sha256.Sum256([]byte(header))
		signature, err := ecdsa.SignASN1(rand.Reader, f.key, digest[:])
		if err != nil {
			return nil, err
		}
		encoded := base64.RawURLEncoding.EncodeToString(signature)
		header = header[:len(header)-len(encoded)] + encoded
	}
	return &authv3.CheckResponse{
		Status: &status.Status{},
		HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: &authv3.OkHttpResponse{
			Headers: []*corev3.HeaderValueOption{{Header: &corev3.HeaderValue{Key: "x-pomerium-jwt-assertion", Value: header}}},
		}},
	}, nil
}

// serveFloor is the child process `bench floor`.
func serveFloor(sign bool) error {
	f := &floor{header: strings.Repeat("e", floorHeaderBytes)}
	if sign {
		var err error
		if f.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return err
		}
	}
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	authv3.RegisterAuthorizationServer(server, f)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	context.AfterFunc(ctx, server.Stop)
	slog.New(slog.NewJSONHandler(os.Stderr, nil)).Info("ready", "grpc", socket.Addr().String())
	return server.Serve(socket)
}
