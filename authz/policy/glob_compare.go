package policy

// everything is the glob that fits every path.
var everything = pathGlob{"/**", []string{"**"}}

// covers reports whether g fits every path that other fits. It may miss a case;
// it never claims one that is not: the stars of other are taken for characters
// that only stars of g fit.
func (g *pathGlob) covers(other *pathGlob) bool {
	own, others := g.split(), other.split()
	fits := func(a, b string) bool { return b != "**" && wildcard(a, b) }
	return compare(own, others, fits, false)
}

// meets reports whether some path may fit both. It may claim that where there is
// none, never the converse.
func (g *pathGlob) meets(other *pathGlob) bool {
	return compare(g.split(), other.split(), overlap, true)
}

// compare compares two lists of segments. "**" of a stands for any segments of b,
// also none but at its end; with both, the same holds the other way round.
func compare(a, b []string, fits func(a, b string) bool, both bool) bool {
	reached := make([][]bool, len(a)+1) // reached[i][j]: a[:i] and b[:j] agree
	for i := range reached {
		reached[i] = make([]bool, len(b)+1)
	}
	reached[0][0] = true
	for i := range len(a) + 1 {
		for j := range len(b) + 1 {
			if !reached[i][j] {
				continue
			}
			deepA, deepB := i < len(a) && a[i] == "**", both && j < len(b) && b[j] == "**"
			if i < len(a) && j < len(b) && (deepA || deepB || fits(a[i], b[j])) {
				reached[i+1][j+1] = true
			}
			if deepA && j < len(b) {
				reached[i][j+1] = true // one segment more
			}
			if deepA && i < len(a)-1 {
				reached[i+1][j] = true // none
			}
			if deepB && i < len(a) {
				reached[i+1][j] = true
			}
			if deepB && j < len(b)-1 {
				reached[i][j+1] = true
			}
		}
	}
	return reached[len(a)][len(b)]
}

// overlap reports whether some segment fits both patterns, by their literal
// beginnings and ends.
func overlap(a, b string) bool {
	return agree(a, b, func(s string, i int) byte { return s[i] }) &&
		agree(a, b, func(s string, i int) byte { return s[len(s)-1-i] }) &&
		(!literal(a) || wildcard(b, a)) && (!literal(b) || wildcard(a, b))
}

func literal(segment string) bool {
	for i := range len(segment) {
		if segment[i] == '*' {
			return false
		}
	}
	return true
}

// agree compares characters, from one end, up to the first star.
func agree(a, b string, at func(string, int) byte) bool {
	for i := range min(len(a), len(b)) {
		x, y := at(a, i), at(b, i)
		if x == '*' || y == '*' {
			return true
		}
		if x != y {
			return false
		}
	}
	return true
}
