package clientauth

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// Limits of a client's key set.
const (
	MaxKeysBytes = 64 << 10 // of the JSON text
	MaxKeys      = 32
)

// keySet holds the usable keys of one client. It is not modified.
type keySet struct{ keys []clientKey }

// clientKey is one key of a set.
type clientKey struct {
	id          string // kid, may be empty
	alg         string // the only algorithm it is for, "" if the set does not say
	key         *jose.PublicKey
	certificate []byte // DER of the first certificate of x5c, nil if there is none
}

// readKeys reads a JSON Web Key Set (RFC 7517 section 5). Keys for encryption are
// left out; unusable ones are left out too and returned as faults.
func readKeys(text []byte) (set *keySet, faults []error, err error) {
	o, err := strictjson.Parse(string(text), MaxKeysBytes)
	if err != nil {
		return nil, nil, err
	}
	member, _ := o.Get("keys")
	list, ok := member.Array()
	switch {
	case !ok:
		return nil, nil, fmt.Errorf("keys is %s, want an array", member.Kind())
	case len(list) > MaxKeys:
		return nil, nil, fmt.Errorf("%d keys, at most %d are read", len(list), MaxKeys)
	}
	set = &keySet{}
	for i, v := range list {
		k, err := readKey(v)
		switch {
		case errors.Is(err, errForEncryption):
		case err != nil:
			faults = append(faults, fmt.Errorf("keys[%d]: %w", i, err))
		default:
			set.keys = append(set.keys, k)
		}
	}
	return set, faults, nil
}

var errForEncryption = errors.New("use is not sig")

func readKey(v strictjson.Value) (clientKey, error) {
	o, ok := v.Object()
	if !ok {
		return clientKey{}, fmt.Errorf("%s, want an object", v.Kind())
	}
	k := clientKey{}
	var use string
	for name, to := range map[string]*string{"kid": &k.id, "alg": &k.alg, "use": &use} {
		if m, there := o.Get(name); there {
			if *to, ok = m.Text(); !ok {
				return clientKey{}, fmt.Errorf("%s is %s, want a string", name, m.Kind())
			}
		}
	}
	if use != "" && use != "sig" {
		return clientKey{}, errForEncryption
	}
	var err error
	if k.key, err = jose.ParseKey(o); err != nil {
		return clientKey{}, err
	}
	if chain, there := o.Get("x5c"); there {
		k.certificate, err = readCertificate(chain, k.key)
	}
	return k, err
}

// readCertificate returns the first certificate of x5c, whose key has to be that
// of the JWK (RFC 7517 section 4.7, RFC 8705 section 2.2.2).
func readCertificate(chain strictjson.Value, key *jose.PublicKey) ([]byte, error) {
	list, _ := chain.Array()
	if len(list) == 0 {
		return nil, errors.New("x5c is not a list of certificates")
	}
	text, _ := list[0].Text()
	der, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, errors.New("x5c[0] is not base64")
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, errors.New("x5c[0] is not a certificate")
	}
	pub, err := jose.NewPublicKey(certificate.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("x5c[0]: %w", err)
	}
	if pub.Thumbprint() != key.Thumbprint() {
		return nil, errors.New("the key of x5c[0] is not the key beside it")
	}
	return der, nil
}

// fits reports whether the key may verify signatures of an algorithm: it is of
// the right type, and the set does not reserve it for another one.
func (k *clientKey) fits(a jose.Alg) bool {
	if !k.key.Fits(a) {
		return false
	}
	only, _ := jose.ParseAlg(k.alg)
	return k.alg == "" || only == a || edwards(only) && edwards(a)
}

// edwards: EdDSA and Ed25519 are two names of one algorithm (RFC 9864).
func edwards(a jose.Alg) bool { return a == jose.EdDSA || a == jose.Ed25519 }

// signer returns the key that signed j, nil if none of the set did. named says
// that there is a key of the kid in the header, so that a newer set need not be
// looked at.
func (s *keySet) signer(j *jose.JWS) (by *clientKey, named bool) {
	for i := range s.keys {
		k := &s.keys[i]
		if j.KeyID != "" && k.id != "" && k.id != j.KeyID {
			continue
		}
		named = named || j.KeyID != "" && k.id == j.KeyID
		if k.fits(j.Alg) && k.key.Verify(j.Alg, j.SigningInput, j.Signature) == nil {
			return k, true
		}
	}
	return nil, named
}

// holds reports whether a certificate is registered in the set.
func (s *keySet) holds(c *x509.Certificate) bool {
	for i := range s.keys {
		if s.keys[i].certificate != nil && bytes.Equal(s.keys[i].certificate, c.Raw) {
			return true
		}
	}
	return false
}

// name of the key for the audit log.
func (k *clientKey) name() string { return holdfast.Thumbprint(k.key.Thumbprint()).String() }
