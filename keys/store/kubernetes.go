package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"privyseal/keys"
)

// kubernetes keeps the document in one data key of a Secret. The revision is the
// Secret's resourceVersion, which the API server compares and never repeats.
type kubernetes struct {
	cluster
	namespace, secret string
}

var _ interface {
	keys.Store
	keys.Watcher
	fmt.Stringer
} = (*kubernetes)(nil)

// Load implements [keys.Store].
func (k *kubernetes) Load(ctx context.Context) (keys.Version, error) {
	v, err := k.load(ctx)
	if err != nil {
		return v, k.failed("read", err)
	}
	return v, nil
}

func (k *kubernetes) load(ctx context.Context) (keys.Version, error) {
	a, err := k.request(ctx, http.MethodGet, k.path(), nil)
	if err != nil {
		return keys.Version{}, err
	}
	if k.isAbsent(a) {
		return keys.Version{Time: a.date}, absent()
	}
	object, err := k.object(a, http.StatusOK)
	if err != nil {
		return keys.Version{}, err
	}
	document, found, err := object.document()
	if err != nil {
		return keys.Version{}, err
	}
	if !found {
		return keys.Version{Time: a.date}, absent()
	}
	return keys.Version{Document: document, Revision: object.version, Time: a.date}, nil
}

// Swap implements [keys.Store].
func (k *kubernetes) Swap(ctx context.Context, document []byte, rev string) (string, error) {
	err := checkDocument(document)
	if err == nil {
		rev, err = k.swap(ctx, document, rev)
	}
	if err != nil {
		return "", k.failed("write", err)
	}
	return rev, nil
}

// swap reads the Secret first, so that everything else in it can be sent back.
func (k *kubernetes) swap(ctx context.Context, document []byte, rev string) (string, error) {
	held, err := k.request(ctx, http.MethodGet, k.path(), nil)
	if err != nil {
		return "", err
	}
	if k.isAbsent(held) {
		if rev != "" {
			return "", conflict()
		}
		return k.write(ctx, http.MethodPost, k.collection(), k.newObject(), document)
	}
	object, err := k.object(held, http.StatusOK)
	if err != nil {
		return "", err
	}
	_, found := object.data[documentFile]
	if found && object.version != rev || !found && rev != "" {
		return "", conflict()
	}
	return k.write(ctx, http.MethodPut, k.path(), object, document)
}

// write sends the object with the document in it. A PUT names the
// resourceVersion that was read, so the API server does nothing if somebody was
// faster.
func (k *kubernetes) write(ctx context.Context, method, path string, object secretObject, document []byte) (string, error) {
	body, err := object.with(document)
	if err != nil {
		return "", err
	}
	a, err := k.request(ctx, method, path+"?fieldManager=privyseal", body)
	if err != nil {
		return "", fmt.Errorf("%w; the write may have been done: load the document to see", err)
	}
	status := http.StatusOK
	switch {
	case a.status == http.StatusConflict, method == http.MethodPut && k.isAbsent(a):
		return "", conflict()
	case method == http.MethodPost:
		status = http.StatusCreated
	}
	written, err := k.object(a, status)
	return written.version, err
}

func (k *kubernetes) collection() string {
	return "/api/v1/namespaces/" + k.namespace + "/secrets"
}

func (k *kubernetes) path() string { return k.collection() + "/" + k.secret }

// isAbsent reports whether the API server says that this Secret does not exist.
// A 404 of anything else, such as a proxy on the way, says nothing about it.
func (k *kubernetes) isAbsent(a answer) bool {
	s := a.reason()
	return a.status == http.StatusNotFound && s.Kind == "Status" && s.Reason == "NotFound" && s.Details.Kind == "secrets" && s.Details.Name == k.secret
}

func (k *kubernetes) failed(what string, err error) error {
	return fmt.Errorf("cannot %s the keyring in %s: %w", what, k, err)
}

// secretObject is a Secret with all members it came with, known or not.
type secretObject struct {
	members map[string]json.RawMessage
	data    map[string]json.RawMessage
	version string
}

func (k *kubernetes) newObject() secretObject {
	return secretObject{members: map[string]json.RawMessage{
		"apiVersion": json.RawMessage(`"v1"`),
		"kind":       json.RawMessage(`"Secret"`),
		"type":       json.RawMessage(`"Opaque"`),
		"metadata":   json.RawMessage(`{"name":"` + k.secret + `"}`), // a DNS name: nothing to escape
	}}
}

// object reads the Secret from an answer of the expected status.
func (k *kubernetes) object(a answer, status int) (secretObject, error) {
	if a.status != status {
		return secretObject{}, k.refusal(a)
	}
	var object secretObject
	if err := json.Unmarshal(a.body, &object.members); err != nil {
		return object, errors.New("the answer is not JSON: is this the address of an API server?")
	}
	var known struct {
		Kind     string
		Metadata struct{ Name, Namespace, ResourceVersion string }
		Data     map[string]json.RawMessage
	}
	if err := json.Unmarshal(a.body, &known); err != nil || known.Kind != "Secret" || known.Metadata.ResourceVersion == "" ||
		known.Metadata.Name != k.secret || known.Metadata.Namespace != k.namespace {
		return object, errors.New("the answer is not the Secret: is this the address of an API server?")
	}
	object.data, object.version = known.Data, known.Metadata.ResourceVersion
	return object, nil
}

// document returns the keyring; a Secret that has none yet is an empty store.
func (s secretObject) document() ([]byte, bool, error) {
	encoded, found := s.data[documentFile]
	if !found {
		return nil, false, nil
	}
	var document []byte
	if err := json.Unmarshal(encoded, &document); err != nil {
		return nil, false, fmt.Errorf("the data key %s of the Secret is not base64", documentFile)
	}
	if len(document) > maxDocument {
		return nil, false, fmt.Errorf("the data key %s of the Secret has more than %d bytes: it is no keyring", documentFile, maxDocument)
	}
	return document, true, nil
}

// with returns the Secret as JSON, with the document in it.
func (s secretObject) with(document []byte) ([]byte, error) {
	encoded, err := json.Marshal(document)
	if err != nil {
		return nil, err
	}
	if s.data == nil {
		s.data = map[string]json.RawMessage{}
	}
	s.data[documentFile] = encoded
	if s.members["data"], err = json.Marshal(s.data); err != nil {
		return nil, err
	}
	return json.Marshal(s.members)
}

// answer is what the API server said.
type answer struct {
	status int
	date   time.Time // of the Date header; zero if there is none
	body   []byte
}

// status is a Status of the Kubernetes API.
type status struct {
	Kind, Reason, Message string
	Details               struct{ Kind, Name string }
}

// reason returns the Status in the answer, the zero value if there is none.
func (a answer) reason() status {
	var s status
	if json.Unmarshal(a.body, &s) != nil {
		return status{}
	}
	return s
}

// refusal explains an unexpected status.
func (k *kubernetes) refusal(a answer) error {
	s := a.reason()
	says := fmt.Sprintf("the API server says %d %.40q", a.status, s.Reason)
	if a.status != http.StatusBadRequest { // whose message may quote what was sent
		says += fmt.Sprintf(" %.300q", s.Message)
	}
	switch {
	case a.status == http.StatusUnauthorized:
		return fmt.Errorf("%s: the token in %s is not valid here: mount the service account's token, or correct token_file=", says, k.tokenFile)
	case a.status == http.StatusForbidden:
		return fmt.Errorf("%s: grant the service account this Role in namespace %s, or create the namespace:\n%s", says, k.namespace, k.role())
	case a.status == http.StatusNotFound && s.Details.Kind == "namespaces":
		return fmt.Errorf("%s: create the namespace, or correct the address, and grant the service account this Role:\n%s", says, k.role())
	case a.status == http.StatusUnprocessableEntity:
		return fmt.Errorf("%s: the Secret must not be immutable, and has at most 1 MiB in all", says)
	case a.status >= 300 && a.status < 400:
		return fmt.Errorf("%s: redirects are not followed, because the token would go along: name the API server itself", says)
	case a.status == http.StatusTooManyRequests, a.status >= 500:
		return fmt.Errorf("%s: it is overloaded or not ready: try again later", says)
	}
	return fmt.Errorf("%s: is this the address of an API server?", says)
}

// role is what a service account needs.
func (k *kubernetes) role() string {
	return `rules:
- {apiGroups: [""], resources: [secrets], resourceNames: [` + k.secret + `], verbs: [get, watch, update]}
- {apiGroups: [""], resources: [secrets], verbs: [create]}`
}
