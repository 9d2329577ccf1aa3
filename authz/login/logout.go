package login

import (
	"context"
	"net/url"
	"strings"

	"privyseal/authz"
)

// logout ends the sessions of the browser on this host: at once if one of our
// own pages asks for it, else after a question, so that a page elsewhere cannot
// log anybody out.
func (l *Logins) logout(ctx context.Context, r *authz.Request, fx *authz.Effects) (*authz.Reply, error) {
	switch {
	case r.Method != "GET" && r.Method != "POST":
		return nil, &authz.Denial{Reason: authz.MalformedRequest, Detail: "this path takes GET and POST"}
	case !sameOrigin(r):
		page := authz.Page{Title: "Log out?", Links: []authz.Link{{Label: "Log out", URL: logoutPath, Post: true}}}
		return &authz.Reply{Status: 200, ContentType: authz.PageType, Body: page.HTML()}, nil
	}
	onward := ""
	for _, s := range l.on(r.Host) {
		fx.SetCookie(cookieLine(triesPrefix+s.Name, "", 0)) // who logs out may log in again
		is, err := s.load(ctx, r)
		if err != nil {
			s.clear(fx)
			continue
		}
		if err := s.end(ctx, fx, is); err != nil {
			return nil, err
		}
		if onward == "" {
			onward = s.afterLogout(ctx, r, is)
		}
	}
	if onward != "" {
		return &authz.Reply{Status: 303, Location: onward}, nil
	}
	page := authz.Page{Title: "You are logged out.", Links: []authz.Link{{Label: "Continue", URL: "/"}}}
	return &authz.Reply{Status: 200, ContentType: authz.PageType, Body: page.HTML()}, nil
}

// afterLogout is where a browser goes that is logged out here: to the provider,
// if it can end its own session (OpenID Connect RP-Initiated Logout 1.0), else
// to the configured page; "" is neither.
func (s *source) afterLogout(ctx context.Context, r *authz.Request, is *session) string {
	back := s.PostLogout
	if strings.HasPrefix(back, "/") {
		back = origin(r) + back
	}
	if s.LocalLogout {
		return s.PostLogout
	}
	m, err := s.provider.metadata(ctx)
	if err != nil || m.EndSession == "" {
		return s.PostLogout // the session here is over; that cannot wait for the provider
	}
	u, err := url.Parse(m.EndSession)
	if err != nil {
		return s.PostLogout
	}
	query := u.Query()
	query.Set("client_id", s.ClientID)
	if is.IDToken != "" {
		query.Set("id_token_hint", is.IDToken)
	}
	if back != "" {
		query.Set("post_logout_redirect_uri", back)
	}
	u.RawQuery = query.Encode()
	return u.String()
}
