package store

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/gomodule/redigo/redis"

	"privyseal/keys"
)

// redisServer is how a server is reached.
type redisServer struct {
	name           string // the address without its password
	host, port     string
	user, password string
	database       int
	tls            bool
	caFile         string // empty: the system's authorities
}

func openRedis(address string) (keys.Store, error) {
	refuse := func(why string) (keys.Store, error) {
		return nil, fmt.Errorf("the address %s: %s; expected redis://USER:PASSWORD@HOST:PORT/0?key=NAME, or rediss:// for TLS", redact(address), why)
	}
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.Fragment != "" {
		return refuse("it does not parse (special characters of a password are written %XX)")
	}
	query, err := parseQuery(u, "key", "ca_file")
	if err != nil {
		return refuse(err.Error())
	}
	r := &redisStore{key: query["key"], redisServer: redisServer{
		name: redact(address), host: u.Hostname(), port: u.Port(), tls: u.Scheme == "rediss", caFile: query["ca_file"],
	}}
	if r.port == "" {
		r.port = "6379"
	}
	if database := strings.Trim(u.Path, "/"); database != "" {
		if r.database, err = strconv.Atoi(database); err != nil || r.database < 0 {
			return refuse("the path is the number of the database, 0 if it has no other")
		}
	}
	r.user = u.User.Username()
	r.password, _ = u.User.Password()
	switch {
	case r.user != "" && r.password == "":
		return refuse("a user without a password")
	case r.key == "":
		return refuse("key= is missing, the name under which this keyring is kept")
	case r.caFile != "" && !r.tls:
		return refuse("ca_file= is for rediss://")
	}
	return r, nil
}

// parseQuery returns the query parameters of an address, each at most once.
func parseQuery(u *url.URL, known ...string) (map[string]string, error) {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errors.New("its query does not parse")
	}
	found := map[string]string{}
	for _, name := range known {
		values := query[name]
		delete(query, name)
		if len(values) > 1 || len(values) == 1 && values[0] == "" {
			return nil, fmt.Errorf("%s= is there twice, or empty", name)
		}
		if len(values) == 1 {
			found[name] = values[0]
		}
	}
	if len(query) > 0 {
		return nil, fmt.Errorf("unknown parameter; known are %s", strings.Join(known, ", "))
	}
	return found, nil
}

// String returns the address without its password.
func (r *redisServer) String() string { return r.name }

func (r *redisServer) scheme() string {
	if r.tls {
		return "rediss"
	}
	return "redis"
}

func (r *redisStore) connect(ctx context.Context) (redis.Conn, error) {
	conn, err := redis.DialContext(ctx, "tcp", net.JoinHostPort(r.host, r.port),
		redis.DialContextFunc(r.dial), redis.DialUsername(r.user), redis.DialPassword(r.password), redis.DialDatabase(r.database),
		redis.DialReadTimeout(requestTimeout), redis.DialWriteTimeout(requestTimeout))
	var answer redis.Error
	if errors.As(err, &answer) {
		return nil, r.explain(string(answer))
	}
	if err != nil {
		return nil, fmt.Errorf("cannot connect: %w; check that the server runs and that the address is right", err)
	}
	return conn, nil
}

// dial connects and, for rediss, makes the handshake, which the client library
// would do without regard to the context.
func (r *redisServer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: requestTimeout}
	if !r.tls {
		return dialer.DialContext(ctx, network, address)
	}
	config := &tls.Config{ServerName: r.host, MinVersion: tls.VersionTLS12}
	if r.caFile != "" {
		roots, err := readAuthorities(r.caFile)
		if err != nil {
			return nil, err
		}
		config.RootCAs = roots
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return (&tls.Dialer{NetDialer: &dialer, Config: config}).DialContext(ctx, network, address)
}

// readAuthorities reads certificates of authorities. They are read each time
// they are needed, because they are rotated like everything else.
func readAuthorities(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %v", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("ca_file: %s holds no certificate in PEM", file)
	}
	return roots, nil
}
