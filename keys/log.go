package keys

import (
	"encoding/base64"
	"log/slog"
	"time"
)

// logEphemeral gives the public key in the form that configurations take: there
// is no other way for a verifier to learn it.
func logEphemeral(log *slog.Logger, k *Key, public []byte) {
	log.Warn("no signing key is configured: an ephemeral key signs until this process ends, and no verifier can find it; make a key with `privyseal keys generate`",
		"kid", k.id, "public_key", base64.StdEncoding.EncodeToString(public))
}

// logChange says what is different. A reload that leaves the keys alone is
// silent.
func logChange(log *slog.Logger, old, next *snapshot) {
	now := next.signer.key
	if old == nil || old.signer.key.id != now.id {
		log.Info("signing key in use", "kid", now.id, "alg", now.Algorithm())
		if next.missing > 0 {
			log.Warn("the signing key was not published for long enough before it signs: verifiers that keep an older key set refuse its assertions until they fetch again; publish a key first, or set hold_new_key",
				"kid", now.id, "missing", next.missing.String(), "publish_before", next.rotation.PublishBefore.String())
		}
	}
	if next.held != nil && (old == nil || old.held == nil || old.held.id != next.held.id) {
		logHeld(log, next)
	}
	if next.find(sampleKeyID) != nil && (old == nil || old.find(sampleKeyID) == nil) {
		log.Warn("the sample key from Pomerium's documentation is in use: everybody can sign with it", "kid", sampleKeyID)
	}
	for _, k := range old.keys() {
		if next.find(k.id) == nil {
			log.Info("key left the key set", "kid", k.id)
		}
	}
	for _, e := range next.entries {
		if was := old.published(e.key.id); next.leaving(e) && (was == nil || !old.leaving(*was)) {
			log.Info("key retired", "kid", e.key.id, "published_until", e.removeAt().UTC().Format(time.RFC3339))
		}
	}
}

func logHeld(log *slog.Logger, s *snapshot) {
	signing := s.signer.key.id
	attributes := []any{"kid", s.held.id, "until", s.heldUntil.UTC().Format(time.RFC3339), "signing_kid", signing}
	if s.find(signing).configured {
		log.Info("a new signing key waits until it has been published for long enough", attributes...)
		return
	}
	log.Warn("a new signing key waits until it has been published for long enough; the key that signs until then is no longer configured and is kept in memory alone: a restart, or hold_new_key: false, makes the new one sign at once", attributes...)
}

// logShared says what is different in a shared ring.
func logShared(log *slog.Logger, old, next *snapshot) {
	now := next.signer.key
	if old == nil || old.signer.key.id != now.id {
		log.Info("signing key in use", "kid", now.id, "alg", now.Algorithm(), "ring", next.shared.document.Ring)
	}
	for i, k := range next.shared.document.Keys {
		if old != nil && old.find(k.KeyID) == nil {
			log.Info("key published", "kid", k.KeyID, "alg", next.entries[i].key.Algorithm(), "signs_from", k.ActivateAt.Format(time.RFC3339))
		}
	}
	if old == nil {
		return
	}
	for _, e := range old.entries {
		if next.find(e.key.id) == nil {
			log.Info("key left the key set", "kid", e.key.id)
		}
	}
}
