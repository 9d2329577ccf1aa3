// Command demo runs privyseal with everything around it on this machine: an
// Envoy, an identity provider, and two applications. It prints what to try, and
// stops all of it on Ctrl-C.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	o := flags(flag.CommandLine)
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "demo: unexpected argument %q; see demo -help\n", flag.Arg(0))
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "demo: %v\n", err)
		os.Exit(1)
	}
}

// options of the demo. Every port is of loopback.
type options struct {
	envoyPort, verifierPort, envoyAdminPort int
	grpcPort, keySetPort, adminPort         int
	idpPort, whoamiPort, reportsPort        int

	envoy, privyseal string // binaries; "" finds or makes them
	dir              string // of keys and logs; "" is .cache/demo of the repository
}

// flags are the options of the command line; the ports are those in the files of examples/envoy and examples/privyseal.
func flags(set *flag.FlagSet) *options {
	o := &options{}
	set.IntVar(&o.envoyPort, "envoy-port", 8000, "`port` of Envoy: the one to open")
	set.IntVar(&o.verifierPort, "verifier-port", 8001, "`port` of Envoy's listener that verifies assertions")
	set.IntVar(&o.envoyAdminPort, "envoy-admin-port", 9901, "`port` of Envoy's admin interface")
	set.IntVar(&o.grpcPort, "grpc-port", 9001, "`port` where privyseal answers Envoy")
	set.IntVar(&o.keySetPort, "key-set-port", 9080, "`port` where privyseal publishes its keys")
	set.IntVar(&o.adminPort, "admin-port", 9090, "`port` of privyseal's health and metrics")
	set.IntVar(&o.idpPort, "idp-port", 9002, "`port` of the identity provider")
	set.IntVar(&o.whoamiPort, "whoami-port", 9003, "`port` of the application")
	set.IntVar(&o.reportsPort, "reports-port", 9004, "`port` of the second application")
	set.StringVar(&o.envoy, "envoy", "", "Envoy's `binary`; without it, that of PATH or one that is installed below .cache")
	set.StringVar(&o.privyseal, "privyseal", "", "privyseal's `binary`; without it, bin/privyseal, built if it is not there")
	set.StringVar(&o.dir, "dir", "", "`folder` for keys and logs; without it, .cache/demo")
	return o
}
