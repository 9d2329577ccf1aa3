package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"privyseal/keys"
)

// document is a store in memory. meanwhile, if set, happens once before a swap.
type document struct {
	text      []byte
	rev       string
	fail      error
	meanwhile func()
}

func (d *document) Load(context.Context) (keys.Version, error) {
	if d.text == nil && d.fail == nil {
		return keys.Version{}, fs.ErrNotExist
	}
	return keys.Version{Document: d.text, Revision: d.rev}, d.fail
}

func (d *document) Swap(_ context.Context, text []byte, rev string) (string, error) {
	if f := d.meanwhile; f != nil {
		d.meanwhile = nil
		f()
	}
	if rev != d.rev {
		return "", keys.ErrConflict
	}
	d.text, d.rev = text, d.rev+"x"
	return d.rev, nil
}

// ringIn returns the keyring in a store, of an hour's period, for somebody whose
// clock is late.
func ringIn(t *testing.T, store keys.Store, late time.Duration) *keyring {
	clock := func() time.Time { return time.Now().Add(-late) }
	keeper, err := keys.NewKeeper(keys.KeeperOptions{
		Ring: keys.NewRing(keys.RingOptions{Now: clock}), Store: store, Now: clock,
		Schedule: keys.Schedule{RotateEvery: time.Hour, PublishBefore: 25 * time.Minute},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &keyring{keeper, "privyseal.yaml"}
}

// quiet is a command that talks to a buffer.
func quiet(t *testing.T) (*cobra.Command, *bytes.Buffer) {
	talk := new(bytes.Buffer)
	c := &cobra.Command{}
	c.SetContext(t.Context())
	c.SetOut(talk)
	c.SetErr(talk)
	return c, talk
}

func (d *document) next(t *testing.T) string {
	parsed, err := keys.ParseDocument(d.text)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range parsed.Keys {
		if k.State == keys.StateNext {
			return k.KeyID
		}
	}
	t.Fatal("no next key")
	return ""
}

// TestNextKeyThatSigns: replicas sign with the next key before the document says
// so. It is not revoked, nor is the key before it taken for the lost one.
func TestNextKeyThatSigns(t *testing.T) {
	store := &document{}
	if err := ringIn(t, store, 90*time.Minute).Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := string(store.text)
	c, _ := quiet(t)
	_, revokeErr := revoke(c, ringIn(t, store, 0), store.next(t), true)
	rotateErr := rotate(c, ringIn(t, store, 0), rotation{Mode: keys.ModeAvailability, yes: true})
	for _, err := range []error{revokeErr, rotateErr} {
		if err == nil || !strings.Contains(err.Error(), "has begun to sign") {
			t.Errorf("%v", err)
		}
	}
	if string(store.text) != before {
		t.Error("the keyring was changed")
	}
}

// TestChangedMeanwhile: whoever confirms what they were shown is told that
// something else was changed.
func TestChangedMeanwhile(t *testing.T) {
	store := &document{}
	if err := ringIn(t, store, 0).Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	store.meanwhile = func() {
		if _, err := ringIn(t, store, 0).Rotate(t.Context(), keys.ModePurge); err != nil {
			t.Error(err)
		}
	}
	c, talk := quiet(t)
	if err := rotate(c, ringIn(t, store, 0), rotation{Mode: keys.ModePurge, yes: true}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(talk.String(), "warning: somebody else changed the keyring meanwhile: generation 2 was changed, not 1") {
		t.Error(talk.String())
	}
}

// TestLost: no answer is not a no, and what a store says is fit to be shown.
func TestLost(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
	}{
		{&net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused\x1b[2J")}, unreachable},
		{context.DeadlineExceeded, unreachable},
		{errors.New("permission denied\x1b[2J" + strings.Repeat("x", 1<<20)), no},
	} {
		_, err := ringIn(t, &document{fail: c.err}, 0).look(t.Context())
		var f *failure
		if !errors.As(err, &f) || f.status != c.status || len(err.Error()) > 2000 || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%v: %.2000v", c.err, err)
		}
	}
}
