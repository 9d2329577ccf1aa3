package keys

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"slices"
)

// made is a new key and by what a module finds it; nil for one in memory.
type made struct {
	*Key
	reference []byte
}

// make returns a new key of an algorithm.
func (k *Keeper) make(ctx context.Context, alg string) (made, error) {
	if i := slices.IndexFunc(k.spare, func(m made) bool { return m.Algorithm() == alg }); i >= 0 {
		m := k.spare[i]
		k.spare = slices.Delete(k.spare, i, i+1)
		return m, nil
	}
	if k.options.Module == nil {
		key, err := Generate(alg, k.options.Rand)
		return made{Key: key}, err
	}
	type answer struct {
		private   crypto.Signer
		reference []byte
	}
	a, err := bounded(ctx, k.calls, func() (a answer, err error) {
		a.private, a.reference, err = k.options.Module.Generate(ctx, alg)
		return a, err
	})
	if err != nil {
		return made{}, err
	}
	key, err := newExternalKey(ctx, alg, a.private)
	return made{key, a.reference}, err
}

// moduleCalls bounds how many calls that make or find keys may hang.
const moduleCalls = 4

// record seals a key for a document.
func (k *Keeper) record(of Document, m made) (DocumentKey, error) {
	public, err := x509.MarshalPKIXPublicKey(m.public)
	if err != nil {
		return DocumentKey{}, errors.New("the public key cannot be written")
	}
	d := DocumentKey{KeyID: m.id, Algorithm: m.Algorithm(), Public: public, MaxTTL: Duration(k.schedule.MaxTTL)}
	switch {
	case m.reference != nil:
		d.reference = hidden(m.reference)
		return d, nil
	case !m.Private():
		return d, nil
	}
	private, err := x509.MarshalPKCS8PrivateKey(m.secret())
	if err != nil {
		return d, errors.New("the private key cannot be written as PKCS#8")
	}
	if of.sealing != nil {
		private = of.sealing.seal(private, aboutPrivateKey(of.Ring, d.KeyID, d.Algorithm))
	}
	d.private = hidden(private)
	return d, nil
}

// open returns the key of a document. One that is open already is not opened
// again; a retired one loses its private half.
func (k *Keeper) open(ctx context.Context, of Document, d DocumentKey) (*Key, error) {
	key := k.opened[d.KeyID]
	if key == nil || key.Algorithm() != d.Algorithm || !key.Private() && d.State != StateRetired {
		var err error
		if key, err = k.openAnew(ctx, of, d); err != nil {
			return nil, err
		}
	}
	if d.State == StateRetired && key.Private() {
		return key.publicHalf(), nil
	}
	return key, nil
}

// openAnew trusts nothing that a document says of a key: its kid has to follow
// from the public key, and the public key from the private one.
func (k *Keeper) openAnew(ctx context.Context, of Document, d DocumentKey) (*Key, error) {
	public, err := x509.ParsePKIXPublicKey(d.Public)
	if err != nil {
		return nil, errors.New("its public key cannot be read: the document is damaged")
	}
	key, err := newPublicKeyFor(d.Algorithm, public)
	if err == nil && key.id == d.KeyID && d.State != StateRetired {
		key, err = k.openPrivate(ctx, of, d)
	}
	if err != nil {
		return nil, err
	}
	if key.id != d.KeyID {
		return nil, errors.New("is another key than its kid says: the document is damaged")
	}
	return key, nil
}

func (k *Keeper) openPrivate(ctx context.Context, of Document, d DocumentKey) (*Key, error) {
	if d.reference != nil {
		if k.options.Module == nil {
			return nil, errors.New("its private half is in a cryptographic module, and none is configured: configure keys.pkcs11")
		}
		private, err := bounded(ctx, k.calls, func() (crypto.Signer, error) { return k.options.Module.Find(ctx, d.reference()) })
		if err != nil {
			return nil, err
		}
		return newExternalKey(ctx, d.Algorithm, private)
	}
	der := reveal(d.private)
	if of.sealing != nil {
		var err error
		if der, err = of.sealing.open(der, aboutPrivateKey(of.Ring, d.KeyID, d.Algorithm)); err != nil {
			return nil, errors.New("its private half cannot be unsealed: the document is damaged")
		}
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("its private half cannot be read: the document is damaged")
	}
	private, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, errors.New("its private half cannot sign")
	}
	return newKeyFor(d.Algorithm, private)
}
