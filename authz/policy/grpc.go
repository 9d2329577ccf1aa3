package policy

import (
	"errors"
	"fmt"
	"strings"

	"privyseal/authz"
)

// matchGRPC writes gRPC methods as what they are in HTTP: a POST to a path of two
// segments, with a content type of its own.
func (c *compiler) matchGRPC(path string, m *Match, n *node, s *scope) {
	if m.GRPC == nil {
		return
	}
	list := m.GRPC
	c.length(path, len(list))
	if m.Paths != nil || m.Methods != nil {
		c.wrongf(path, "stands beside paths or methods, which it says itself: POST to /service/method; leave them out")
		return
	}
	n.grpc, n.paths = true, make([]pathGlob, 0, len(list))
	s.pathText = make([]string, 0, len(list))
	for i, text := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		if err := validGRPC(text); err != nil {
			c.wrong(at, err)
			continue
		}
		glob, err := compilePath("/" + text)
		c.wrong(at, err)
		n.paths = append(n.paths, glob)
		s.pathText = append(s.pathText, glob.text)
	}
	if !(&node{methods: s.methods}).fitsMethod("POST") {
		c.wrongf(path, "needs POST, which is not among the methods of the rule around it: no request could fit")
	}
	s.methods = []string{"POST"}
	n.methods = s.methods
}

// validGRPC accepts "package.Service/Method" and "package.Service/*".
func validGRPC(text string) error {
	service, method, found := strings.Cut(text, "/")
	switch {
	case strings.HasPrefix(text, "/"):
		return errors.New("begins with '/': write package.Service/Method")
	case !found:
		return errors.New(`names no method: write package.Service/Method, or package.Service/* for all of the service`)
	case method != "*" && !isIdentifier(method):
		return errors.New("has no method name after the '/': a letter or '_', then letters, digits and '_'; or '*'")
	}
	for name := range strings.SplitSeq(service, ".") {
		if !isIdentifier(name) {
			return errors.New("has no service name before the '/': names of letters, digits and '_', joined with dots")
		}
	}
	return nil
}

func isIdentifier(name string) bool {
	for i := 0; i < len(name); i++ {
		if c := name[i]; c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// isGRPC reports whether a request says that it is a gRPC call, of either wire
// format: application/grpc or application/grpc-web, alone or followed by a
// subtype or parameters. A repeated or joined content type is not one.
func isGRPC(h authz.Headers) bool {
	values := h.Values("content-type")
	if len(values) != 1 || strings.IndexByte(values[0], ',') >= 0 {
		return false
	}
	const media = "application/grpc"
	kind := values[0]
	if len(kind) < len(media) || !strings.EqualFold(kind[:len(media)], media) {
		return false
	}
	rest := kind[len(media):]
	return rest == "" || rest[0] == '+' || rest[0] == ';' || len(rest) >= 4 && strings.EqualFold(rest[:4], "-web")
}
