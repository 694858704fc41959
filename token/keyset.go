package token

import (
	"fmt"

	"github.com/holdfast-oauth/holdfast/internal/jose"
	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// Limits of a key set.
const (
	MaxJWKSBytes = 512 << 10 // of the JSON text
	MaxKeys      = 256       // in one set
)

// KeySet is the published signature keys of one issuer. It is immutable but for
// Issuer and safe for concurrent use; the zero value has no keys.
type KeySet struct {
	// Issuer is whose keys these are, exactly as in the iss claim. Empty means
	// any: for diagnosis, where somebody hands over a key set and knows what it
	// is for. A verifier that enforces names the issuer (RFC 9068 section 4).
	Issuer string

	keys    []setKey
	skipped []string
}

// setKey is one usable key of a set.
type setKey struct {
	id  string
	alg string // the only algorithm it is for, "" if the set does not say
	key *jose.PublicKey
}

// ParseJWKS reads a JSON Web Key Set (RFC 7517 section 5). Keys that cannot
// verify a signature here are left out: other types, keys for encryption, keys
// that are broken or weak, and private or symmetric ones. [KeySet.Skipped]
// names them.
func ParseJWKS(text []byte) (KeySet, error) {
	o, err := strictjson.Parse(string(text), MaxJWKSBytes)
	if err != nil {
		return KeySet{}, fmt.Errorf("key set: %w", err)
	}
	member, _ := o.Get("keys")
	list, ok := member.Array()
	if !ok {
		return KeySet{}, fmt.Errorf("key set: keys is %s, want an array", member.Kind())
	}
	if len(list) > MaxKeys {
		return KeySet{}, fmt.Errorf("key set: %d keys, at most %d are read", len(list), MaxKeys)
	}
	var set KeySet
	for i, v := range list {
		k, err := readSetKey(v)
		if err != nil {
			set.skipped = append(set.skipped, fmt.Sprintf("keys[%d]: %v", i, err))
			continue
		}
		set.keys = append(set.keys, k)
	}
	return set, nil
}

// Len returns the number of usable keys.
func (s KeySet) Len() int { return len(s.keys) }

// Skipped says which keys of the text are not used and why, without any value
// of a key.
func (s KeySet) Skipped() []string { return append([]string(nil), s.skipped...) }

func readSetKey(v strictjson.Value) (setKey, error) {
	o, ok := v.Object()
	if !ok {
		return setKey{}, fmt.Errorf("%s, want an object", v.Kind())
	}
	k := setKey{}
	var use string
	for name, to := range map[string]*string{"kid": &k.id, "alg": &k.alg, "use": &use} {
		if m, present := o.Get(name); present {
			if *to, ok = m.Text(); !ok {
				return setKey{}, fmt.Errorf("%s is %s, want a string", name, m.Kind())
			}
		}
	}
	if use != "" && use != "sig" {
		return setKey{}, fmt.Errorf("use is not sig")
	}
	if ops, present := o.Get("key_ops"); present && !forVerifying(ops) {
		return setKey{}, fmt.Errorf("key_ops does not hold verify")
	}
	var err error
	k.key, err = jose.ParseKey(o)
	return k, err
}

// forVerifying reports whether key_ops (RFC 7517 section 4.3) permits it.
func forVerifying(ops strictjson.Value) bool {
	list, _ := ops.Array()
	for _, op := range list {
		if s, ok := op.Text(); ok && s == "verify" {
			return true
		}
	}
	return false
}

// fits reports whether the key may verify a signature of that algorithm: it is
// of the right type, and the set does not reserve it for another one.
func (k *setKey) fits(a jose.Alg) bool {
	if !k.key.Fits(a) {
		return false
	}
	if k.alg == "" || k.alg == a.String() {
		return true
	}
	only, _ := jose.ParseAlg(k.alg)
	return sameEdwards(only) && sameEdwards(a)
}

// sameEdwards: EdDSA and Ed25519 are two names of one algorithm (RFC 9864).
func sameEdwards(a jose.Alg) bool { return a == jose.EdDSA || a == jose.Ed25519 }
