package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
)

// loopback is the address of a port on this machine.
func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// use is what a port is for.
type use struct {
	port int
	flag string
	what string
}

func (o *options) uses() []use {
	return []use{
		{o.envoyPort, "envoy-port", "Envoy"},
		{o.verifierPort, "verifier-port", "Envoy's verifying listener"},
		{o.envoyAdminPort, "envoy-admin-port", "Envoy's admin interface"},
		{o.grpcPort, "grpc-port", "privyseal's gRPC"},
		{o.keySetPort, "key-set-port", "privyseal's key set"},
		{o.adminPort, "admin-port", "privyseal's health"},
		{o.idpPort, "idp-port", "the identity provider"},
		{o.whoamiPort, "whoami-port", "the application"},
		{o.reportsPort, "reports-port", "the second application"},
	}
}

// free returns an error that names every port that is taken, before anything is
// started.
func free(uses []use) error {
	var errs []error
	for _, u := range uses {
		listener, err := net.Listen("tcp", loopback(u.port))
		if err != nil {
			errs = append(errs, fmt.Errorf("port %d, for %s, cannot be had (%v): stop what listens there, or choose another with -%s", u.port, u.what, err, u.flag))
			continue
		}
		defer listener.Close() // only at the end, so that a port given twice is found
	}
	return errors.Join(errs...)
}
