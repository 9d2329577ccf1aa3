// Package vault has keys encrypted by the transit secrets engine of HashiCorp
// Vault or OpenBao. [Transit] implements privyseal/keys.Wrapper: it is asked when
// a replica of privyseal starts and when a keyring is written, never by a request.
//
// What privyseal needs of Vault:
//
//	vault secrets enable transit
//	vault write -f transit/keys/privyseal             # aes256-gcm96, the default
//	vault policy write privyseal - <<END
//	path "transit/encrypt/privyseal" { capabilities = ["update"] }
//	path "transit/decrypt/privyseal" { capabilities = ["update"] }
//	END
//
// and a token with that policy in a file, which an agent keeps fresh. Rotating the
// transit key is fine: the keyring is encrypted with the newest version when it is
// written next. Raise min_decryption_version only after that.
package vault

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	maxAnswer = 64 << 10 // bytes
	patience  = 5 * time.Second
)

// TransitOptions say which key of which server encrypts.
type TransitOptions struct {
	// Address of the server, such as https://vault.example:8200. Plain http is for
	// loopback addresses only.
	Address string `yaml:"address"`
	// Mount is the path of the transit engine. Default transit.
	Mount string `yaml:"mount"`
	// Key is the name of the transit key: an aes256-gcm96, chacha20-poly1305 or
	// other key that takes associated data.
	Key string `yaml:"key"`
	// Namespace of Vault Enterprise and OpenBao. Default: none.
	Namespace string `yaml:"namespace"`
	// TokenFile holds the token to present. It is read at each call, so that an
	// agent can replace it.
	TokenFile string `yaml:"token_file"`
	// CAFile holds the authorities, PEM, that certify the server. Default: those
	// of the system.
	CAFile string `yaml:"ca_file"`
}

// Transit wraps keys with a key of a transit engine. It is safe for concurrent
// use. Calls take five seconds at most.
type Transit struct {
	options  TransitOptions
	base     *url.URL
	readFile func(string) ([]byte, error)
	client   *http.Client
}

// NewTransit checks the options; nobody is asked. Files are read with readFile.
// An error of an option implements interface{ OptionPath() string }.
func NewTransit(o TransitOptions, readFile func(string) ([]byte, error)) (*Transit, error) {
	if o.Mount == "" {
		o.Mount = "transit"
	}
	base, err := url.Parse(o.Address)
	switch {
	case err != nil || base.Host == "" || base.User != nil || base.Path != "" && base.Path != "/":
		return nil, optionError{"address", errors.New("is not the URL of a server, such as https://vault.example:8200")}
	case base.Scheme != "https" && (base.Scheme != "http" || !loopback(base.Hostname())):
		return nil, optionError{"address", errors.New("is not https: keys and a token would travel in the clear")}
	case o.Key == "" || strings.ContainsAny(o.Key, "/?#% "):
		return nil, optionError{"key", errors.New("is not the name of a transit key")}
	case strings.ContainsAny(o.Mount, "?#% "):
		return nil, optionError{"mount", errors.New("is not the path of a transit engine")}
	case o.TokenFile == "":
		return nil, optionError{"token_file", errors.New("is missing: the file with the token to present")}
	}
	roots, err := authorities(o.CAFile, readFile)
	if err != nil {
		return nil, optionError{"ca_file", err}
	}
	return &Transit{options: o, base: base, readFile: readFile, client: &http.Client{
		Transport: &http.Transport{ // no proxy of the environment
			TLSClientConfig:   &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2: true,
			IdleConnTimeout:   patience,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func authorities(file string, readFile func(string) ([]byte, error)) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := readFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New("holds no PEM certificate")
	}
	return pool, nil
}

// Wrap has a key encrypted. What comes back is Vault's text, "vault:v1:…".
func (t *Transit) Wrap(ctx context.Context, key, additional []byte) ([]byte, error) {
	var answer struct {
		Data struct{ Ciphertext string }
	}
	err := t.call(ctx, "encrypt", exchange{Plaintext: key, AssociatedData: additional}, &answer)
	if err == nil && answer.Data.Ciphertext == "" {
		err = errors.New("no ciphertext in the answer")
	}
	if err != nil {
		return nil, fmt.Errorf("encrypting with %s: %w", t.name(), err)
	}
	return []byte(answer.Data.Ciphertext), nil
}

// Unwrap has what Wrap returned decrypted.
func (t *Transit) Unwrap(ctx context.Context, wrapped, additional []byte) ([]byte, error) {
	var answer struct {
		Data struct{ Plaintext []byte }
	}
	err := t.call(ctx, "decrypt", exchange{Ciphertext: string(wrapped), AssociatedData: additional}, &answer)
	if err == nil && len(answer.Data.Plaintext) == 0 {
		err = errors.New("no plaintext in the answer")
	}
	if err != nil {
		return nil, fmt.Errorf("decrypting with %s: %w", t.name(), err)
	}
	return answer.Data.Plaintext, nil
}

func (t *Transit) name() string {
	return fmt.Sprintf("key %s of %s/%s", t.options.Key, t.base.Host, t.options.Mount)
}

// exchange is the body of a request; bytes travel as base64.
type exchange struct {
	Plaintext      []byte `json:"plaintext,omitempty"`
	Ciphertext     string `json:"ciphertext,omitempty"`
	AssociatedData []byte `json:"associated_data,omitempty"`
}

// call asks, and once more if nobody answered: both operations may be repeated.
func (t *Transit) call(ctx context.Context, operation string, body exchange, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	text, err := json.Marshal(body)
	if err != nil {
		return errors.New("the request cannot be written")
	}
	err = t.ask(ctx, operation, text, answer)
	var passing *passingError
	if errors.As(err, &passing) && ctx.Err() == nil {
		err = t.ask(ctx, operation, text, answer)
	}
	return err
}

// passingError is one that may be gone the next time.
type passingError struct{ error }

func (e *passingError) Unwrap() error { return e.error }

func (t *Transit) ask(ctx context.Context, operation string, body []byte, answer any) error {
	token, err := t.readFile(t.options.TokenFile)
	if err != nil {
		return fmt.Errorf("token_file: %w", err)
	}
	address := t.base.JoinPath("v1", t.options.Mount, operation, t.options.Key)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address.String(), bytes.NewReader(body))
	if err != nil {
		return errors.New("the request cannot be made")
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Vault-Request", "true")
	request.Header.Set("X-Vault-Token", strings.TrimSpace(string(token)))
	if t.options.Namespace != "" {
		request.Header.Set("X-Vault-Namespace", t.options.Namespace)
	}
	response, err := t.client.Do(request)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err // without the address, which is said already
		}
		return &passingError{err}
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return &passingError{err}
	case len(text) > maxAnswer:
		return fmt.Errorf("an answer of more than %d bytes, which is not Vault's: check address", maxAnswer)
	case response.StatusCode != http.StatusOK:
		return t.refused(response.StatusCode, text, operation)
	case json.Unmarshal(text, answer) != nil:
		return errors.New("the answer is not Vault's: check address")
	}
	return nil
}

// refused says what to do. Of what the server says, only the known is repeated:
// it may quote the request.
func (t *Transit) refused(status int, text []byte, operation string) error {
	said := string(text)
	switch {
	case status == http.StatusForbidden:
		return fmt.Errorf("permission denied: the token has expired, or its policy lacks: path \"%s/%s/%s\" { capabilities = [\"update\"] }", t.options.Mount, operation, t.options.Key)
	case status == http.StatusServiceUnavailable:
		return &passingError{errors.New("the server is sealed or has no active node: unseal it")}
	case status >= 500:
		return &passingError{fmt.Errorf("status %d: the server's log says why", status)}
	case status == http.StatusNotFound:
		return errors.New("there is no such transit engine: check mount and namespace")
	case strings.Contains(said, "encryption key not found"):
		return fmt.Errorf("there is no such key: vault write -f %s/keys/%s", t.options.Mount, t.options.Key)
	case strings.Contains(said, "minimum allowed version") || strings.Contains(said, "disallowed by policy"):
		return errors.New("it was encrypted with a version of the key below min_decryption_version: lower that until the keyring has been written again")
	case strings.Contains(said, "message authentication failed") || strings.Contains(said, "invalid ciphertext"):
		return errors.New("encrypted with another key, for another keyring, or damaged")
	}
	return fmt.Errorf("status %d: the server's log says why", status)
}

// optionError is a mistake in an option.
type optionError struct {
	path string
	err  error
}

func (e optionError) Error() string { return e.path + ": " + e.err.Error() }

// OptionPath returns the option's name.
func (e optionError) OptionPath() string { return e.path }

func (e optionError) Unwrap() error { return e.err }
