package main

import (
	"errors"
	"io/fs"
	"os"

	"privyseal/keys"
)

// ensureKey makes a signing key unless the file exists: one that has signed must
// not be replaced without being published on.
func ensureKey(file string) (made bool, err error) {
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	key, err := keys.Generate("ES256", nil)
	if err != nil {
		return false, err
	}
	pem, err := key.MarshalPEM()
	if err != nil {
		return false, err
	}
	return true, write(file, pem)
}
