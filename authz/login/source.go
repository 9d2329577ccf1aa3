package login

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"privyseal/authz"
)

// source is one provider as configured.
type source struct {
	Source
	env      *environment
	provider *provider
	shared   bool // others have the same redirect path

	sessions, stored, flows, tries *sealer

	store Store // of sessions; nil: they are in cookies
	marks Store // of logouts and of what is used once
}

// offer is the authenticator of one rule: the sources that it admits.
type offer struct{ sources []*source }

var (
	_ authz.Authenticator = (*offer)(nil)
	_ authz.Challenger    = (*offer)(nil)
)

// on are the sources offered on a host.
func (o *offer) on(host string) []*source {
	return slices.DeleteFunc(slices.Clone(o.sources), func(s *source) bool { return !s.serves(host) })
}

// Authenticate implements [authz.Authenticator] by the request's session. With
// sessions at several sources the first that is in force counts.
func (o *offer) Authenticate(ctx context.Context, r *authz.Request, fx *authz.Effects) (*authz.Identity, error) {
	var first error = authz.ErrNoCredential
	for _, s := range o.on(r.Host) {
		is, err := s.current(ctx, r, fx)
		if err == nil {
			return s.identity(is), nil
		}
		if errors.Is(first, authz.ErrNoCredential) {
			first = err
		}
	}
	return nil, first
}

// current returns the session in force, renewed if that is due.
func (s *source) current(ctx context.Context, r *authz.Request, fx *authz.Effects) (*session, error) {
	is, err := s.load(ctx, r)
	var denial *authz.Denial
	if errors.As(err, &denial) && (denial.Reason == authz.InvalidCredential || denial.Reason == authz.ExpiredCredential) {
		s.clear(fx)
	}
	if err != nil {
		return nil, err
	}
	if is, err = s.renewed(ctx, r, fx, is); err != nil {
		return nil, err
	}
	return s.touch(ctx, r.Host, fx, is)
}

// Challenge implements [authz.Challenger]: a person who opens a page is sent to
// log in, and everything else is told where that can be done.
func (o *offer) Challenge(ctx context.Context, r *authz.Request, d *authz.Denial, fx *authz.Effects) (*authz.Reply, error) {
	offered := o.on(r.Host)
	if len(offered) == 0 || authz.IsGRPC(r) {
		return nil, nil
	}
	if d.StepUp != nil { // at the source where the person is logged in
		if i := slices.IndexFunc(offered, func(s *source) bool { return len(cookiesNamed(r, sessionPrefix+s.Name)) > 0 }); i >= 0 {
			offered = offered[i : i+1]
		}
	}
	switch {
	case !authz.IsNavigation(r):
		return o.pointTo(r, offered), nil
	case len(offered) == 1:
		return offered[0].start(ctx, r, fx, here(r), d.StepUp)
	}
	reply := o.pointTo(r, offered)
	reply.ContentType, reply.Body = authz.PageType, chooser(offered, here(r)).HTML()
	return reply, nil
}

// pointTo tells a program where a person can log in. There is no registered
// scheme for that; browsers ask nobody for a password because of this one.
func (o *offer) pointTo(r *authz.Request, offered []*source) *authz.Reply {
	location := loginURL("", "")
	if len(offered) == 1 {
		location = loginURL(offered[0].Name, "")
	}
	return &authz.Reply{Status: 401, LoginURL: location, Challenges: []string{fmt.Sprintf("Login realm=%q, url=%q", r.Host, location)}}
}

// start begins an attempt and sends the browser to the provider.
func (s *source) start(ctx context.Context, r *authz.Request, fx *authz.Effects, target string, up *authz.StepUp) (*authz.Reply, error) {
	if len(s.tried(r)) >= maxTries {
		return nil, &authz.Denial{Reason: authz.LoginLoop, Detail: "Logging in was completed several times within a minute and did not help. Wait a minute before another attempt."}
	}
	m, err := s.provider.metadata(ctx)
	if err != nil {
		return nil, err
	}
	f, err := s.newFlow(r, target, up)
	if err == nil {
		err = s.keep(r, fx, f)
	}
	if err != nil {
		return nil, err
	}
	return &authz.Reply{Status: 303, Location: f.authorization(m.config(&s.Source))}, nil
}

// chooser lets a person choose where to log in.
func chooser(offered []*source, target string) authz.Page {
	page := authz.Page{Title: "Choose where to log in"}
	for _, s := range offered {
		page.Links = append(page.Links, authz.Link{Label: s.Name, URL: loginURL(s.Name, target)})
	}
	return page
}

// loginURL is where a login begins.
func loginURL(source, target string) string {
	query := url.Values{}
	if source != "" {
		query.Set("source", source)
	}
	if target != "" {
		query.Set("return", target)
	}
	return (&url.URL{Path: loginPath, RawQuery: query.Encode()}).String()
}
