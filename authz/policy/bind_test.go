package policy_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"privyseal/authz"
	"privyseal/authz/policy"
)

// binds compiles a rule that says what to bind to, within another.
func binds(outer, inner []string, reuse time.Duration) (*policy.Policy, error) {
	within := policy.Rule{Name: "b", Audience: "app", Allow: anybody, Bind: inner}
	return policy.Compile([]policy.Rule{{Name: "a", Bind: outer, Rules: []policy.Rule{within}}},
		policy.Env{Sources: []policy.Source{{Name: "corp"}}, Issuer: "https://id.example", Reuse: reuse})
}

// A rule binds to what it says, else to what the rule around it says.
func TestBind(t *testing.T) {
	for _, c := range []struct {
		outer, inner []string
		want         authz.Binding
	}{
		{nil, nil, 0},
		{nil, []string{"path"}, authz.BindPath},
		{[]string{"path", "method"}, nil, authz.BindMethod | authz.BindPath},
		{[]string{"path"}, []string{"host"}, authz.BindHost},
		{nil, []string{"query", "certificate", "path", "host", "method"},
			authz.BindMethod | authz.BindHost | authz.BindPath | authz.BindQuery | authz.BindCertificate},
	} {
		p, err := binds(c.outer, c.inner, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Rules()[0].Bind; got != c.want {
			t.Errorf("%v around %v: %b", c.outer, c.inner, got)
		}
	}
}

func TestBindMistakes(t *testing.T) {
	for _, c := range []struct {
		outer, inner []string
		reuse        time.Duration
		path, says   string
	}{
		{nil, []string{}, 0, "[0].rules[0].bind", "is empty"},
		{nil, []string{"path", "metod"}, 0, "[0].rules[0].bind[1]", `"metod" is not a part to bind to; did you mean method?`},
		{nil, []string{"body"}, 0, "[0].rules[0].bind[0]", "known: certificate, host, method, path, query"},
		{nil, []string{"PATH"}, 0, "[0].rules[0].bind[0]", "is not a part"},
		{[]string{"path", "path"}, nil, 0, "[0].bind[1]", "named twice"},
		{nil, []string{"path"}, time.Second, "[0].rules[0].bind", "contradicts assertion.reuse"},
		{[]string{"certificate"}, nil, time.Second, "[0].bind", "contradicts assertion.reuse"},
	} {
		_, err := binds(c.outer, c.inner, c.reuse)
		var option *authz.OptionError
		if !errors.As(err, &option) || option.Path != c.path || !strings.Contains(option.Error(), c.says) {
			t.Errorf("%v around %v: %v", c.outer, c.inner, err)
		}
	}
	if _, err := binds(nil, nil, time.Second); err != nil {
		t.Errorf("reuse without binding: %v", err)
	}
	_, err := policy.Compile([]policy.Rule{{Name: "a", Public: true, Bind: []string{"path"}}}, policy.Env{})
	if err == nil || !strings.Contains(err.Error(), "[0].bind: has no meaning on a public rule") {
		t.Error(err)
	}
}
