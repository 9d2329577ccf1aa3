package privyseal

import (
	"errors"
	"slices"
	"strings"
	"time"

	"privyseal/authz"
	"privyseal/authz/policy"
)

// Config is the whole configuration, and the comments of its fields are the
// reference manual. It is made by [Load]; the yaml tags are the names in the
// file. An option that is absent has its default; a list that is present and
// empty is not the same as an absent one; an option without a value is an
// error. Durations are written with a unit, "90s" or "5m". Paths of files are
// relative to the folder of the configuration file.
type Config struct {
	// Version of the configuration format: 1.
	Version int `yaml:"version" jsonschema:"required,enum=1"`
	// Listen says where the service listens. Default: loopback only.
	Listen Listen `yaml:"listen"`
	// InsecureGRPC allows listen.grpc without TLS at an address that others
	// reach. Who may ask for decisions there can obtain assertions in anybody's
	// name. Default false.
	InsecureGRPC bool `yaml:"insecure_grpc"`
	// Issuer is the iss of assertions: "host" (the host name of the request),
	// "uri" (https://host/), "uri-bare" (https://host), or a URL that is itself.
	// Default host.
	Issuer string `yaml:"issuer"`
	// SigningKey holds the signing keys: PEM, or base64 of PEM. The first private
	// key signs, all are published. The environment variables SIGNING_KEY and
	// SIGNING_KEY_FILE replace this option and signing_key_file. Default: none;
	// a key that lives as long as the process signs, and is not published.
	SigningKey string `yaml:"signing_key" json:"-" secret:"true"`
	// SigningKeyFile names the file that holds them instead.
	SigningKeyFile string `yaml:"signing_key_file"`
	// Keys is a ring of signing keys that rotate themselves, in place of
	// signing_key and signing_key_file. Default: none.
	Keys *Keyring `yaml:"keys"`
	// PublishBefore is how long a configured key should have been published
	// before it signs: as long as the slowest verifier caches the key set. For
	// keys that rotate themselves it is keys.publish_before. Default 15m.
	PublishBefore time.Duration `yaml:"publish_before"`
	// HoldNewKey keeps signing with the old configured key until the new first one has been
	// published for publish_before. Default false: it signs at once, and a
	// warning says how long was missing.
	HoldNewKey bool `yaml:"hold_new_key"`
	// Identity lists the sources of identity, each with a name of its own. An
	// entry has one key, the kind of the source. Default: none.
	Identity []IdentitySource `yaml:"identity"`
	// Rules are tried in order: the first whose match fits owns the request. A
	// request that none fits is denied.
	Rules []policy.Rule `yaml:"rules"`
	// Assertion says what the application is told and how.
	Assertion authz.AssertionOptions `yaml:"assertion"`
	// Log says how much the service tells about itself.
	Log Log `yaml:"log"`

	origin document // where each option came from
}

// Log says how much the service tells about itself.
type Log struct {
	// Level is the least severe level that is logged: debug, info, warn or
	// error. Decisions are records of their own. Default info.
	Level string `yaml:"level"`
}

// logLevels are the values of [Log.Level].
func logLevels() []string { return []string{"debug", "info", "warn", "error"} }

// defaults returns the configuration of a service about which nothing is said.
func defaults() *Config {
	return &Config{
		Version: 1,
		Listen: Listen{
			GRPC:  Listener{Address: "127.0.0.1:9001"},
			HTTP:  Listener{Address: "127.0.0.1:9080"},
			Admin: Listener{Address: "127.0.0.1:9090"},
		},
		Issuer:        "host",
		PublishBefore: 15 * time.Minute,
		Identity:      []IdentitySource{},
		Rules:         []policy.Rule{},
		Assertion: authz.AssertionOptions{
			Header: authz.DefaultHeader, TTL: authz.DefaultTTL,
			MaxBytes: authz.DefaultMaxBytes, OnOverflow: "deny",
		},
		Log: Log{Level: "info"},
	}
}

// Files returns every file whose content the configuration depends on, sorted:
// the configuration file itself, those that an option names, and those that a
// ${file:…} was replaced by.
func (c *Config) Files() []string {
	list := slices.Clone(c.origin.read)
	for _, name := range c.fileOptions() {
		if *name != "" {
			list = append(list, *name)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// fileOptions are the options that name a file.
func (c *Config) fileOptions() []*string {
	list := []*string{&c.SigningKeyFile}
	if c.Keys != nil {
		list = append(list, &c.Keys.Encryption.KeyFile)
		if transit := c.Keys.Encryption.VaultTransit; transit != nil {
			list = append(list, &transit.TokenFile, &transit.CAFile)
		}
	}
	for _, l := range c.Listen.all() {
		if tls := l.listener.TLS; tls != nil {
			list = append(list, &tls.Cert, &tls.Key, &tls.ClientCA)
		}
	}
	for _, source := range c.Identity {
		switch {
		case source.JWT != nil:
			list = append(list, &source.JWT.JWKSFile)
		case source.PeerCertificate != nil:
			list = append(list, &source.PeerCertificate.CAFile)
		}
	}
	return list
}

// validate returns what is wrong with options that no other package owns, as
// [authz.OptionError]s.
func (c *Config) validate() error {
	var errs []error
	wrong := func(path, mistake string) {
		errs = append(errs, &authz.OptionError{Path: path, Err: errors.New(mistake)})
	}
	if c.Version != 1 {
		wrong("version", "is not 1, the only version there is")
	}
	if _, err := authz.ParseIssuer(c.Issuer); err != nil {
		wrong("issuer", err.Error())
	}
	if c.Keys != nil {
		if c.SigningKey != "" || c.SigningKeyFile != "" {
			wrong("keys", "cannot be given beside signing_key, signing_key_file, SIGNING_KEY or SIGNING_KEY_FILE: keep one; `privyseal keys import` takes such keys into the keyring")
		}
		if c.PublishBefore != defaults().PublishBefore {
			wrong("publish_before", "is about signing_key: say keys.publish_before instead")
		}
		if c.HoldNewKey {
			wrong("hold_new_key", "is about signing_key: a keyring always holds a new key; remove it")
		}
		errs = append(errs, option("keys", c.Keys.validate()))
	}
	if c.PublishBefore < time.Second || c.PublishBefore > 720*time.Hour {
		wrong("publish_before", "is not between 1s and 720h")
	}
	if c.Assertion.TTL == 0 { // would become the default further on
		wrong("assertion.ttl", authz.ValidTTL(0).Error())
	}
	if c.Assertion.MaxBytes == 0 {
		wrong("assertion.max_bytes", "is 0")
	}
	if !slices.Contains(logLevels(), c.Log.Level) {
		wrong("log.level", "is none of "+strings.Join(logLevels(), ", "))
	}
	return errors.Join(append(errs, c.Listen.validate(c.InsecureGRPC))...)
}
