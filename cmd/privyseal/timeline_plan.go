package main

import (
	"fmt"
	"time"

	"privyseal/keys"
)

// secondRotation is how long the new next key should have been published before
// an emergency is concluded: by then all but the slowest verifiers know it.
const secondRotation = time.Hour

// propagation is within what time every replica in service has heard of a
// change.
func (t timeline) propagation() time.Duration {
	return keys.Schedule{PublishBefore: t.publishBefore}.Propagation()
}

// refusal returns why a rotation would be refused, or "".
func (t timeline) refusal(m keys.Mode) string {
	next, at := t.in(keys.StateNext), t.now.Add(t.propagation())
	switch {
	case m == keys.ModePurge:
		return ""
	case next == nil:
		return "there is no next key: it could not be made, see the log of the replicas"
	case t.unwritten():
		return unwritten
	case m == keys.ModeAvailability:
		return ""
	case next.ActivateAt.Before(at):
		return fmt.Sprintf("key %s signs anyway: %s", shortKeyID(next.KeyID), t.moment(next.ActivateAt))
	case next.PublishedAt.Add(t.publishBefore).After(at):
		return fmt.Sprintf("key %s has not been published for long enough: it can sign without failures from %s", shortKeyID(next.KeyID), t.moment(next.PublishedAt.Add(t.publishBefore)))
	}
	return ""
}

// unwritten reports whether the next key of a document signs already: replicas
// let it when its time comes, and then one of them writes that down. To take the
// document by its word would be to take the wrong key away.
func (t timeline) unwritten() bool {
	next := t.in(keys.StateNext)
	return next != nil && !t.now.Before(next.ActivateAt)
}

const unwritten = "the next key has begun to sign, and no replica has written it down yet: try again in a minute"

// plan says what a rotation will do and what it costs: which verifiers refuse
// good assertions or accept those of a lost key, and for how long.
func (t timeline) plan(m keys.Mode) []string {
	signing, next := t.signing(), "the next key"
	if k := t.in(keys.StateNext); k != nil {
		next = shortKeyID(k.KeyID)
	}
	switch m {
	case keys.ModeAvailability:
		return t.planAvailability(signing, next)
	case keys.ModePurge:
		return t.planPurge(signing, next)
	}
	return []string{
		"What happens:",
		fmt.Sprintf("  - %s signs in place of %s within %s, as soon as every", next, signing, span(t.propagation())),
		"    replica can have heard of it.",
		fmt.Sprintf("  - %s stays published for as long as it would have been.", signing),
		"  - Then a new next key is made.",
		"What it costs: nothing.",
	}
}

func (t timeline) planAvailability(signing, next string) []string {
	fresh := t.now.Add(t.publishBefore) // when the key that is made now signs, at the earliest
	if t.Store.CompleteUntil.After(fresh) {
		fresh = t.Store.CompleteUntil
	}
	known := "verifiers know it already."
	if k := t.in(keys.StateNext); k != nil && t.now.Before(k.PublishedAt.Add(t.publishBefore)) {
		known = fmt.Sprintf("it has been published for %s only,\n    and verifiers that have not fetched since REFUSE ITS ASSERTIONS meanwhile.", span(t.now.Sub(k.PublishedAt)))
	}
	return []string{
		"What happens:",
		fmt.Sprintf("  - %s signs at once; %s", next, known),
		fmt.Sprintf("  - %s leaves the key set at once.", signing),
		"  - A new next key is made.",
		"What it costs:",
		fmt.Sprintf("  - Assertions of %s that are on their way are refused by verifiers", signing),
		"    that have fetched the new key set. Replicas go on making them until they",
		fmt.Sprintf("    have read the keyring: usually a minute, at most %s.", span(t.propagation())),
		fmt.Sprintf("  - Verifiers that fetch at intervals trust %s until they fetch:", signing),
		"    Envoy 10m, Istio 20m, the slowest a day.",
		"  - Verifiers that fetch only when they meet an unknown kid (go-oidc,",
		fmt.Sprintf("    kube-apiserver, Vault) hold %s already. They do not fetch, and", next),
		"    TRUST THE LOST KEY until the new next key signs,",
		fmt.Sprintf("    about %s, unless you rotate a second time.", t.moment(fresh)),
	}
}

func (t timeline) planPurge(signing, next string) []string {
	return []string{
		"What happens:",
		fmt.Sprintf("  - %s and %s leave the key set at once.", signing, next),
		"  - A new key, which no verifier knows, signs at once; and a next one is made.",
		"What it costs:",
		"  - Verifiers that fetch when they meet an unknown kid drop the lost keys at",
		"    once. Those that limit how often they fetch refuse assertions until they",
		"    may: 30s as a rule, keyfunc 5m.",
		"  - Verifiers that fetch at intervals only REFUSE EVERY ASSERTION until then:",
		"    Envoy 10m, Istio 20m, jwx 30m, the slowest a day; and trust the lost keys",
		"    as long.",
		"  - Caches on the way keep the old key set for up to 5m.",
		"  - Replicas sign with the lost key until they have read the keyring: usually",
		fmt.Sprintf("    a minute, at most %s.", span(t.propagation())),
	}
}

// next says what to do after a rotation.
func (t timeline) next(m keys.Mode) []string {
	list := []string{
		"What next:",
		fmt.Sprintf("  - Replicas follow by themselves, usually within a minute, at most %s:", span(t.propagation())),
		"      privyseal keys status --admin URL --admin URL…",
		fmt.Sprintf("    then shows generation %d for each of them.", t.Store.Generation),
	}
	next := t.in(keys.StateNext)
	switch {
	case next == nil:
		return append(list, "  - There is no next key yet: replicas try again to make one.")
	case m == keys.ModePlanned:
		return append(list, fmt.Sprintf("  - %s signs from %s.", shortKeyID(next.KeyID), t.moment(next.ActivateAt)))
	case m == keys.ModeAvailability:
		return append(list,
			"  - Unless this was the second rotation, rotate a second time, so that nobody",
			fmt.Sprintf("    trusts the lost key: when %s has been published for %s,", shortKeyID(next.KeyID), span(secondRotation)),
			"    "+t.date(next.PublishedAt.Add(secondRotation))+":",
			"      privyseal keys rotate --mode availability",
			"    Verifiers that fetch more seldom than every hour, and not when they meet",
			"    an unknown kid, then refuse assertions until they fetch.")
	}
	return append(list,
		"  - Replace the credentials of the store, and see who reads its backups.",
		"  - If the key-encryption key may be lost too, make the new one the first of",
		"    every replica, purge again, and then take the old one away.")
}
