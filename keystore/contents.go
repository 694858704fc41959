package keystore

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// contents is everything that a store keeps. It is not modified after it was
// read or written: a change works on a clone.
type contents struct {
	generation uint64 // one more with every change
	keys       []entry
	values     map[string]holdfast.Secret
}

// entry is one key. der or signer is set.
type entry struct {
	Info
	der    []byte        // PKCS #8
	signer crypto.Signer // in memory only: need not give out its private part
}

// key makes the proof key of an entry.
func (e *entry) key() (*holdfast.Key, error) {
	signer := e.signer
	if signer == nil {
		var err error
		if signer, err = parsePrivate(e.der); err != nil {
			return nil, fmt.Errorf("key %s: %w: %w", e.Thumbprint, ErrDamaged, err)
		}
	}
	k, err := holdfast.NewKeyAlg(signer, e.Alg)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w: %w", e.Thumbprint, ErrDamaged, err)
	}
	if k.Thumbprint() != e.Thumbprint {
		return nil, fmt.Errorf("key %s: %w: the private key is another one, with thumbprint %s", e.Thumbprint, ErrDamaged, k.Thumbprint())
	}
	return k, nil
}

// parsePrivate reads PKCS #8. The error of the parser is not passed on: it was
// made while looking at a private key.
func parsePrivate(der []byte) (crypto.Signer, error) {
	k, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("not a private key in PKCS #8")
	}
	s, ok := k.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of type %T cannot sign", k)
	}
	return s, nil
}

func (c *contents) clone() *contents {
	n := &contents{c.generation, slices.Clone(c.keys), maps.Clone(c.values)}
	if n.values == nil {
		n.values = make(map[string]holdfast.Secret)
	}
	return n
}

// current returns the index of the current key of a name, or -1.
func (c *contents) current(name string) int {
	return slices.IndexFunc(c.keys, func(e entry) bool { return e.Name == name && e.Retired.IsZero() })
}

// byThumbprint returns the index of a key, or -1.
func (c *contents) byThumbprint(t holdfast.Thumbprint) int {
	return slices.IndexFunc(c.keys, func(e entry) bool { return e.Thumbprint == t })
}

// check holds what is read and what is about to be written to the rules of a
// store, and returns every breach.
func (c *contents) check() error {
	var errs []error
	if len(c.keys) > MaxKeys {
		errs = append(errs, fmt.Errorf("%d keys, at most %d are kept", len(c.keys), MaxKeys))
	}
	if len(c.values) > MaxValues {
		errs = append(errs, fmt.Errorf("%d values, at most %d are kept", len(c.values), MaxValues))
	}
	current, seen := map[string]bool{}, map[holdfast.Thumbprint]bool{}
	for _, e := range c.keys {
		if err := CheckName(e.Name); err != nil {
			errs = append(errs, fmt.Errorf("key %s: %w", e.Thumbprint, err))
		}
		if e.Retired.IsZero() {
			if current[e.Name] {
				errs = append(errs, fmt.Errorf("name %q has two current keys", e.Name))
			}
			current[e.Name] = true
		}
		if seen[e.Thumbprint] {
			errs = append(errs, fmt.Errorf("key %s is there twice", e.Thumbprint))
		}
		seen[e.Thumbprint] = true
	}
	for name, v := range c.values {
		if err := CheckName(name); err != nil {
			errs = append(errs, err)
		}
		if v.Len() > MaxValueBytes {
			errs = append(errs, fmt.Errorf("value %q has %d bytes, at most %d are kept", name, v.Len(), MaxValueBytes))
		}
	}
	return errors.Join(errs...)
}

// document is the JSON form of contents.
type document struct {
	Generation uint64            `json:"generation"`
	Keys       []documentKey     `json:"keys"`
	Values     map[string][]byte `json:"values"`
}

type documentKey struct {
	Name       string    `json:"name"`
	Thumbprint string    `json:"thumbprint"`
	Alg        string    `json:"alg"`
	Created    time.Time `json:"created"`
	Retired    time.Time `json:"retired,omitzero"`
	PKCS8      []byte    `json:"pkcs8,omitempty"` // absent where the keys are files of their own
}

// encode writes the contents, private keys included if withKeys.
func (c *contents) encode(withKeys bool) ([]byte, error) {
	d := document{Generation: c.generation, Keys: []documentKey{}, Values: map[string][]byte{}}
	for _, e := range c.keys {
		k := documentKey{e.Name, e.Thumbprint.String(), string(e.Alg), e.Created.UTC(), e.Retired, nil}
		if withKeys {
			k.PKCS8 = e.der
		}
		d.Keys = append(d.Keys, k)
	}
	for name, v := range c.values {
		d.Values[name] = []byte(v.Reveal())
	}
	b, err := json.Marshal(d)
	if err == nil && len(b) > MaxFileBytes-sealOverhead {
		err = fmt.Errorf("the contents have %d bytes, at most %d are kept", len(b), MaxFileBytes-sealOverhead)
	}
	return b, err
}

// decodeContents reads what encode wrote. A member that is not known is refused:
// it would be lost at the next change.
func decodeContents(b []byte) (*contents, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	var d document
	if err := dec.Decode(&d); err != nil {
		var syntax *json.SyntaxError // its text may quote one character, no more
		if errors.As(err, &syntax) || strings.HasPrefix(err.Error(), "json: unknown field ") {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		return nil, fmt.Errorf("%w: not the JSON of a keystore", ErrDamaged)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: something follows the JSON", ErrDamaged)
	}
	c := &contents{generation: d.Generation, values: make(map[string]holdfast.Secret, len(d.Values))}
	for _, k := range d.Keys {
		t, err := holdfast.ParseThumbprint(k.Thumbprint)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		c.keys = append(c.keys, entry{Info: Info{k.Name, t, holdfast.Alg(k.Alg), k.Created, k.Retired}, der: k.PKCS8})
	}
	for name, v := range d.Values {
		c.values[name] = holdfast.NewSecret(string(v))
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return c, nil
}
