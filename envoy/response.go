package envoy

import (
	"net/http"
	"strings"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"

	"privyseal/authz"
)

// DecisionHeader names the decision in the response to a request that was not
// let through.
const DecisionHeader = "x-privyseal-decision"

// Numbers of fields, of the messages that make a CheckResponse. Tests compare
// what is written with the generated types.
const (
	responseStatus   protowire.Number = 1
	responseDenied   protowire.Number = 2
	responseOK       protowire.Number = 3
	responseMetadata protowire.Number = 4

	statusCode protowire.Number = 1 // of google.rpc.Status and of HttpStatus

	okHeaders         protowire.Number = 2
	okHeadersToRemove protowire.Number = 5
	okResponseHeaders protowire.Number = 6

	deniedStatus  protowire.Number = 1
	deniedHeaders protowire.Number = 2
	deniedBody    protowire.Number = 3

	optionHeader       protowire.Number = 1
	optionAppend       protowire.Number = 2
	optionAppendAction protowire.Number = 3

	headerKey   protowire.Number = 1
	headerValue protowire.Number = 2

	structFields protowire.Number = 1
	entryOfKey   protowire.Number = 1
	entryOfValue protowire.Number = 2
	valueString  protowire.Number = 3
)

// overwriteIfExistsOrAdd is the value of append_action; append_if_exists_or_add
// is its zero value.
const overwriteIfExistsOrAdd = 2

// response appends the answer for a decision. granted and replied are the only
// two functions that make a CheckResponse from one; status.code and body are
// written together.
func (a answer) response(d *authz.Decision) {
	if g := d.Grant(); g != nil {
		a.granted(d, g)
		return
	}
	a.replied(d, d.Reply())
}

// instead appends the answer for another decision in place of what there is.
func (a answer) instead(d *authz.Decision) {
	*a.bytes = (*a.bytes)[:0]
	a.response(d)
}

// writable reports whether every header is text that protobuf can carry and a
// header can hold. The core makes no other; if it ever did, the answer would
// become a gRPC error, so the server refuses instead.
func writable(fields []authz.Field) bool {
	for i := range fields {
		if !text(fields[i].Name) || !text(fields[i].Value) {
			return false
		}
	}
	return true
}

func text(s string) bool {
	ascii := true
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c < 0x20 && c != '\t' || c == 0x7f {
			return false
		}
		ascii = ascii && c < 0x80
	}
	return ascii || utf8.ValidString(s)
}

func valid(s string) string { return strings.ToValidUTF8(s, "?") }

func (a answer) granted(d *authz.Decision, g *authz.Grant) {
	a.status(codes.OK)
	ok := a.open(responseOK)
	for _, f := range g.Set() {
		a.overwrite(okHeaders, f.Name, f.Value)
	}
	for _, name := range g.Remove() {
		a.element(okHeadersToRemove, name)
	}
	for _, cookie := range d.SetCookies() {
		a.add(okResponseHeaders, "set-cookie", cookie)
	}
	if len(d.SetCookies()) > 0 { // else a cache could give one person's session to others
		a.overwrite(okResponseHeaders, "cache-control", "no-store")
	}
	a.close(ok)
	a.metadata(&d.Record)
}

func (a answer) replied(d *authz.Decision, reply *authz.Reply) {
	a.status(codeOf(reply.Status))
	denied := a.open(responseDenied)
	status := a.open(deniedStatus)
	a.number(statusCode, reply.Status)
	a.close(status)
	a.overwrite(deniedHeaders, "cache-control", "no-store")
	set := func(name, value string) {
		if value != "" && text(value) {
			a.overwrite(deniedHeaders, name, value)
		}
	}
	set(DecisionHeader, d.Record.ID)
	set("location", reply.Location)
	if len(reply.Body) > 0 {
		set("content-type", reply.ContentType)
		set("x-content-type-options", "nosniff")
	}
	if reply.ContentType == authz.PageType {
		set("content-security-policy", authz.PagePolicy())
		set("referrer-policy", "same-origin") // not no-referrer, which makes the Origin of a page's own form null
	}
	if reply.Status == http.StatusServiceUnavailable {
		set("retry-after", "1")
	}
	for _, challenge := range reply.Challenges {
		if text(challenge) {
			a.add(deniedHeaders, "www-authenticate", challenge)
		}
	}
	for _, cookie := range d.SetCookies() {
		if text(cookie) {
			a.add(deniedHeaders, "set-cookie", cookie)
		}
	}
	a.text(deniedBody, string(reply.Body))
	a.close(denied)
	a.metadata(&d.Record)
}

// codeOf returns a gRPC code that is not OK; beyond that Envoy does not look at
// it.
func codeOf(status int) codes.Code {
	switch status {
	case http.StatusUnauthorized:
		return codes.Unauthenticated
	case http.StatusServiceUnavailable:
		return codes.Unavailable
	}
	return codes.PermissionDenied
}

func (a answer) status(code codes.Code) {
	status := a.open(responseStatus)
	a.number(statusCode, int(code))
	a.close(status)
}

// overwrite sets a header in place of every value it has. Envoy reads append and
// ignores append_action in request headers, and has done the reverse.
func (a answer) overwrite(list protowire.Number, name, value string) {
	option := a.open(list)
	a.header(name, value)
	a.close(a.open(optionAppend)) // present, and false
	a.number(optionAppendAction, overwriteIfExistsOrAdd)
	a.close(option)
}

// add adds a line to a response. Envoy drops lines with append: true from a
// denial, so append stays unset.
func (a answer) add(list protowire.Number, name, value string) {
	option := a.open(list)
	a.header(name, value)
	a.close(option)
}

func (a answer) header(name, value string) {
	header := a.open(optionHeader)
	a.text(headerKey, name)
	a.text(headerValue, value)
	a.close(header)
}

// metadata is what Envoy's access log, RBAC and rate limits may see of a
// decision, under envoy.filters.http.ext_authz. It never holds the assertion.
func (a answer) metadata(rec *authz.Record) {
	s := a.open(responseMetadata)
	for _, f := range [...]authz.Field{
		{Name: "decision_id", Value: rec.ID}, {Name: "outcome", Value: string(rec.Outcome)}, {Name: "reason", Value: string(rec.Reason)},
		{Name: "would_deny", Value: string(rec.WouldDeny)}, {Name: "rule", Value: rec.Rule}, {Name: "source", Value: rec.Source}, {Name: "subject", Value: rec.Subject},
		{Name: "audience", Value: rec.Audience}, {Name: "kid", Value: rec.KeyID}, {Name: "jti", Value: rec.JWTID},
	} {
		if f.Value == "" {
			continue
		}
		member := a.open(structFields)
		a.text(entryOfKey, f.Name)
		value := a.open(entryOfValue)
		a.element(valueString, f.Value)
		a.close(value)
		a.close(member)
	}
	a.close(s)
}
