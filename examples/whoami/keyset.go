package whoami

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Bounds of looking at the key set for display. Verification does not use what
// is found here.
const (
	lookEvery  = 2 * time.Second
	lookWithin = time.Second
	lookBytes  = 1 << 20
)

// KeySet is what privyseal publishes now.
type KeySet struct {
	Keys     []Key  `json:"keys"`
	Position int    `json:"position,omitempty"` // of the key that the assertion names, from 1
	Error    string `json:"error,omitempty"`
}

// Key is one published key.
type Key struct {
	KeyID     string `json:"kid"`
	Algorithm string `json:"alg"`
	Named     bool   `json:"named,omitempty"` // by the assertion
}

// mark notes which key an assertion names.
func (s *KeySet) mark(kid string) {
	for i := range s.Keys {
		if s.Keys[i].KeyID == kid {
			s.Keys[i].Named = true
			s.Position = i + 1
		}
	}
}

// published looks at the key set, at most every two seconds.
type published struct {
	url string
	now func() time.Time

	mu     sync.Mutex // guards the following
	looked time.Time
	last   KeySet
}

func (p *published) get(ctx context.Context) KeySet {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := p.now(); p.looked.IsZero() || now.Sub(p.looked) >= lookEvery {
		p.looked, p.last = now, p.look(ctx)
	}
	seen := p.last
	seen.Keys = slices.Clone(seen.Keys)
	return seen
}

func (p *published) look(ctx context.Context) (set KeySet) {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	set.Keys = []Key{}
	if err := fetch(ctx, p.url, &set); err != nil {
		return KeySet{Keys: []Key{}, Error: err.Error()}
	}
	return set
}

func fetch(ctx context.Context, url string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, resp.Status)
	}
	return json.NewDecoder(io.LimitReader(resp.Body, lookBytes)).Decode(into)
}
