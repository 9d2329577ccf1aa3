package privyseal

import (
	"errors"
	"net"
	"net/netip"
	"path"
	"strconv"
	"strings"

	"privyseal/authz"
)

// Listen says where the service listens.
type Listen struct {
	// GRPC is where Envoy asks for decisions. Who may ask can obtain assertions,
	// so it is a loopback address, a unix socket, or has TLS with client_ca and
	// client_sans. Default 127.0.0.1:9001.
	GRPC Listener `yaml:"grpc"`
	// HTTP serves the key set, discovery, and the logouts of identity providers. Default 127.0.0.1:9080.
	HTTP Listener `yaml:"http"`
	// Admin serves health, metrics and reload; "" is off.
	// Default 127.0.0.1:9090.
	Admin Listener `yaml:"admin"`
}

// Listener is an address and how to serve there. Without TLS the address alone
// will do: grpc: 127.0.0.1:9001.
type Listener struct {
	// Address is host:port, or unix:///path for a socket of mode 0600. The host
	// is an IP address or "localhost"; without one it is every address of the
	// machine.
	Address string `yaml:"address"`
	// TLS serves with a certificate. Default: plain text.
	TLS *TLS `yaml:"tls"`
}

// TLS is a server's side of TLS. Changed files are taken up without a restart.
type TLS struct {
	// Cert is a file with the certificate chain, PEM.
	Cert string `yaml:"cert"`
	// Key is a file with its private key, PEM.
	Key string `yaml:"key"`
	// ClientCA is a file with the certificates that client certificates must
	// descend from, PEM. Default: clients need no certificate.
	ClientCA string `yaml:"client_ca"`
	// ClientSANs lists the clients that may connect: a DNS name or URI that the
	// certificate must bear. Default: any that client_ca vouches for.
	ClientSANs []string `yaml:"client_sans"`
}

type namedListener struct {
	name     string
	listener *Listener
}

func (l *Listen) all() []namedListener {
	return []namedListener{{"grpc", &l.GRPC}, {"http", &l.HTTP}, {"admin", &l.Admin}}
}

// loopback reports whether nobody but this machine reaches the listener.
func (l Listener) loopback() bool {
	if l.unix() {
		return true
	}
	host, _, err := net.SplitHostPort(l.Address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// loopbackOnly reports whether nobody but this machine reaches any listener.
func (c *Config) loopbackOnly() bool {
	for _, l := range c.Listen.all() {
		if l.listener.Address != "" && !l.listener.loopback() {
			return false
		}
	}
	return true
}

func (l Listener) unix() bool { return strings.HasPrefix(l.Address, "unix://") }

// validate returns what is wrong, with paths from the root of the configuration.
func (l *Listen) validate(insecureGRPC bool) error {
	var errs []error
	wrong := func(path string, err error) {
		if err != nil {
			errs = append(errs, &authz.OptionError{Path: path, Err: err})
		}
	}
	for _, each := range l.all() {
		path := "listen." + each.name
		if each.listener.Address == "" && each.name == "admin" {
			continue
		}
		wrong(path+".address", validAddress(each.listener.Address))
		if tls := each.listener.TLS; tls != nil {
			tls.validate(func(option string, err error) { wrong(path+".tls"+option, err) })
		}
	}
	if !insecureGRPC && validAddress(l.GRPC.Address) == nil && !l.GRPC.loopback() && !l.GRPC.TLS.knowsClients() {
		wrong("listen.grpc", errors.New("is open to others, and whoever asks there can obtain assertions in anybody's name: "+
			"listen on loopback or unix://, or set tls with client_ca and client_sans; insecure_grpc: true if the network itself admits only Envoy"))
	}
	return errors.Join(errs...)
}

func validAddress(address string) error {
	if name, ok := strings.CutPrefix(address, "unix://"); ok {
		if !path.IsAbs(name) || len(name) > 100 {
			return errors.New("is not a socket: write unix:///path, at most 100 bytes long")
		}
		return nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return errors.New("is not an address: write host:port, such as 127.0.0.1:9001, or unix:///path")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return errors.New("has no port between 0 and 65535")
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "" && host != "localhost" {
		return errors.New(`has a host that is neither an IP address nor "localhost"`)
	}
	return nil
}

func (t *TLS) validate(wrong func(option string, err error)) {
	if t.Cert == "" {
		wrong("", errors.New("has no cert"))
	}
	if t.Key == "" {
		wrong("", errors.New("has no key"))
	}
	if t.ClientCA == "" && t.ClientSANs != nil {
		wrong(".client_sans", errors.New("needs client_ca, which says whose certificates count"))
	}
	if t.ClientSANs != nil && len(t.ClientSANs) == 0 {
		wrong(".client_sans", errors.New("is empty: nobody could connect"))
	}
	for i, san := range t.ClientSANs {
		if san == "" {
			wrong(".client_sans["+strconv.Itoa(i)+"]", errors.New("is empty"))
		}
	}
}

// knowsClients reports whether only clients listed by name may connect.
func (t *TLS) knowsClients() bool {
	return t != nil && t.Cert != "" && t.Key != "" && t.ClientCA != "" && len(t.ClientSANs) > 0
}
