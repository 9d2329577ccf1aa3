package login

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"privyseal/authz"
)

const (
	flowLife = 10 * time.Minute
	maxFlows = 4
)

// flow is one attempt to log in. It is sealed in a cookie of its own.
type flow struct {
	ID       string   `json:"id"`
	State    string   `json:"state"` // the whole parameter
	Nonce    string   `json:"nonce"`
	Verifier string   `json:"verifier"` // PKCE, RFC 7636
	Target   string   `json:"target"`
	Redirect string   `json:"redirect"` // the redirect URI, repeated with the code
	Started  int64    `json:"started"`
	ACR      []string `json:"acr,omitempty"`     // any of which the login must have
	MaxAge   int64    `json:"max_age,omitempty"` // seconds; 0 is any
}

// newFlow makes an attempt. Its id begins with the time, so that the oldest of
// several is known by the names of their cookies.
func (s *source) newFlow(r *authz.Request, target string, up *authz.StepUp) (*flow, error) {
	var random [88]byte
	if _, err := io.ReadFull(s.env.Rand, random[:]); err != nil {
		return nil, fmt.Errorf("no randomness for a login: %v", err)
	}
	text := base64.RawURLEncoding.EncodeToString
	now := s.env.Now()
	f := &flow{
		ID:    sortable(now) + text(random[:9]),
		Nonce: text(random[9:33]), Verifier: text(random[33:65]), // 43 characters, the least that RFC 7636 allows
		Target: target, Redirect: origin(r) + s.RedirectPath, Started: now.Unix(),
		ACR: s.ACRValues, MaxAge: int64(s.MaxAge / time.Second),
	}
	f.State = s.Name + "." + f.ID + "." + text(random[65:])
	if up != nil {
		if len(up.ACR) > 0 {
			f.ACR = up.ACR
		}
		if age := int64(up.MaxAge / time.Second); age > 0 && (f.MaxAge == 0 || age < f.MaxAge) {
			f.MaxAge = age
		}
	}
	return f, nil
}

// sortable writes a time in seven characters that sort like the time.
func sortable(t time.Time) string {
	text := strconv.FormatInt(t.Unix(), 36)
	return strings.Repeat("0", max(0, 7-len(text))) + text
}

// keep gives the browser the attempt's cookie and takes the oldest of the
// others away, so that there are never more than [maxFlows].
func (s *source) keep(r *authz.Request, fx *authz.Effects, f *flow) error {
	sealed, err := s.flows.seal(f, r.Host)
	if err != nil {
		return err
	}
	line := cookieLine(flowPrefix+f.ID, sealed, flowLife)
	if len(line) > maxCookieBytes {
		return errors.New("the cookie of a login is too large")
	}
	fx.SetCookie(line)
	others := cookiesNamed(r, flowPrefix)
	for len(others) >= maxFlows {
		fx.SetCookie(cookieLine(others[0], "", 0))
		others = others[1:]
	}
	return nil
}

// parseState splits a state parameter into the source's name and the attempt's
// id, of which nothing is believed yet.
func parseState(state string) (source, id string, ok bool) {
	parts := strings.Split(state, ".")
	if len(parts) != 3 || len(state) > 256 || len(parts[1]) > 64 {
		return "", "", false
	}
	for i := 0; i < len(parts[1]); i++ { // it becomes the name of a cookie
		if c := parts[1][i]; c != '-' && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return "", "", false
		}
	}
	return parts[0], parts[1], true
}

// errNoFlow says that the browser has no cookie for an attempt.
var errNoFlow = errors.New("the browser holds no login of this state")

// find returns the attempt that a callback's state belongs to.
func (s *source) find(r *authz.Request, id, state string) (*flow, error) {
	value, ok, err := authz.Cookie(r.Headers, flowPrefix+id)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errNoFlow
	}
	var f flow
	if err := s.flows.open(value, r.Host, &f); err != nil {
		return nil, loginFailed("the login was begun elsewhere, or too long ago", fmt.Errorf("source %s: the flow cookie %v", s.Name, err))
	}
	if subtle.ConstantTimeCompare([]byte(f.State), []byte(state)) != 1 {
		return nil, loginFailed("the answer is not to this login", fmt.Errorf("source %s: state is another than the flow's", s.Name))
	}
	if age := s.env.Now().Unix() - f.Started; age < -60 || age > int64(flowLife/time.Second) {
		return nil, loginFailed("the login took too long: begin it again", fmt.Errorf("source %s: the flow is %d seconds old", s.Name, age))
	}
	return &f, nil
}

// authorization is the URL at the provider where the attempt goes on.
func (f *flow) authorization(c *oauth2.Config) string {
	config := *c
	config.RedirectURL = f.Redirect
	parameters := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(f.Verifier), oauth2.SetAuthURLParam("nonce", f.Nonce)}
	if len(f.ACR) > 0 {
		parameters = append(parameters, oauth2.SetAuthURLParam("acr_values", strings.Join(f.ACR, " ")))
	}
	if f.MaxAge > 0 {
		parameters = append(parameters, oauth2.SetAuthURLParam("max_age", strconv.FormatInt(f.MaxAge, 10)))
	}
	return config.AuthCodeURL(f.State, parameters...)
}

// digest names the exchange of a code for an attempt.
func (f *flow) digest(code string) [sha256.Size]byte {
	return sha256.Sum256([]byte(f.State + "\x00" + code))
}

// loginFailed is the denial of a login that cannot be completed.
func loginFailed(detail string, cause error) *authz.Denial {
	return (&authz.Denial{Reason: authz.LoginFailed, Detail: detail}).Because(cause)
}
