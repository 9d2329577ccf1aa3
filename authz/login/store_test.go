package login

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
)

// TestStoreContract holds every store to what [Store] promises. Redis keeps its
// own time, so lives are real and short.
func TestStoreContract(t *testing.T) {
	stores := map[string]Store{"memory": newMemory(time.Now)}
	server := StartRedis(t)
	opened, err := OpenRedis(server.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { opened.Close() })
	stores["redis"] = opened
	for name, s := range stores {
		t.Run(name, func(t *testing.T) { testStore(t, s) })
	}
}

func testStore(t *testing.T, s Store) {
	ctx := t.Context()
	write := func(key, value string, life time.Duration, when Condition, want bool) {
		t.Helper()
		if written, err := s.Write(ctx, key, []byte(value), life, when); err != nil || written != want {
			t.Errorf("Write %s %s %v: %v, %v", key, value, when, written, err)
		}
	}
	read := func(want ...string) {
		t.Helper()
		keys := []string{"privyseal:login:a", "privyseal:login:b"}
		got, err := s.Read(ctx, keys...)
		if err != nil || len(got) != len(want) {
			t.Fatalf("Read: %q, %v", got, err)
		}
		for i := range want {
			if (want[i] == "") != (got[i] == nil) || string(got[i]) != want[i] {
				t.Errorf("%s is %q, want %q", keys[i], got[i], want[i])
			}
		}
	}
	const a, b = "privyseal:login:a", "privyseal:login:b"
	read("", "")
	write(a, "1", time.Hour, IfPresent, false)
	write(a, "1", time.Hour, IfAbsent, true)
	write(a, "2", time.Hour, IfAbsent, false)
	read("1", "")
	write(a, "3", time.Hour, IfPresent, true)
	write(b, "\x00\xff", time.Hour, Always, true)
	read("3", "\x00\xff")
	if err := s.Delete(ctx, a, b, "privyseal:login:c"); err != nil {
		t.Error(err)
	}
	read("", "")
	write(a, "4", time.Millisecond, Always, true)
	await(t, "the life of a value ends", func() bool {
		got, err := s.Read(ctx, a)
		return err == nil && got[0] == nil
	})
	write(a, "5", time.Hour, IfAbsent, true)
	var all sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for range 20 {
		all.Go(func() {
			written, err := s.Write(ctx, b, []byte("x"), time.Hour, IfAbsent)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if written {
				won++
			}
		})
	}
	all.Wait()
	if won != 1 {
		t.Errorf("%d of 20 took the lock", won)
	}
}

// await waits for what comes by itself.
func await(t *testing.T, what string, there func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for !there() {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

func TestMemoryForgetsNothingBeforeItsTime(t *testing.T) {
	now := time.Unix(0, 0)
	m := newMemory(func() time.Time { return now })
	for i := range maxRemembered {
		if _, err := m.Write(t.Context(), fmt.Sprint(i), nil, time.Hour, Always); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.Write(t.Context(), "one more", nil, time.Hour, Always); !errors.Is(err, errFull) {
		t.Errorf("over the bound: %v", err)
	}
	if _, err := m.Write(t.Context(), "7", []byte("again"), time.Hour, Always); err != nil {
		t.Errorf("an entry there is: %v", err)
	}
	now = now.Add(2 * time.Hour)
	if _, err := m.Write(t.Context(), "one more", nil, time.Hour, Always); err != nil || len(m.entries) != 1 {
		t.Errorf("later: %v, %d entries", err, len(m.entries))
	}
}

func TestRedisAddresses(t *testing.T) {
	for address, ok := range map[string]bool{
		"redis://127.0.0.1:6379/0": true, "redis://host": true, "rediss://u:p@host/3?ca_file=/ca.pem": true,
		"redis://u@host": false, "redis://host?ca_file=x": false, "redis://host?key=x": false, "redis://host/x": false, "redis://host/-1": false,
		"http://host": false, "redis://": false, "redis://host/#x": false, "": false, "redis://user:hunter2@ho st": false,
	} {
		_, err := parseRedis(address)
		if (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
		if err != nil && bytes.Contains([]byte(err.Error()), []byte("hunter2")) {
			t.Errorf("the error holds the password: %v", err)
		}
	}
}

// The user of the package comment may do what is needed.
func TestRedisPermissions(t *testing.T) {
	server := StartRedis(t)
	conn, err := redis.Dial("tcp", "127.0.0.1:"+server.Port)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Do("ACL", "SETUSER", "privyseal", "on", ">hunter2", "~privyseal:login:*", "+mget", "+set", "+del", "+ping"); err != nil {
		t.Fatal(err)
	}
	r, err := OpenRedis("redis://privyseal:hunter2@127.0.0.1:" + server.Port + "/0")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	testStore(t, r)
	if _, err := r.Write(t.Context(), "other", nil, time.Hour, Always); err == nil {
		t.Error("the user may write elsewhere")
	}
}

func TestRedisErrorsHoldNoSecrets(t *testing.T) {
	server := StartRedis(t, "--requirepass", "hunter2")
	for _, address := range []string{server.Address(), "redis://:wrong-hunter3@127.0.0.1:" + server.Port + "/0"} {
		r, err := OpenRedis(address)
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Write(t.Context(), "privyseal:login:secret-key", []byte("secret-value"), time.Hour, Always)
		if err == nil {
			t.Fatal("an unauthenticated client may write")
		}
		for _, secret := range []string{"hunter", "secret-value", "secret-key"} {
			if bytes.Contains([]byte(err.Error()), []byte(secret)) {
				t.Errorf("%v holds %s", err, secret)
			}
		}
		r.Close()
	}
}
