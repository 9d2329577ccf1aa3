package main

import (
	"bytes"
	"strings"
	"time"

	"privyseal/keys"
)

// pictureColumns leaves room for a short kid on 80 columns.
const pictureColumns = 64

// picture draws when each key is published and when it signs, with no more of
// the past than of the future. Configured keys have no future that is known.
func (t timeline) picture() []string {
	if t.Store == nil {
		return nil
	}
	start, end := t.now, t.Store.CompleteUntil
	for _, k := range t.Keys {
		if k.PublishedAt.Before(start) {
			start = k.PublishedAt
		}
		for _, at := range []time.Time{k.ActivateAt, k.RemoveAt} {
			if at.After(end) {
				end = at
			}
		}
	}
	if !end.After(t.now) {
		return nil
	}
	if past := t.now.Add(-end.Sub(t.now)); start.Before(past) {
		start = past
	}
	s := scale{start, end}
	var lines []string
	for _, k := range t.Keys {
		lines = append(lines, strings.TrimRight(padded(shortKeyID(k.KeyID))+string(t.bar(s, k)), " "))
	}
	return append(lines, padded("")+string(s.axis(t.now)), padded("")+"- published   = signs   | now")
}

func padded(kid string) string { return kid + strings.Repeat(" ", max(14-len(kid), 2)) }

// bar is the life of one key.
func (t timeline) bar(s scale, k keys.KeyStatus) []byte {
	line := bytes.Repeat([]byte(" "), pictureColumns)
	change := s.end // when the next key takes over
	if next := t.in(keys.StateNext); next != nil {
		change = next.ActivateAt
		if change.Before(t.now) {
			change = t.now
		}
	}
	switch k.State {
	case keys.StateNext:
		s.draw(line, k.PublishedAt, change, '-')
		s.draw(line, change, s.end, '=')
	case keys.StateSigning:
		s.draw(line, k.PublishedAt, change, '-') // and until what it has signed has expired
		s.draw(line, k.SigningSince, change.Add(-1), '=')
	default:
		s.draw(line, k.PublishedAt, k.RemoveAt, '-')
	}
	line[s.column(t.now)] = '|'
	return line
}

// scale puts times into columns.
type scale struct{ start, end time.Time }

func (s scale) column(at time.Time) int {
	part := float64(at.Sub(s.start)) / float64(s.end.Sub(s.start))
	return int(min(max(part, 0), 1) * (pictureColumns - 1))
}

func (s scale) draw(line []byte, from, to time.Time, mark byte) {
	for i := s.column(from); !to.Before(from) && i <= s.column(to); i++ {
		line[i] = mark
	}
}

// axis says when the picture begins and ends.
func (s scale) axis(now time.Time) []byte {
	layout := "15:04:05"
	switch length := s.end.Sub(s.start); {
	case length > 48*time.Hour:
		layout = "Mon 2 Jan"
	case length > 2*time.Hour:
		layout = "15:04"
	}
	line := bytes.Repeat([]byte(" "), pictureColumns)
	first, last := s.start.UTC().Format(layout), s.end.UTC().Format(layout)
	copy(line, first)
	copy(line[pictureColumns-len(last):], last)
	if at := s.column(now) - 1; at > len(first) && at+4 < pictureColumns-len(last) {
		copy(line[at:], "now")
	}
	return line
}
