package login

import (
	"net"
	"os/exec"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
)

// RedisServer is a redis-server of a test. It keeps its data over a restart.
type RedisServer struct {
	Port string
	args []string
	cmd  *exec.Cmd
}

// StartRedis starts redis-server with the options, which override the test's.
func StartRedis(t testing.TB, options ...string) *RedisServer {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Fatal("redis-server is missing and these tests need the real one: apt-get install redis-server")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	s := &RedisServer{Port: port}
	s.args = append([]string{"--port", port, "--bind", "127.0.0.1", "--dir", t.TempDir(), "--save", "", "--appendonly", "yes", "--appendfsync", "always"}, options...)
	s.Start(t)
	t.Cleanup(s.Kill)
	return s
}

// Address is what a configuration says.
func (s *RedisServer) Address() string { return "redis://127.0.0.1:" + s.Port + "/0" }

// Start starts the server, also after Kill.
func (s *RedisServer) Start(t testing.TB) {
	t.Helper()
	s.cmd = exec.Command("redis-server", s.args...)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		conn, err := redis.Dial("tcp", "127.0.0.1:"+s.Port)
		if err == nil {
			_, err = conn.Do("PING") // LOADING until the data is read
			conn.Close()
			if err == nil || redis.Error("NOAUTH Authentication required.") == err {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("redis-server does not answer: %v", err)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// Count counts the keys of a pattern.
func (s *RedisServer) Count(t testing.TB, pattern string) int {
	t.Helper()
	conn, err := redis.Dial("tcp", "127.0.0.1:"+s.Port)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	keys, err := redis.Strings(conn.Do("KEYS", pattern))
	if err != nil {
		t.Fatal(err)
	}
	return len(keys)
}

// Kill ends the server as a crash does.
func (s *RedisServer) Kill() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
}
