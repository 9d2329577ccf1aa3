package authz

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
)

// reply returns what the client is sent for a denial: what the denial brought,
// else what the rule's challengers say, else the plain reply of its reason.
func (c *check) reply(ctx context.Context, d *Denial) *Reply {
	if validReply(d.Reply, 300) {
		return d.Reply
	}
	if c.rule != nil && d.curable() {
		var reply *Reply
		err := c.attempt(func() (err error) { reply, err = c.challenge(ctx, d); return err })
		if err != nil {
			*d = c.denial(err)
		} else if reply != nil {
			return c.complete(reply, d)
		}
	}
	return c.complete(&Reply{Status: d.Reason.Status()}, d)
}

// challenge asks the rule's challengers. The first reply that is not a 401
// wins; 401 replies are one, with the challenges of all.
func (c *check) challenge(ctx context.Context, d *Denial) (*Reply, error) {
	var joined *Reply
	for _, authenticator := range c.rule.Authenticate {
		challenger, ok := authenticator.(Challenger)
		if !ok {
			continue
		}
		reply, err := challenger.Challenge(ctx, c.request, d, &c.decision.fx)
		switch {
		case err != nil:
			return nil, err
		case reply == nil:
		case !validReply(reply, 300):
			return nil, errors.New("challenger made no valid reply")
		case reply.Status != 401:
			return reply, nil
		case joined == nil:
			joined = &Reply{Status: 401, ContentType: reply.ContentType, Challenges: reply.Challenges, LoginURL: reply.LoginURL, Body: reply.Body}
		default:
			joined.LoginURL = cmp.Or(joined.LoginURL, reply.LoginURL)
			joined.Challenges = append(joined.Challenges[:len(joined.Challenges):len(joined.Challenges)], reply.Challenges...)
			if joined.Body == nil {
				joined.ContentType, joined.Body = reply.ContentType, reply.Body
			}
		}
	}
	return joined, nil
}

// complete gives a reply without a body the plain one. A 401 must name a way to
// authenticate (RFC 9110 section 15.5.2); with none to name it is a 403.
func (c *check) complete(given *Reply, d *Denial) *Reply {
	reply := *given // which its maker may give to others too
	if reply.Status == 401 && len(reply.Challenges) == 0 {
		reply.Status = 403
	}
	if reply.Body == nil && reply.Location == "" {
		reply.ContentType, reply.Body = c.plain(&reply, d)
	}
	return &reply
}

// plain writes the body of a denial: short text for gRPC clients, whom Envoy
// shows it as grpc-message, a page for browsers that would show it to a person,
// RFC 9457 for all others.
func (c *check) plain(reply *Reply, d *Denial) (contentType string, body []byte) {
	id := c.decision.Record.ID
	switch {
	case IsGRPC(c.request):
		return "text/plain; charset=utf-8", []byte(strings.ToValidUTF8(d.Error(), "?") + " (decision " + id + ")")
	case WantsPage(c.request):
		return PageType, c.page(reply, d).HTML()
	}
	body = fmt.Appendf(nil, `{"status":%d,"title":`, reply.Status)
	for _, member := range [...]Field{{"", title(d.Reason)}, {"reason", string(d.Reason)}, {"detail", d.Detail}, {"login_url", reply.LoginURL}, {"decision_id", id}} {
		if member.Value == "" {
			continue
		}
		if member.Name != "" {
			body = append(append(append(body, `,"`...), member.Name...), `":`...)
		}
		body, _ = appendString(body, strings.ToValidUTF8(member.Value, "?"))
	}
	if c.rule != nil && c.rule.Explain != "" {
		body, _ = appendString(append(body, `,"explain":`...), strings.ToValidUTF8(c.rule.Explain, "?"))
	}
	return "application/problem+json", append(body, '}', '\n')
}

// page shows a denial to a person.
func (c *check) page(reply *Reply, d *Denial) Page {
	p := Page{Title: title(d.Reason), Note: "Reason: " + string(d.Reason) + ". Decision: " + c.decision.Record.ID}
	if c.rule != nil && c.rule.Explain != "" {
		p.Text = append(p.Text, c.rule.Explain)
	}
	if d.Detail != "" {
		p.Text = append(p.Text, d.Detail)
	}
	switch {
	case reply.LoginURL != "":
		p.Links = []Link{{Label: "Log in", URL: reply.LoginURL}}
	case d.Reason == LoginFailed, d.Reason == LoginLoop, d.Reason == SessionTooLarge:
		p.Links = []Link{{Label: "Back to the application", URL: "/"}}
	}
	return p
}

func title(r Reason) string {
	switch r {
	case LoginFailed:
		return "The login could not be completed."
	case LoginLoop, SessionTooLarge:
		return "The login was completed, and cannot be used."
	}
	switch r.Status() {
	case 400:
		return "The request cannot be read in one way only."
	case 401:
		return "Authentication is required."
	case 403:
		return "Access is denied."
	}
	return "Access could not be decided. Try again."
}

// IsGRPC reports whether the client speaks gRPC: Envoy then turns a reply into
// trailers.
func IsGRPC(r *Request) bool {
	values := r.Headers.Values("content-type")
	return len(values) > 0 && strings.HasPrefix(values[0], "application/grpc")
}

// validReply holds replies to what Envoy can send without surprise: it passes
// on 100 and 999 as they are.
func validReply(reply *Reply, lowest int) bool {
	return reply != nil && reply.Status >= lowest && reply.Status <= 599
}

// panicSite says where a panic happened, by file and line.
func panicSite() string {
	pcs := make([]uintptr, 16)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	for {
		frame, more := frames.Next()
		if !strings.HasPrefix(frame.Function, "runtime.") {
			return fmt.Sprintf(" in %s at line %d", frame.Function, frame.Line)
		}
		if !more {
			return ""
		}
	}
}
