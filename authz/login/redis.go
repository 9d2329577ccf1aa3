package login

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
	"time"

	"github.com/gomodule/redigo/redis"
)

const (
	redisTimeout     = 2 * time.Second // for one command, and for connecting
	redisConnections = 64
)

// Redis is a [Store] on a Redis or Valkey server. It needs the commands MGET,
// SET and DEL on keys privyseal:login:*:
//
//	ACL SETUSER privyseal on >PASSWORD ~privyseal:login:* +mget +set +del +ping
//
// What is acknowledged is as durable as the server makes it: with
// appendfsync everysec a crash of the machine loses a second of logins and
// logouts.
type Redis struct {
	pool *redis.Pool
	name string // the address without its password
}

var _ Store = (*Redis)(nil)

// OpenRedis returns the store at an address
// redis://USER:PASSWORD@HOST:PORT/0, or rediss:// for TLS with ?ca_file=FILE.
// It connects when it is asked, with at most 64 connections.
func OpenRedis(address string) (*Redis, error) {
	server, err := parseRedis(address)
	if err != nil {
		return nil, err
	}
	return &Redis{name: server.name, pool: &redis.Pool{
		DialContext: server.connect, MaxActive: redisConnections, MaxIdle: redisConnections / 4,
		IdleTimeout: time.Minute, Wait: true,
		TestOnBorrowContext: func(ctx context.Context, c redis.Conn, idle time.Time) error {
			if time.Since(idle) < time.Second {
				return nil
			}
			_, err := redis.DoContext(c, ctx, "PING")
			return err
		},
	}}, nil
}

// Close closes the connections.
func (r *Redis) Close() error { return r.pool.Close() }

// String returns the address without its password.
func (r *Redis) String() string { return r.name }

// Read implements [Store].
func (r *Redis) Read(ctx context.Context, keys ...string) ([][]byte, error) {
	return redis.ByteSlices(r.do(ctx, "MGET", redis.Args{}.AddFlat(keys)...))
}

// Write implements [Store].
func (r *Redis) Write(ctx context.Context, key string, value []byte, life time.Duration, when Condition) (bool, error) {
	args := redis.Args{key, value, "PX", max(life.Milliseconds(), 1)}
	switch when {
	case IfAbsent:
		args = args.Add("NX")
	case IfPresent:
		args = args.Add("XX")
	}
	reply, err := r.do(ctx, "SET", args...)
	return reply != nil, err
}

// Delete implements [Store].
func (r *Redis) Delete(ctx context.Context, keys ...string) error {
	_, err := r.do(ctx, "DEL", redis.Args{}.AddFlat(keys)...)
	return err
}

// do sends a command. A server that was restarted leaves dead connections in the
// pool; a command that met one is sent once more. All commands but a conditional
// write may be repeated, and that one errs towards saying that nothing was
// written.
func (r *Redis) do(ctx context.Context, command string, args ...any) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	reply, err := r.once(ctx, command, args...)
	var answer redis.Error
	if err != nil && !errors.As(err, &answer) && ctx.Err() == nil {
		reply, err = r.once(ctx, command, args...)
	}
	switch {
	case errors.As(err, &answer):
		// Only the first word: servers repeat the arguments of what they do not know.
		code, _, _ := strings.Cut(string(answer), " ")
		return nil, fmt.Errorf("%s refuses %s: %.40q; grant +mget +set +del +ping on ~privyseal:login:*", r.name, command, code)
	case err != nil:
		return nil, fmt.Errorf("%s does not answer: %w", r.name, err)
	}
	return reply, nil
}

func (r *Redis) once(ctx context.Context, command string, args ...any) (any, error) {
	conn, err := r.pool.GetContext(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return redis.DoContext(conn, ctx, command, args...)
}

// redisServer is how a server is reached.
type redisServer struct {
	name           string
	host, port     string
	user, password string
	database       int
	tls            bool
	caFile         string // empty: the system's authorities
}

func parseRedis(address string) (*redisServer, error) {
	refuse := func(why string) (*redisServer, error) {
		return nil, fmt.Errorf("%s; expected cookie, redis://USER:PASSWORD@HOST:PORT/0, or rediss:// for TLS", why)
	}
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.Fragment != "" || u.Scheme != "redis" && u.Scheme != "rediss" {
		return refuse("is not the address of a store (special characters of a password are written %XX)")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return refuse("has a query that does not parse")
	}
	s := &redisServer{host: u.Hostname(), port: u.Port(), tls: u.Scheme == "rediss", caFile: query.Get("ca_file"), user: u.User.Username()}
	s.name = u.Scheme + "://" + u.Host
	s.password, _ = u.User.Password()
	if s.port == "" {
		s.port = "6379"
	}
	if database := strings.Trim(u.Path, "/"); database != "" {
		if s.database, err = strconv.Atoi(database); err != nil || s.database < 0 {
			return refuse("has a path that is not the number of a database")
		}
	}
	for parameter, values := range query {
		if parameter != "ca_file" || len(values) != 1 {
			return refuse("has a parameter other than ca_file, or has it twice")
		}
	}
	switch {
	case s.user != "" && s.password == "":
		return refuse("has a user without a password")
	case s.caFile != "" && !s.tls:
		return refuse("has ca_file, which is for rediss://")
	}
	return s, nil
}

func (s *redisServer) connect(ctx context.Context) (redis.Conn, error) {
	conn, err := redis.DialContext(ctx, "tcp", net.JoinHostPort(s.host, s.port), redis.DialContextFunc(s.dial),
		redis.DialUsername(s.user), redis.DialPassword(s.password), redis.DialDatabase(s.database),
		redis.DialReadTimeout(redisTimeout), redis.DialWriteTimeout(redisTimeout))
	var answer redis.Error
	if errors.As(err, &answer) {
		code, _, _ := strings.Cut(string(answer), " ")
		return nil, redis.Error(code)
	}
	return conn, err
}

// dial connects and, for rediss, makes the handshake, which the client library
// would do without regard to the context. The authorities are read each time,
// because they are rotated like everything else.
func (s *redisServer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: redisTimeout}
	if !s.tls {
		return dialer.DialContext(ctx, network, address)
	}
	config := &tls.Config{ServerName: s.host, MinVersion: tls.VersionTLS12}
	if s.caFile != "" {
		text, err := os.ReadFile(s.caFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %v", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, errors.New("ca_file holds no certificate in PEM")
		}
	}
	ctx, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	return (&tls.Dialer{NetDialer: &dialer, Config: config}).DialContext(ctx, network, address)
}
