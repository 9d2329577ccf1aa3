package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"privyseal/authz/verify"
	"privyseal/authz/verify/verifytest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"privyseal": main})
}

// TestScripts runs the program as its users do: each script is one thing they
// see. Beside the usual commands there are those below.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               chooseAddresses,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"status":       statusOf,
			"eventually":   eventually,
			"hangup":       hangup,
			"reload":       reload,
			"proc":         proc,
			"idp":          identityProvider,
			"certificates": certificates,
			"assertion":    assertion,
			"kid":          kid,
		},
	})
}

// chooseAddresses sets GRPC, HTTP and ADMIN to addresses nobody listens at.
func chooseAddresses(env *testscript.Env) error {
	env.Setenv("GORACE", "atexit_sleep_ms=0") // else each command takes a second more
	for _, name := range []string{"GRPC", "HTTP", "ADMIN"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close() // after all three are chosen
		env.Setenv(name, l.Addr().String())
	}
	return nil
}

// status N COMMAND… demands an exit status.
func statusOf(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := exitStatus(ts, args[1:]); got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

func exitStatus(ts *testscript.TestScript, args []string) int {
	err := ts.Exec(args[0], args[1:]...)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		ts.Fatalf("%v", err)
	}
	if exit != nil {
		return exit.ExitCode()
	}
	return 0
}

// eventually N COMMAND… repeats a command until it exits with a status.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if exitStatus(ts, args[1:]) == want {
			return
		}
	}
	ts.Fatalf("never exits with status %d", want)
}

// hangup sends SIGHUP to the last program in the background.
func hangup(ts *testscript.TestScript, neg bool, args []string) {
	list := ts.BackgroundCmds()
	ts.Check(list[len(list)-1].Process.Signal(syscall.SIGHUP))
}

// proc NAME PATTERN demands a match in /proc/PID/NAME of the last program in the
// background.
func proc(ts *testscript.TestScript, neg bool, args []string) {
	list := ts.BackgroundCmds()
	text := ts.ReadFile(fmt.Sprintf("/proc/%d/%s", list[len(list)-1].Process.Pid, args[0]))
	if !regexp.MustCompile(args[1]).MatchString(text) {
		ts.Fatalf("no match for %q in:\n%s", args[1], text)
	}
}

// reload N asks the service at ADMIN to reload and demands an HTTP status.
func reload(ts *testscript.TestScript, neg bool, args []string) {
	answer, err := http.Post("http://"+ts.Getenv("ADMIN")+"/-/reload", "", nil)
	ts.Check(err)
	answer.Body.Close()
	if strconv.Itoa(answer.StatusCode) != args[0] {
		ts.Fatalf("status %s, want %s", answer.Status, args[0])
	}
}

// idp writes the key set idp.json of an identity provider and a token of it for
// alice, of the group staff, and sets TOKEN to the token.
func identityProvider(ts *testscript.TestScript, neg bool, args []string) {
	issuer := verifytest.NewIssuer()
	defer issuer.Close()
	now := time.Now().Unix()
	token := issuer.Sign(map[string]any{
		"iss": "https://idp.example.com", "aud": "api", "sub": "alice", "groups": []string{"staff"},
		"iat": now, "exp": now + 600, "email": "alice@example.com", "email_verified": true,
	})
	ts.Check(os.WriteFile(ts.MkAbs("idp.json"), issuer.KeySet(), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("token"), []byte(token), 0o600))
	ts.Setenv("TOKEN", token)
}

// assertion sets ASSERTION to the one that check has just written as JSON.
func assertion(ts *testscript.TestScript, neg bool, args []string) {
	var answer verdict
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &answer))
	ts.Setenv("ASSERTION", answer.Set[verify.DefaultHeader])
}

// kid NAME sets a variable to the kid of the key set that has just been written.
func kid(ts *testscript.TestScript, neg bool, args []string) {
	var set struct{ Keys []struct{ Kid string } }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &set))
	ts.Setenv(args[0], set.Keys[0].Kid)
}
