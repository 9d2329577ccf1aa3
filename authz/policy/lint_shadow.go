package policy

import (
	"slices"
	"strings"

	"privyseal/authz"
)

// maxPairs bounds the pairs of a host and a path that are looked at one by one
// for a rule; one with more is taken for reached.
const maxPairs = 1 << 12

// shadow looks at each pair of a host and a path that a rule fits, and at the
// earlier rule that owns all of it, if there is one. It reports whether nothing
// is left.
func (l *linter) shadow(earlier []*node, n *node, x *index) bool {
	hosts, paths := n.reach.entries(), n.paths
	if paths == nil {
		paths = []pathGlob{{}}
	}
	if len(earlier) == 0 || len(hosts)*len(paths) > maxPairs {
		return false
	}
	taken := make([][]*node, len(hosts)) // by host and path
	for h, host := range hosts {
		taken[h] = make([]*node, len(paths))
		for p := range paths {
			taken[h][p] = n.takenBy(earlier, x, host, &paths[p])
		}
	}
	return l.shadowed(n, hosts, paths, taken)
}

func (l *linter) shadowed(n *node, hosts []string, paths []pathGlob, taken [][]*node) bool {
	if whole(taken) {
		l.add(n.path, ShadowedRule, "no request reaches rule %s: %s above it %s whatever it fits; move it up, or remove it", n.name, names(taken), own(taken))
		return true
	}
	dead := make([]bool, len(paths)) // for all hosts
	for p := range paths {
		var column [][]*node
		for _, row := range taken {
			column = append(column, row[p:p+1])
		}
		if dead[p] = whole(column); dead[p] {
			l.add(n.path+".match.paths", ShadowedPath, "no request for path %s reaches rule %s: %s above it %s it; move the rule up, or remove the path",
				paths[p].text, n.name, names(column), own(column))
		}
	}
	for h, row := range taken {
		if one := taken[h : h+1]; whole(one) {
			l.add(n.path+".match.hosts", ShadowedHost, "no request for host %s reaches rule %s: %s above it %s it; move the rule up, or remove the host",
				written(hosts[h]), n.name, names(one), own(one))
			continue
		}
		for p, by := range row {
			if by != nil && !dead[p] && n.hosts.literals[hosts[h]] && !by.hosts.any && !by.hosts.literals[hosts[h]] {
				l.add(n.path+".match.paths", WildcardHost, "path %s of host %s belongs to rule %s above, whose hosts have a wildcard, and not to rule %s: move this rule up, unless that is meant",
					paths[p].text, hosts[h], by.name, n.name)
			}
		}
	}
	return false
}

// whole reports whether nothing of a table is left.
func whole(table [][]*node) bool {
	return !slices.ContainsFunc(table, func(row []*node) bool { return slices.Contains(row, nil) })
}

// names names the rules of a table, each once.
func names(table [][]*node) string {
	list := slices.Concat(table...)
	var text []string
	for _, n := range list {
		if !slices.Contains(text, n.name) {
			text = append(text, n.name)
		}
	}
	if len(text) > 3 {
		text = append(text[:3], "others")
	}
	return strings.Join(text, ", ")
}

func own(table [][]*node) string {
	if strings.Contains(names(table), ",") {
		return "own"
	}
	return "owns"
}

func written(entry string) string {
	if entry[0] == '.' {
		return "*" + entry
	}
	return entry
}

// takenBy returns an earlier rule that fits every request to a host and path
// that n fits, or nil. One request that n fits tells most often that there is
// none: the index leads to n itself.
func (n *node) takenBy(earlier []*node, x *index, host string, path *pathGlob) *node {
	if x.first(n.example(host, path)) == n {
		return nil
	}
	for _, by := range earlier {
		if by.takes(n, host, path) {
			return by
		}
	}
	return nil
}

// takes reports whether n fits every request to a host and path that later
// fits, by what each says and inherits.
func (n *node) takes(later *node, host string, path *pathGlob) bool {
	if path.text == "" && !later.fitsMethod("CONNECT") {
		path = &everything
	}
	if !n.hosts.covers(host) || n.paths != nil && (path.text == "" || !n.coversPath(*path)) {
		return false
	}
	if n.grpc && !later.grpc || !n.networks.covers(later.networks) {
		return false
	}
	if later.methods == nil && n.methods != nil || slices.ContainsFunc(later.methods, func(m string) bool { return !n.fitsMethod(m) }) {
		return false
	}
	return !slices.ContainsFunc(n.requires, func(want extension) bool { return !slices.Contains(later.requires, want) })
}

// example is a request that a rule fits, unless the rules around do not.
func (n *node) example(host string, path *pathGlob) *authz.Request {
	r := &authz.Request{Method: "EXAMPLE", Host: host, Headers: authz.HeaderMap{}, Facts: requirements{required: n.requires}}
	switch {
	case host == anyHost:
		r.Host = "host.privyseal-example"
	case host[0] == '.':
		r.Host = "host" + host
	}
	if len(n.methods) > 0 {
		r.Method = n.methods[0]
	}
	if n.networks != nil {
		r.Client = n.networks.list()[0].Addr()
	}
	if n.grpc {
		r.Headers = authz.HeaderMap{"content-type": {"application/grpc"}}
	}
	switch {
	case path.text != "":
		r.Path = strings.ReplaceAll(strings.ReplaceAll(path.text, "**", "some/path"), "*", "some")
	case r.Method != "CONNECT":
		r.Path = "/some/path"
	}
	return r
}

// requirements are facts that say what a rule requires.
type requirements struct {
	authz.NoFacts
	required []extension
}

func (f requirements) Extension(key string) string {
	for _, e := range f.required {
		if e.key == key {
			return e.value
		}
	}
	return ""
}
