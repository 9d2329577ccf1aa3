package authz

import (
	"strings"
	"testing"
)

// browserHeaders are those of a person who opens a page.
func browserHeaders(edit HeaderMap) HeaderMap {
	h := HeaderMap{"accept": {"text/html,application/xhtml+xml,*/*;q=0.8"}, "sec-fetch-mode": {"navigate"}, "sec-fetch-dest": {"document"}}
	for name, values := range edit {
		if h[name] = values; values == nil {
			delete(h, name)
		}
	}
	return h
}

func TestIsNavigation(t *testing.T) {
	for _, test := range []struct {
		what              string
		edit              HeaderMap
		navigation, paged bool
	}{
		{"a page", nil, true, true},
		{"an older browser", HeaderMap{"sec-fetch-mode": nil, "sec-fetch-dest": nil}, true, true},
		{"curl", HeaderMap{"sec-fetch-mode": nil, "sec-fetch-dest": nil, "accept": {"*/*"}}, false, false},
		{"HTML unwanted", HeaderMap{"accept": {"text/html;q=0, */*"}}, false, false},
		{"a script", HeaderMap{"sec-fetch-mode": {"cors"}, "sec-fetch-dest": {"empty"}}, false, false},
		{"an old script", HeaderMap{"sec-fetch-mode": nil, "sec-fetch-dest": nil, "x-requested-with": {"XMLHttpRequest"}}, false, false},
		{"a frame", HeaderMap{"sec-fetch-dest": {"iframe"}}, false, true},
		{"an image", HeaderMap{"sec-fetch-mode": {"no-cors"}, "sec-fetch-dest": {"image"}}, false, false},
		{"prefetched", HeaderMap{"sec-purpose": {"prefetch"}}, false, true},
		{"a socket", HeaderMap{"upgrade": {"websocket"}}, false, true},
		{"repeated", HeaderMap{"sec-fetch-dest": {"document", "document"}}, false, false},
		{"half of it", HeaderMap{"sec-fetch-dest": nil}, false, true},
		{"gRPC", HeaderMap{"content-type": {"application/grpc"}}, false, false},
	} {
		r := request(t, "/", browserHeaders(test.edit))
		if IsNavigation(r) != test.navigation || WantsPage(r) != test.paged {
			t.Errorf("%s: navigation %v, page %v", test.what, IsNavigation(r), WantsPage(r))
		}
	}
	r := request(t, "/", browserHeaders(nil))
	r.Method = "POST"
	if IsNavigation(r) {
		t.Error("a form begins a login, and its content is lost")
	}
}

// A denial is shown to a person as a page, with what the rule explains and the
// decision to ask about.
func TestDenialPage(t *testing.T) {
	rule := signing(failing(&Denial{Reason: NotAllowed, Detail: "<script>alert(1)</script>"}))
	rule.Explain = "Only staff & friends."
	a := newAuthorizer(t, Options{Policy: only(rule)})
	d := a.Authorize(t.Context(), request(t, "/", browserHeaders(nil)))
	reply, body := d.Reply(), string(d.Reply().Body)
	if reply.Status != 403 || reply.ContentType != PageType {
		t.Errorf("%d %s", reply.Status, reply.ContentType)
	}
	for _, want := range []string{"Only staff &amp; friends.", "&lt;script&gt;alert(1)", d.Record.ID, "not_allowed", `<html lang="en">`, "<main><h1>Access is denied."} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q:\n%s", want, body)
		}
	}
	for _, outside := range []string{"<script", "http://", "https://", "<img", "<link"} {
		if strings.Contains(body, outside) {
			t.Errorf("the page holds %q", outside)
		}
	}
	d = a.Authorize(t.Context(), request(t, "/", nil))
	if d.Reply().ContentType != "application/problem+json" {
		t.Errorf("a program is sent %s", d.Reply().ContentType)
	}
}

// What a challenger says of logging in reaches programs and persons.
func TestLoginURLIsTold(t *testing.T) {
	bearer := challenger{reply: &Reply{Status: 401, Challenges: []string{"Bearer"}}}
	login := challenger{reply: &Reply{Status: 401, Challenges: []string{"Login"}, LoginURL: "/.privyseal/login?a=1&b=2"}}
	a := newAuthorizer(t, Options{Policy: only(signing(bearer, login))})
	d := a.Authorize(t.Context(), request(t, "/", nil))
	if body := string(d.Reply().Body); d.Reply().Status != 401 || !strings.Contains(body, `"login_url":"/.privyseal/login?a=1&b=2"`) || len(d.Reply().Challenges) != 2 {
		t.Errorf("%+v %s", d.Reply(), body)
	}
	d = a.Authorize(t.Context(), request(t, "/", browserHeaders(nil)))
	if body := string(d.Reply().Body); !strings.Contains(body, `<a href="/.privyseal/login?a=1&amp;b=2">Log in</a>`) {
		t.Error(body)
	}
}

func TestPagePolicyAllowsTheStyleAndNothingElse(t *testing.T) {
	policy := PagePolicy()
	if !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "form-action") {
		t.Error(policy)
	}
	if strings.Count(string(Page{}.HTML()), "<style>") != 1 {
		t.Error("the page has not one style")
	}
}
