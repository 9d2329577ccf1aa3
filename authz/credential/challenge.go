package credential

import (
	"context"
	"fmt"
	"strings"

	"privyseal/authz"
)

// Challenge implements [authz.Challenger] for the place that clients know by
// themselves, header authorization: RFC 6750 section 3, and RFC 9470 section 3
// where a rule asks for a stronger login. Other places have no scheme to name.
func (b *bearer) Challenge(_ context.Context, r *authz.Request, d *authz.Denial, _ *authz.Effects) (*authz.Reply, error) {
	if b.place.header != "authorization" {
		return nil, nil
	}
	challenge := "Bearer realm=" + quoted(r.Host)
	switch {
	case d.StepUp != nil:
		challenge += `, error="insufficient_user_authentication", error_description=` + quoted("a stronger or more recent login is required")
		if len(d.StepUp.ACR) > 0 {
			challenge += ", acr_values=" + quoted(strings.Join(d.StepUp.ACR, " "))
		}
		if d.StepUp.MaxAge > 0 {
			challenge += fmt.Sprintf(`, max_age="%d"`, int64(d.StepUp.MaxAge.Seconds()))
		}
	case d.Reason != authz.Unauthenticated:
		challenge += `, error="invalid_token"`
		if d.Detail != "" {
			challenge += ", error_description=" + quoted(d.Detail)
		}
	}
	return &authz.Reply{Status: 401, Challenges: []string{challenge}}, nil
}

// quoted writes a quoted-string of the characters that error_description may
// hold (RFC 6750 section 3): none of them needs escaping.
func quoted(s string) string {
	const most = 200
	return `"` + strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
			return '?'
		}
		return r
	}, s[:min(len(s), most)]) + `"`
}
