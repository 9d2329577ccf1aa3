package credential

import (
	"errors"
	"strings"
)

// Bounds of the SPIFFE-ID specification, section 2.3.
const (
	maxSPIFFEBytes      = 2048
	maxTrustDomainBytes = 255
)

var errSPIFFE = errors.New("is not a SPIFFE ID of a workload: spiffe://, a trust domain, and a path of letters, digits and any of .-_")

// trustDomainOf reads the SPIFFE ID of a workload, by the letter of the
// SPIFFE-ID specification, section 2: no empty, "." or ".." segment, no escape,
// port, user, query or fragment, and a path, which X509-SVID requires of what
// is not a CA. There is then one spelling of each id, and ids may be compared
// as text.
func trustDomainOf(id string) (string, error) {
	rest, ok := strings.CutPrefix(id, "spiffe://")
	if !ok || len(id) > maxSPIFFEBytes {
		return "", errSPIFFE
	}
	domain, path, ok := strings.Cut(rest, "/")
	if !ok || validTrustDomain(domain) != nil {
		return "", errSPIFFE
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "" || segment == "." || segment == ".." || strings.ContainsFunc(segment, notInSegment) {
			return "", errSPIFFE
		}
	}
	return domain, nil
}

func notInSegment(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '.' || r == '-' || r == '_')
}

func validTrustDomain(domain string) error {
	if domain == "" || len(domain) > maxTrustDomainBytes {
		return errors.New("is not between 1 and 255 bytes long")
	}
	for i := 0; i < len(domain); i++ {
		if c := domain[i]; !lowerAlphanumeric(c) && strings.IndexByte(".-_", c) < 0 {
			return errors.New("is not a trust domain: lower-case letters, digits and any of .-_, without spiffe://")
		}
	}
	return nil
}
