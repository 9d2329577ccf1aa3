package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gomodule/redigo/redis"

	"privyseal/keys"
)

// redisStore keeps document and revision in one hash. Each operation has a
// connection of its own: they are rare, and an idle connection would have to be
// tested first, which takes one more permission.
type redisStore struct {
	redisServer
	key string
}

var _ interface {
	keys.Store
	keys.Watcher
	fmt.Stringer
} = (*redisStore)(nil)

// The scripts call HMGET, HSET and TIME only, which is what the ACL in the
// package comment permits. A revision is random, so that it does not come back
// when the key is removed and created again.
const (
	redisLoad = `local held = redis.call('HMGET', KEYS[1], 'revision', 'document')
local now = redis.call('TIME')
if held[2] and #held[2] > tonumber(ARGV[1]) then held[2] = false end
return {held[1], held[2], now[1], now[2]}`

	redisSwap = `local held = redis.call('HMGET', KEYS[1], 'revision', 'document')
local same = held[1] == ARGV[1]
if ARGV[1] == '' then same = not held[1] and not held[2] end
if not same then return 0 end
redis.call('HSET', KEYS[1], 'revision', ARGV[2], 'document', ARGV[3])
return 1`
)

// Load implements [keys.Store].
func (r *redisStore) Load(ctx context.Context) (keys.Version, error) {
	v, err := r.load(ctx)
	if err != nil {
		return v, r.failed("read", err)
	}
	return v, nil
}

func (r *redisStore) load(ctx context.Context) (keys.Version, error) {
	reply, err := redis.Values(r.once(ctx, "EVAL", redisLoad, 1, r.key, maxDocument))
	if err != nil {
		return keys.Version{}, err
	}
	var revision, document []byte
	var seconds, micros int64
	if _, err := redis.Scan(reply, &revision, &document, &seconds, &micros); err != nil {
		return keys.Version{}, fmt.Errorf("unexpected answer: %v", err)
	}
	now := time.Unix(seconds, micros*1000)
	switch {
	case revision == nil && document == nil:
		return keys.Version{Time: now}, absent()
	case len(revision) == 0 || document == nil:
		return keys.Version{}, fmt.Errorf("the key %q holds no keyring, or one of more than %d bytes: give the keyring a key of its own", r.key, maxDocument)
	}
	return keys.Version{Document: document, Revision: string(revision), Time: now}, nil
}

// Swap implements [keys.Store].
func (r *redisStore) Swap(ctx context.Context, document []byte, rev string) (string, error) {
	if err := checkDocument(document); err != nil {
		return "", r.failed("write", err)
	}
	next := rand.Text()
	written, err := redis.Bool(r.once(ctx, "EVAL", redisSwap, 1, r.key, rev, next, document))
	if err == nil && !written {
		err = conflict()
	}
	if err != nil {
		return "", r.failed("write", err)
	}
	return next, nil
}

// Watch implements [keys.Watcher]. It keeps one connection while it lasts.
func (r *redisStore) Watch(ctx context.Context, rev string) error {
	conn, err := r.connect(ctx)
	if err != nil {
		return r.failed("watch", err)
	}
	defer conn.Close()
	err = poll(ctx, rev, func(ctx context.Context) (string, error) {
		held, err := redis.ByteSlices(r.do(ctx, conn, "HMGET", r.key, "revision"))
		if err != nil {
			return "", err
		}
		if len(held) != 1 {
			return "", errors.New("unexpected answer")
		}
		return string(held[0]), nil
	})
	if err != nil {
		return r.failed("watch", err)
	}
	return nil
}

func (r *redisStore) failed(what string, err error) error {
	return fmt.Errorf("cannot %s the keyring in %s: %w", what, r, err)
}

// once sends one command on a connection of its own.
func (r *redisStore) once(ctx context.Context, command string, args ...any) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	conn, err := r.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return r.do(ctx, conn, command, args...)
}

func (r *redisStore) do(ctx context.Context, conn redis.Conn, command string, args ...any) (any, error) {
	reply, err := redis.DoContext(conn, ctx, command, args...)
	if err == nil {
		return reply, nil
	}
	var answer redis.Error
	if errors.As(err, &answer) {
		return nil, r.explain(string(answer))
	}
	return nil, fmt.Errorf("the connection was lost before an answer came, a write may have been done: load the document to see (%w)", err)
}

// explain says what to do about an error of the server. Servers and proxies that
// do not know a command repeat its arguments, which are the password or the
// document: these are left out.
func (r *redisStore) explain(answer string) error {
	answer, _, _ = strings.Cut(answer, ", with args")
	if r.password != "" {
		answer = strings.ReplaceAll(answer, r.password, hidden)
	}
	answer = fmt.Sprintf("the server says %.200q", answer)
	for _, known := range []struct{ sign, advice string }{
		{"NOAUTH", "put user and password into the address: " + r.scheme() + "://USER:PASSWORD@HOST:PORT/0?key=NAME"},
		{"WRONGPASS", "correct the user or the password in the address"},
		{"invalid password", "correct the password in the address"},
		{"NOPERM", r.grant()},
		{"can't run this command", r.grant()},
		{"can't access", r.grant()},
		{"READONLY", "this is a replica: name the primary in the address"},
		{"MASTERDOWN", "this replica has lost its primary: name the primary in the address"},
		{"LOADING", "it is still reading its data set: try again in a few seconds"},
		{"OOM", "its memory is full: raise maxmemory, or remove other data"},
		{"MISCONF", "it cannot write its data set to disk: free space there"},
		{"NOREPLICAS", "it takes no writes without its replicas: bring them back"},
		{"BUSY", "another script keeps it busy: try again"},
		{"MOVED", "this node of a cluster does not hold the key: name the one that does; the store does not follow slots"},
		{"CLUSTERDOWN", "the cluster does not serve the key: bring its nodes back"},
		{"WRONGTYPE", "the key holds something else: give the keyring a key of its own"},
	} {
		if strings.Contains(answer, known.sign) {
			return fmt.Errorf("%s: %s", answer, known.advice)
		}
	}
	return errors.New(answer)
}

func (r *redisStore) grant() string {
	user := r.user
	if user == "" {
		user = "default"
	}
	return fmt.Sprintf("grant what the store needs: `ACL SETUSER %s on ~%s +eval +hmget +hset +time`, and +select for a database other than 0", user, r.key)
}
