package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	"github.com/spf13/cobra"
)

// readToken returns the token that is given as an argument, or on standard
// input for "-" and for none. Nothing repeats it.
func readToken(c *cobra.Command, args []string) (string, error) {
	if len(args) == 1 && args[0] != "-" {
		return args[0], nil
	}
	text, err := readBounded(c.InOrStdin(), "standard input")
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return "", failed(wrongUsage, "give it as an argument, or better on standard input, where other users cannot see it", "there is no token")
	}
	return token, nil
}

// splitToken returns the header and the claims of a signed token in compact
// serialization (RFC 7515 section 7.1). It verifies nothing.
func splitToken(token string) (header, claims map[string]any, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, nil, errors.New("not a signed token: it has not three parts with two dots")
	}
	if header, err = decodePart(parts[0]); err != nil {
		return nil, nil, errors.New("not a signed token: its header " + err.Error())
	}
	if claims, err = decodePart(parts[1]); err != nil {
		return nil, nil, errors.New("not a JWT: its payload " + err.Error())
	}
	return header, claims, nil
}

func decodePart(part string) (map[string]any, error) {
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return nil, errors.New("is not base64url without padding")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var object map[string]any
	if decoder.Decode(&object) != nil || object == nil || decoder.More() {
		return nil, errors.New("is not a JSON object")
	}
	return object, nil
}
