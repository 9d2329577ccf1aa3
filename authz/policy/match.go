package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// match compiles a rule's own match into n and narrows the scope by it. What no
// request can fit together with the rules around is a mistake.
func (c *compiler) match(path string, m *Match, n *node, s *scope) {
	c.matchHosts(path+".hosts", m.Hosts, n, s)
	c.matchPaths(path+".paths", m.Paths, n, s)
	c.matchMethods(path+".methods", m.Methods, n, s)
	c.matchGRPC(path+".grpc", m, n, s)
	c.matchNetworks(path+".networks", m.Networks, n)
	c.matchExtensions(path+".context_extensions", m.Extensions, n, s)
	s.networks = append(slices.Clip(s.networks), n.networks.list()...)
	if m.Paths != nil && slices.Equal(n.methods, []string{"CONNECT"}) {
		c.wrongf(path+".paths", "stands beside the one method CONNECT, which has no path: no request could fit")
	}
	if n.paths != nil {
		c.reading.join(n.reach)
	}
}

func (c *compiler) matchHosts(path string, hosts []string, n *node, s *scope) {
	if hosts == nil {
		n.hosts.any, n.reach = true, s.hosts
		return
	}
	c.length(path, len(hosts))
	for i, text := range hosts {
		at := fmt.Sprintf("%s[%d]", path, i)
		name, err := n.hosts.add(text)
		c.wrong(at, err)
		if name != "" && !s.hosts.fits(name) {
			c.wrongf(at, "is not among the hosts of the rule around it: no request could fit")
		}
	}
	n.reach = n.hosts.within(s.hosts)
	if n.reach.empty() && n.hosts.open() {
		c.wrongf(path, "fits none of the hosts of the rule around it: no request could fit")
	}
	s.hosts, s.literals, s.hostText = n.reach, nil, hosts
	if !n.reach.open() {
		s.literals = n.reach.entries() // never nil
	}
}

func (c *compiler) matchPaths(path string, paths []string, n *node, s *scope) {
	if paths == nil {
		return
	}
	c.length(path, len(paths))
	n.paths = make([]pathGlob, 0, len(paths))
	for i, text := range paths {
		glob, err := compilePath(text)
		if err != nil {
			c.wrong(fmt.Sprintf("%s[%d]", path, i), err)
			continue
		}
		n.paths = append(n.paths, glob)
	}
	s.pathText = paths
}

// matchMethods also inherits: a rule within one that lists CONNECT fits it.
func (c *compiler) matchMethods(path string, methods []string, n *node, s *scope) {
	if methods != nil {
		c.length(path, len(methods))
		for i, method := range methods {
			at := fmt.Sprintf("%s[%d]", path, i)
			if err := validMethod(method); err != nil {
				c.wrong(at, err)
			} else if s.depth > 1 && !(&node{methods: s.methods}).fitsMethod(method) {
				c.wrongf(at, "%s is not among the methods of the rule around it: no request could fit", method)
			}
		}
		s.methods = slices.Clone(methods)
	}
	n.methods = s.methods
}

func (c *compiler) matchExtensions(path string, extensions map[string]string, n *node, s *scope) {
	if extensions == nil {
		return
	}
	c.length(path, len(extensions))
	for _, key := range slices.Sorted(maps.Keys(extensions)) {
		at, value := path+"."+key, extensions[key]
		switch {
		case key == "":
			c.wrongf(path, "has an empty key")
		case value == "":
			c.wrongf(at, "is empty: requests of routes without this extension would fit")
		case len(key) > maxValue || len(value) > maxValue:
			c.wrongf(path, "has a key or value longer than %d bytes", maxValue)
		}
		for _, around := range s.requires {
			if around.key == key && around.value != value {
				c.wrongf(at, "contradicts the rule around it, which requires another value: no request could fit")
			}
		}
		n.requires = append(n.requires, extension{key, value})
	}
	s.requires = append(slices.Clip(s.requires), n.requires...)
}

// length bounds a list of a match.
func (c *compiler) length(path string, n int) {
	switch {
	case n == 0:
		c.wrongf(path, "is empty: no request could fit; leave it out to fit any")
	case n > maxValues:
		c.wrongf(path, "has %d entries, over %d", n, maxValues)
	}
}

// maxPattern bounds what every record of a rule repeats.
const maxPattern = 200

// pattern writes the match in one line, innermost keys first to be seen:
// "orders.example.com /v1/** GET,POST".
func (s *scope) pattern() string {
	parts := []string{"*"}
	if s.hostText != nil {
		parts[0] = strings.Join(s.hostText, ",")
	}
	if s.pathText != nil {
		parts = append(parts, strings.Join(s.pathText, ","))
	}
	if s.methods != nil {
		parts = append(parts, strings.Join(s.methods, ","))
	}
	for _, network := range s.networks {
		parts = append(parts, network.String())
	}
	for _, e := range s.requires {
		parts = append(parts, e.key+"="+e.value)
	}
	line := strings.Join(parts, " ")
	if len(line) > maxPattern {
		line = strings.ToValidUTF8(line[:maxPattern-3], "") + "..."
	}
	return line
}
