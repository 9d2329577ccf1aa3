package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"privyseal/authz"
)

// Paths of our own, beside the callbacks.
const (
	loginPath  = "/.privyseal/login"
	logoutPath = "/.privyseal/logout"
	mePath     = "/.privyseal/me"
)

// endpoint is a function as an [authz.Endpoint].
type endpoint func(context.Context, *authz.Request, *authz.Effects) (*authz.Reply, error)

// Answer implements [authz.Endpoint].
func (e endpoint) Answer(ctx context.Context, r *authz.Request, fx *authz.Effects) (*authz.Reply, error) {
	return e(ctx, r, fx)
}

// Endpoints returns what answers under /.privyseal/, by path; none without a
// source.
func (l *Logins) Endpoints() map[string]authz.Endpoint {
	if len(l.sources) == 0 {
		return nil
	}
	all := map[string]authz.Endpoint{
		loginPath: endpoint(l.login), logoutPath: endpoint(l.logout), mePath: endpoint(l.me),
	}
	for _, s := range l.sources {
		all[s.RedirectPath] = endpoint(l.callback)
	}
	return all
}

// maxQueryBytes bounds the query of an endpoint; codes are up to 4 KiB long.
const maxQueryBytes = 16 << 10

// parameters reads a query in which no parameter occurs twice.
func parameters(r *authz.Request) (url.Values, error) {
	query, err := url.ParseQuery(r.Query)
	if err != nil || len(r.Query) > maxQueryBytes {
		return nil, &authz.Denial{Reason: authz.MalformedRequest, Detail: "the query cannot be read"}
	}
	for _, values := range query {
		if len(values) > 1 {
			return nil, &authz.Denial{Reason: authz.MalformedRequest, Detail: "a parameter of the query is repeated"}
		}
	}
	return query, nil
}

// login begins a login because a person asks for it.
func (l *Logins) login(ctx context.Context, r *authz.Request, fx *authz.Effects) (*authz.Reply, error) {
	query, err := parameters(r)
	if err != nil {
		return nil, err
	}
	offered := l.on(r.Host)
	if name := query.Get("source"); name != "" {
		offered = slices.DeleteFunc(offered, func(s *source) bool { return s.Name != name })
	}
	target := safeTarget(query.Get("return"))
	switch {
	case len(offered) == 0:
		return nil, loginFailed("there is no login of that name here", nil)
	case !authz.IsNavigation(r):
		return nil, loginFailed("a login begins where a person opens this address in a browser", nil)
	case len(offered) == 1:
		return offered[0].start(ctx, r, fx, target, nil)
	}
	return &authz.Reply{Status: 200, ContentType: authz.PageType, Body: chooser(offered, target).HTML()}, nil
}

func (l *Logins) on(host string) []*source { return (&offer{l.sources}).on(host) }

// callback ends a login: the provider sent the browser back with a code (RFC
// 6749 section 4.1.2).
func (l *Logins) callback(ctx context.Context, r *authz.Request, fx *authz.Effects) (*authz.Reply, error) {
	query, err := parameters(r)
	if err != nil {
		return nil, err
	}
	name, id, ok := parseState(query.Get("state"))
	s := l.named(name)
	if r.Method != "GET" || !ok || s == nil || s.RedirectPath != r.Path {
		return nil, loginFailed("this is not the answer to a login that began here", nil)
	}
	f, err := s.find(r, id, query.Get("state"))
	if errors.Is(err, errNoFlow) {
		return s.orHome(ctx, r, fx)
	}
	var reply *authz.Reply
	if err == nil {
		reply, err = s.complete(ctx, r, fx, f, query)
	}
	if !errors.Is(err, errUnderWay) {
		fx.SetCookie(cookieLine(flowPrefix+id, "", 0)) // whatever came of it, it is used
		return reply, err
	}
	page := authz.Page{Title: "Logging in…", Text: []string{"The identity provider is slow. This page goes on by itself."}, Again: true}
	return &authz.Reply{Status: 503, ContentType: authz.PageType, Body: page.HTML()}, nil
}

// orHome answers a callback whose attempt is not there: another tab may have
// logged in meanwhile, or the person went back to an old page.
func (s *source) orHome(ctx context.Context, r *authz.Request, fx *authz.Effects) (*authz.Reply, error) {
	if _, err := s.current(ctx, r, fx); err == nil {
		return &authz.Reply{Status: 303, Location: "/"}, nil
	}
	return nil, loginFailed("this login was begun in another browser, took too long, or is over: open the application again", nil)
}

// complete makes a session of the answer to an attempt.
func (s *source) complete(ctx context.Context, r *authz.Request, fx *authz.Effects, f *flow, query url.Values) (*authz.Reply, error) {
	if err := s.answered(ctx, query); err != nil {
		return nil, err
	}
	code := strings.Clone(query.Get("code")) // the request's buffer does not outlive it
	key := f.digest(code)
	next, err := s.env.codes.join(ctx, key, func(ctx context.Context) (*session, error) { return s.exchange(ctx, f, code) })
	if errors.Is(err, errUnderWay) {
		return nil, err
	}
	s.env.codes.forget(key)
	if errors.Is(err, errTooMany) {
		return nil, unavailable("too many people log in at once: try again", err)
	}
	if err != nil {
		return nil, err
	}
	first, err := s.marks.Write(ctx, s.key("flow", f.State), []byte("1"), flowLife+time.Minute, IfAbsent)
	switch {
	case err != nil:
		return nil, unavailable("the login could not be kept: try again", fmt.Errorf("source %s: %v", s.Name, err))
	case !first:
		return nil, loginFailed("this login was completed already", nil)
	}
	if old, err := s.load(ctx, r); err == nil {
		if err := s.end(ctx, &authz.Effects{}, old); err != nil { // its cookie is replaced
			return nil, err
		}
	}
	if err := s.save(ctx, r.Host, fx, next); err != nil {
		return nil, err
	}
	return &authz.Reply{Status: 303, Location: f.Target}, s.try(r, fx)
}

// answered checks who answered, and what, before the code is used: the provider
// that was asked (RFC 9207), and not with an error.
func (s *source) answered(ctx context.Context, query url.Values) error {
	m, err := s.provider.metadata(ctx)
	if err != nil {
		return err
	}
	iss, named := query["iss"]
	switch {
	case named && iss[0] != s.Issuer:
		return loginFailed("the answer is from another identity provider", fmt.Errorf("source %s: iss of the answer is %.80q", s.Name, iss[0]))
	case !named && m.NamesItself:
		return loginFailed("the answer does not say which identity provider it is from", fmt.Errorf("source %s: the answer has no iss, which the provider always sends", s.Name))
	case !named && s.shared:
		return loginFailed("the answer does not say which identity provider it is from",
			fmt.Errorf("source %s: the answer has no iss, and other sources have the same redirect_path: give the source one of its own, such as %s/%s", s.Name, callbackPath, s.Name))
	}
	switch code := query.Get("error"); {
	case code == "" && query.Get("code") == "":
		return loginFailed("the identity provider's answer is empty", nil)
	case code == "":
		return nil
	case code == "server_error" || code == "temporarily_unavailable":
		return unavailable("the identity provider could not log you in: try again", fmt.Errorf("source %s: error is %s", s.Name, code))
	default:
		return loginFailed("the identity provider did not log you in: "+word(code), fmt.Errorf("source %s: error is %s", s.Name, word(code)))
	}
}

// word is an error code as it may be shown: letters and underscores.
func word(code string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r == '_' {
			return r
		}
		return -1
	}, code[:min(len(code), 60)])
}

// me tells scripts of the host who is logged in.
func (l *Logins) me(ctx context.Context, r *authz.Request, fx *authz.Effects) (*authz.Reply, error) {
	if r.Method != "GET" && r.Method != "HEAD" {
		return nil, &authz.Denial{Reason: authz.MalformedRequest, Detail: "this path takes GET"}
	}
	o := &offer{l.sources}
	id, err := o.Authenticate(ctx, r, fx)
	var denial *authz.Denial
	switch {
	case errors.Is(err, authz.ErrNoCredential), errors.As(err, &denial) && denial.Reason.Status() == 401:
		reply := o.pointTo(r, o.on(r.Host))
		reply.ContentType, reply.Body = "application/problem+json", []byte(`{"status":401,"title":"Authentication is required.","login_url":`+strconv.Quote(reply.LoginURL)+"}\n")
		return reply, nil
	case err != nil:
		return nil, err
	}
	body, err := json.Marshal(map[string]any{
		"source": id.Source, "sub": id.Subject, "email": id.Email, "email_verified": id.EmailVerified,
		"name": id.Name, "groups": id.Groups, "expires": id.Expires,
	})
	return &authz.Reply{Status: 200, ContentType: "application/json", Body: append(body, '\n')}, err
}
