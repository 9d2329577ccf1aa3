package pkcs11

// Options say which token holds the keys, and how to log in. All are required.
type Options struct {
	// Path of the PKCS#11 library of the cryptographic module, such as
	// /usr/lib/softhsm/libsofthsm2.so.
	Module string `yaml:"module"`
	// Label of the token that holds the keys (of CK_TOKEN_INFO, up to 32
	// characters; `pkcs11-tool --module … --list-token-slots` shows it).
	Token string `yaml:"token"`
	// User PIN of the token. It is tried once at each start, because a token
	// locks itself after a few wrong ones.
	PIN string `yaml:"pin" secret:"true"`
}
