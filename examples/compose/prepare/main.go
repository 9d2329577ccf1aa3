// Command prepare runs once before the compose stack: it makes a signing key
// where there is none, and writes Envoy's configuration with the stack's
// addresses in place of loopback's.
//
//	prepare -key keys.pem -config envoy.yaml -out /envoy/envoy.yaml -socket /run/privyseal/grpc.sock 127.0.0.1:9003=whoami:9003
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("prepare: ")
	o, err := parse(os.Args[1:])
	if err == nil {
		err = o.run()
	}
	if err != nil {
		log.Fatal(err)
	}
}

// options say what to read and what to write.
type options struct {
	key         string            // file of the signing key
	config, out string            // Envoy's configuration, as it is and as it shall be
	socket      string            // where Envoy asks privyseal
	addresses   map[string]string // all others, host:port
}

func parse(args []string) (*options, error) {
	o := &options{addresses: map[string]string{}}
	set := flag.NewFlagSet("prepare", flag.ExitOnError)
	set.StringVar(&o.key, "key", "", "`file` of the signing key, made unless it exists")
	set.StringVar(&o.config, "config", "", "`file` of the Envoy configuration to adapt")
	set.StringVar(&o.out, "out", "", "`file` to write it to")
	set.StringVar(&o.socket, "socket", "", "`path` of the unix socket where Envoy asks privyseal")
	set.Parse(args)
	for _, pair := range set.Args() {
		old, new, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, fmt.Errorf("%q is not old=new: write 127.0.0.1:9003=whoami:9003", pair)
		}
		o.addresses[old] = new
	}
	return o, nil
}

func (o *options) run() error {
	text, err := os.ReadFile(o.config)
	if err != nil {
		return err
	}
	config, err := adapt(string(text), o.socket, o.addresses)
	if err != nil {
		return fmt.Errorf("%s: %v", o.config, err)
	}
	if err := write(o.out, []byte(config)); err != nil {
		return err
	}
	made, err := ensureKey(o.key)
	if err != nil {
		return err
	}
	log.Printf("wrote %s; %s", o.out, map[bool]string{true: "made " + o.key, false: "kept " + o.key}[made])
	return nil
}

// write writes a file of its owner that appears whole.
func write(name string, content []byte) error {
	if err := os.WriteFile(name+".new", content, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}
