package policy

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// TestComparingGlobs holds what is said of two globs to all short paths of their
// words: what covers fits whatever the other fits, and what does not meet has no
// path in common.
func TestComparingGlobs(t *testing.T) {
	var paths []string
	words := []string{"", "a", "b", "ab", "ba", "aab"}
	for _, one := range words {
		paths = append(paths, "/"+one)
		for _, two := range words {
			paths = append(paths, "/"+one+"/"+two)
			for _, three := range words {
				paths = append(paths, "/"+one+"/"+two+"/"+three)
			}
		}
	}
	random := rand.New(rand.NewPCG(3, 4))
	glob := func() pathGlob {
		pieces := []string{"**", "**", "*", "a", "b", "a*", "*a", "*b*", "ab"}
		var b strings.Builder
		for range 1 + random.IntN(4) {
			b.WriteString("/" + pieces[random.IntN(len(pieces))])
		}
		g, err := compilePath(b.String())
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	covering, apart := 0, 0
	for range 6000 {
		a, b := glob(), glob()
		covers, meets := a.covers(&b), a.meets(&b)
		if meets != b.meets(&a) {
			t.Fatalf("%s and %s meet one way only", a.text, b.text)
		}
		if covers {
			covering++
		}
		if !meets {
			apart++
		}
		for _, path := range paths {
			fitsA, fitsB := a.fits(path), b.fits(path)
			if covers && fitsB && !fitsA || !meets && fitsA && fitsB {
				t.Fatalf("%s covers %s: %v, meets: %v; but %s fits them %v, %v", a.text, b.text, covers, meets, path, fitsA, fitsB)
			}
		}
	}
	if covering < 500 || apart < 500 {
		t.Errorf("%d pairs cover, %d are apart: the comparison says little", covering, apart)
	}
}
