package credential

import (
	"context"
	"fmt"

	"privyseal/authz"
)

// shelf is where a filter files claims: a key of a namespace.
type shelf struct{ namespace, key string }

// metadata is the authenticator of one shelf: the sources that one rule admits
// and that read there, each with an issuer of its own. It checks again what the
// filter may have been told to check otherwise: issuer, audience and times.
// Nothing is hidden from the application: where the filter found the token is
// its business.
type metadata struct {
	shelf   shelf
	sources []*metadataSource
}

var _ authz.Authenticator = (*metadata)(nil)

// metadataSource is one source of claims that a filter verified.
type metadataSource struct {
	shelf  shelf
	reader reader
	env    *Env
}

// Authenticate implements [authz.Authenticator].
func (m *metadata) Authenticate(_ context.Context, r *authz.Request, _ *authz.Effects) (*authz.Identity, error) {
	filed, err := r.Facts.Metadata(m.shelf.namespace)
	if err != nil {
		return nil, malformed("dynamic metadata cannot be read").Because(err)
	}
	v, present := filed[m.shelf.key]
	if !present {
		return nil, authz.ErrNoCredential
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, malformed("dynamic metadata holds no claims").
			Because(fmt.Errorf("%s of %s is a %T, not an object", quote(m.shelf.key), quote(m.shelf.namespace), v))
	}
	issuer, _ := object["iss"].(string)
	for _, source := range m.sources {
		if source.reader.issuer == issuer {
			return source.identify(object)
		}
	}
	return nil, unknownIssuer(issuer)
}

func (s *metadataSource) identify(object map[string]any) (*authz.Identity, error) {
	if s.env.OwnIssuer(s.reader.issuer) {
		return nil, ownAssertion(s.reader.issuer, "")
	}
	claims, err := new(copier).object(object, 1)
	if err != nil {
		return nil, invalid("the claims cannot be read", fmt.Errorf("source %s: claims: %v", s.reader.source, err))
	}
	expires, err := s.reader.check(claims, s.env.Now())
	if err != nil {
		return nil, err
	}
	return s.reader.identity(claims, expires)
}
