//go:build linux

package main

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// bar is one line of the picture.
type bar struct {
	label  string
	ratio  spread
	target float64 // 0: none
}

// bars are the ratios of CPU time to the floor.
func (r *report) bars() []bar {
	bars := []bar{{label: "floor", ratio: spread{1, 1, 1}}}
	for _, result := range r.Results {
		n := len(result.Contenders)
		if n < 2 || result.Contenders[0].Name != floorSystem(false).name() {
			continue
		}
		b := bar{label: result.Name, ratio: result.Contenders[n-1].ratio(&result.Contenders[0], cpu)}
		if result.Name == "floors" {
			b.label = result.Contenders[n-1].Name
		}
		for _, v := range result.Verdicts {
			if v.Metric == cpu && v.Against == result.Contenders[0].Name {
				b.target = v.Limit
			}
		}
		bars = append(bars, b)
	}
	return bars
}

// picture draws the bars as SVG, without colors that only some can tell apart:
// a bar for the median, a whisker for the spread, an upright line for the target.
func (r *report) picture() string {
	const left, width, step = 150, 420, 28
	bars := r.bars()
	most := 1.0
	for _, b := range bars {
		most = max(most, b.ratio.Most, b.target)
	}
	x := func(ratio float64) float64 { return left + ratio/most*width }
	var s strings.Builder
	height := step*len(bars) + 40
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" width="660" height="%d" font-family="sans-serif" font-size="13">`+"\n", height)
	fmt.Fprintf(&s, `<rect width="660" height="%d" fill="#fff"/>`+"\n", height)
	for i, b := range bars {
		y := 10 + i*step
		s.WriteString(`<text x="` + fmt.Sprint(left-8) + `" y="` + fmt.Sprint(y+14) + `" text-anchor="end">`)
		xml.EscapeText(&s, []byte(b.label))
		s.WriteString("</text>\n")
		fmt.Fprintf(&s, `<rect x="%d" y="%d" width="%.1f" height="18" fill="#7a93ac"/>`+"\n", left, y, x(b.ratio.Median)-left)
		fmt.Fprintf(&s, `<path d="M%.1f %dH%.1f" stroke="#222"/>`+"\n", x(b.ratio.Least), y+9, x(b.ratio.Most))
		if b.target > 0 {
			fmt.Fprintf(&s, `<path d="M%.1f %dv24" stroke="#b00" stroke-width="2"/>`+"\n", x(b.target), y-3)
		}
		fmt.Fprintf(&s, `<text x="%.1f" y="%d">%.2f</text>`+"\n", x(max(b.ratio.Most, b.target))+6, y+14, b.ratio.Median)
	}
	fmt.Fprintf(&s, `<text x="%d" y="%d" font-size="11">server CPU per Check ÷ floor; thin line: spread of the rounds; red: target, at most</text>`+"\n</svg>\n", left, height-12)
	return s.String()
}
