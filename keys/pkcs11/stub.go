package pkcs11

import "privyseal/keys"

// Options x.
type Options struct {
	// Module x.
	Module string `yaml:"module"`
	// Token x.
	Token string `yaml:"token"`
	// PIN x.
	PIN string `yaml:"pin" secret:"true"`
}

func Open(o Options) (keys.Module, error) { return nil, nil }
