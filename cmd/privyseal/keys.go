package main

import "privyseal/keys"

// parseKeys reads private keys, PEM or base64 of PEM. The published sample key
// may be looked at.
func parseKeys(text []byte) (*keys.Set, error) {
	set, err := keys.Parse(text, keys.ParseOptions{AllowSample: true})
	if err != nil {
		return nil, failed(no, "`privyseal keys generate` makes a key", "no usable keys: %v", err)
	}
	return set, nil
}
