package privyseal

import (
	"errors"
	"os"
	"reflect"
	"strings"
	"time"

	"privyseal/keys"
	"privyseal/keys/pkcs11"
	"privyseal/keys/store"
	"privyseal/keys/vault"
)

// Keyring is a ring of signing keys that rotate themselves, shared by all
// replicas of the service through a store.
type Keyring struct {
	// Store is where the keyring is: dir:PATH (a folder that exists),
	// redis://[user:pass@]host:6379/0?key=privyseal (rediss:// for TLS), or
	// kubernetes://NAMESPACE/SECRET. It cannot change while the service runs.
	Store string `yaml:"store" jsonschema:"required"`
	// Algorithm of new keys: ES256, ES384, ES512, EdDSA, RS256 or PS256. Default
	// ES256, which every verifier knows.
	Algorithm string `yaml:"algorithm"`
	// RotateEvery is how long a key signs: 1h to 2160h. Default 168h, a week.
	RotateEvery time.Duration `yaml:"rotate_every"`
	// PublishBefore is how long a key is at least published before it signs: as
	// long as the slowest verifier keeps a key set. At least 25m, at most
	// rotate_every. Default 26h, for verifiers that fetch once a day.
	PublishBefore time.Duration `yaml:"publish_before"`
	// Encryption of the private keys in the store. It has no default: whoever
	// wants them in the clear says encryption: none.
	Encryption Encryption `yaml:"encryption"`
	// PKCS11 is a hardware security module that makes the private keys and signs
	// with them; they never leave it. Needs a binary built with the tag pkcs11.
	// Default: keys are made here, and kept in the store.
	PKCS11 *pkcs11.Options `yaml:"pkcs11"`
	// AllowShortPeriods permits periods at which common verifiers refuse good
	// assertions, for demonstrations and tests. Default false.
	AllowShortPeriods bool `yaml:"allow_short_periods"`
}

// Encryption says with what the private keys in a store are encrypted. One of
// its keys is needed, or the text none in its place.
type Encryption struct {
	// Mode is none: private keys are in the store in the clear, and whoever can
	// write it can replace them. encryption: none is short for it.
	Mode string `yaml:"mode"`
	// KeyFile is a file with a key-encryption key of 32 bytes in base64, which
	// all replicas have and the store does not. More lines are older ones.
	KeyFile string `yaml:"key_file"`
	// VaultTransit has the data key encrypted by a transit engine of HashiCorp
	// Vault or OpenBao.
	VaultTransit *vault.TransitOptions `yaml:"vault_transit"`
}

// validate returns what is wrong with the options of a keyring that no other
// package owns.
func (k *Keyring) validate() error {
	var errs []error
	wrong := func(path, mistake string) { errs = append(errs, option(path, errors.New(mistake))) }
	if k.Store == "" {
		wrong("store", "is missing: dir:PATH, redis://HOST or kubernetes://NAMESPACE/SECRET")
	}
	e, ways := k.Encryption, 0
	for _, given := range []bool{e.Mode != "", e.KeyFile != "", e.VaultTransit != nil} {
		if given {
			ways++
		}
	}
	switch {
	case ways == 0:
		wrong("encryption", "is missing: {key_file: FILE}, {vault_transit: {…}}, or none, which leaves the private keys in the store in the clear")
	case ways > 1:
		wrong("encryption", "has more than one of mode, key_file and vault_transit: keep one")
	case e.Mode != "" && e.Mode != "none":
		wrong("encryption", "is neither none nor a mapping")
	}
	return errors.Join(errs...)
}

// resolve makes the path of a directory relative to the configuration file.
func (k *Keyring) resolve(folder string) {
	if path, ok := strings.CutPrefix(k.Store, "dir:"); ok && path != "" {
		k.Store = "dir:" + resolved(folder, path)
	}
}

// samePlace reports whether two configurations mean one ring.
func (k *Keyring) samePlace(other *Keyring) bool {
	return k.Store == other.Store && (k.Encryption.Mode == "none") == (other.Encryption.Mode == "none") && reflect.DeepEqual(k.PKCS11, other.PKCS11)
}

func (k *Keyring) schedule(maxTTL time.Duration) keys.Schedule {
	return keys.Schedule{
		Algorithm: k.Algorithm, RotateEvery: k.RotateEvery, PublishBefore: k.PublishBefore,
		AllowShortPeriods: k.AllowShortPeriods, MaxTTL: maxTTL,
	}
}

// wrapper returns what encrypts the private keys; nil is nothing.
func (k *Keyring) wrapper(read *files) (keys.Wrapper, error) {
	switch e := k.Encryption; {
	case e.KeyFile != "":
		content, err := read.file(e.KeyFile)
		if err != nil {
			return nil, option("encryption.key_file", err)
		}
		wrapper, err := keys.NewKeyFile(content)
		return wrapper, option("encryption.key_file", err)
	case e.VaultTransit != nil:
		wrapper, err := vault.NewTransit(*e.VaultTransit, read.read)
		return wrapper, option("encryption.vault_transit", err)
	}
	return nil, nil
}

// keyringParts are what a snapshot knows of its keyring.
type keyringParts struct {
	schedule keys.Schedule
	store    keys.Store
	wrapper  keys.Wrapper // nil: in the clear
}

// keyring checks the configured keyring and prepares its parts. maxTTL is the
// longest life of an assertion. The store is not asked.
func (s *Service) keyring(config *Keyring, maxTTL time.Duration, read *files) (parts keyringParts, err error) {
	var storeErr, wrapperErr error
	parts.store, storeErr = store.Open(config.Store, store.Options{Now: s.options.Now, Getenv: os.Getenv})
	parts.wrapper, wrapperErr = config.wrapper(read)
	parts.schedule = config.schedule(maxTTL)
	var moduleErr error
	if config.PKCS11 != nil {
		moduleErr = option("pkcs11", config.PKCS11.Validate())
	}
	return parts, option("keys", errors.Join(option("store", storeErr), wrapperErr, moduleErr, parts.schedule.Validate()))
}

// useKeyring begins to keep the keyring of a snapshot, or takes up what has
// changed of it.
func (s *Service) useKeyring(next *snapshot) error {
	config, parts := next.config.Keys, next.keyring
	if s.keeper != nil {
		if !config.samePlace(s.Config().Keys) {
			return option("keys", errors.New("store, pkcs11 and whether the keys are encrypted cannot change while the service runs: restart it"))
		}
		return option("keys", s.keeper.Use(parts.schedule, parts.wrapper))
	}
	if s.ring.KeyID() != "" {
		return errKeyKind
	}
	var module keys.Module
	if config.PKCS11 != nil && !s.dry {
		opened, err := pkcs11.Open(*config.PKCS11)
		if err != nil {
			return option("keys.pkcs11", err)
		}
		module = opened
	}
	keeper, err := keys.NewKeeper(keys.KeeperOptions{
		Ring: s.ring, Store: parts.store, Wrapper: parts.wrapper, Module: module, Schedule: parts.schedule,
		Now: s.options.Now, Rand: s.options.Rand, Logger: s.log,
	})
	s.keeper = keeper
	return option("keys", err)
}

var errKeyKind = errors.New("signing keys cannot change between signing_key and keys while the service runs: take them over with `privyseal keys import`, then restart it")

// NewKeeper returns the keeper of a configured keyring for a command that looks
// at it or changes it. It keeps a ring of its own and has read nothing yet.
func NewKeeper(o LoadOptions) (*keys.Keeper, error) {
	s := prepare(ServiceOptions{Load: o})
	s.goOffline()
	if err := s.load(); err != nil {
		return nil, err
	}
	s.Close()
	if s.keeper == nil {
		return nil, errors.New("no keyring is configured: keys.store says where one is")
	}
	return s.keeper, nil
}
