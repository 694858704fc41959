package token

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// maxTries bounds how many keys one signature is tried with if the token names
// none, so that a stranger cannot make a server verify hundreds of times.
const maxTries = 16

// JWT reads JWT access tokens (RFC 9068) over key sets that are given. It
// fetches nothing. It is immutable and safe for concurrent use.
type JWT struct {
	sets []KeySet
	algs map[jose.Alg]bool // nil: every asymmetric algorithm
}

// NewJWT makes a reader over the key sets of one or more issuers. Every
// asymmetric algorithm is accepted, RS256 among them (RFC 9068 section 2.1);
// [JWT.WithAlgs] restricts them.
func NewJWT(sets []KeySet) *JWT { return &JWT{sets: append([]KeySet(nil), sets...)} }

// WithAlgs returns a reader over the same key sets that accepts signatures of
// the given algorithms only, of which there has to be one at least.
func (r *JWT) WithAlgs(algs ...holdfast.Alg) (*JWT, error) {
	n := &JWT{sets: r.sets, algs: make(map[jose.Alg]bool)}
	var errs []error
	for _, name := range algs {
		a, _ := jose.ParseAlg(string(name))
		if a == jose.AlgUnknown {
			errs = append(errs, fmt.Errorf("jwt reader: %q is no asymmetric algorithm that is implemented", name))
			continue
		}
		n.algs[a] = true
		if sameEdwards(a) {
			n.algs[jose.EdDSA], n.algs[jose.Ed25519] = true, true
		}
	}
	if len(algs) == 0 {
		errs = append(errs, errors.New("jwt reader: no algorithm is named"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return n, nil
}

// ReadToken implements [holdfast.TokenReader]. A token that is no JWS is
// malformed here; where opaque tokens occur, introspection reads them. Of a
// token whose issuer has no key set here the claims are known and the State is
// TokenUnknown: nobody could find out whether it is genuine. There is no error.
//
// Keys come from the given sets only: jwk, jku and x5u of the header are never
// looked at (RFC 9068 section 4).
func (r *JWT) ReadToken(_ context.Context, raw holdfast.Secret) (*holdfast.Token, error) {
	t, j := parseJWT(raw)
	if t.State == holdfast.TokenUnknown {
		t.State = r.judge(j, t.Issuer)
	}
	return t, nil
}

// parseJWT returns the facts of a JWT that nobody has judged yet, or a malformed
// token, and nil if it is no JWS at all.
func parseJWT(raw holdfast.Secret) (*holdfast.Token, *jose.JWS) {
	j, err := jose.Parse(raw.Reveal(), holdfast.MaxTokenBytes)
	if err != nil { // J-4.1.11-01: a crit is in here
		return malformed(), nil
	}
	t, err := FromClaims(j.Type, []byte(j.Payload))
	if err != nil {
		return malformed(), &j
	}
	return t, &j
}

func malformed() *holdfast.Token {
	return &holdfast.Token{State: holdfast.TokenMalformed, Typed: true}
}

// FromClaims returns the facts of a JWT access token whose signature is not at
// hand: its header typ and its payload. The State is TokenMalformed or
// TokenUnknown; such a token is never accepted, it can only be explained. The
// error is about a payload that is too large to have come from a token.
func FromClaims(typ string, payload []byte) (*holdfast.Token, error) {
	if len(payload) > holdfast.MaxTokenBytes {
		return nil, fmt.Errorf("claims of %d bytes, at most %d are read", len(payload), holdfast.MaxTokenBytes)
	}
	o, err := strictjson.Parse(string(payload), holdfast.MaxTokenBytes)
	if err != nil {
		return malformed(), nil
	}
	c := claims{o: o}
	t := c.token()
	if t.Expires.IsZero() {
		c.wrong("exp", "missing") // RFC 9068 section 2.2: without it a token would be good for ever
	}
	if c.err != nil {
		return malformed(), nil
	}
	t.Typed, t.Type = true, mediaType(typ)
	t.Claims = append([]byte(nil), payload...)
	return t, nil
}

// judge finds out how far the signature can be believed.
func (r *JWT) judge(j *jose.JWS, issuer string) holdfast.TokenState {
	if hopeless(j) {
		return holdfast.TokenBadSignature
	}
	known := false
	var named, nameless []*setKey
	for i := range r.sets {
		s := &r.sets[i]
		if s.Issuer != "" && s.Issuer != issuer {
			continue
		}
		known = true
		for n := range s.keys {
			k := &s.keys[n]
			switch {
			case k.id == "":
				nameless = append(nameless, k)
			case k.id == j.KeyID || j.KeyID == "":
				named = append(named, k)
			}
		}
	}
	switch {
	case !known:
		return holdfast.TokenUnknown
	case j.Alg == jose.AlgUnknown:
		return holdfast.TokenUnknownKey // an algorithm that no key of ours can have
	case r.algs != nil && !r.algs[j.Alg]:
		return holdfast.TokenBadSignature // J-3.1-01: the verifier decides, not the token
	}
	return verdict(j, named, nameless)
}

// hopeless reports whether no key can make the signature good, so that none is
// needed to say so.
func hopeless(j *jose.JWS) bool {
	return j.Class == jose.ClassNone || j.Class == jose.ClassSymmetric || j.AlgName == "" || len(j.Signature) == 0
}

// verdict tries the keys. Only if the named key is there can a wrong signature
// be told from a key that is not published.
func verdict(j *jose.JWS, named, nameless []*setKey) holdfast.TokenState {
	tries := 0
	for _, k := range append(named, nameless...) {
		if !k.fits(j.Alg) {
			continue
		}
		if tries++; tries > maxTries {
			return holdfast.TokenUnknownKey
		}
		if k.key.Verify(j.Alg, j.SigningInput, j.Signature) == nil {
			return holdfast.TokenAuthentic
		}
	}
	if j.KeyID != "" && len(named) > 0 || j.KeyID == "" && tries > 0 {
		return holdfast.TokenBadSignature
	}
	return holdfast.TokenUnknownKey
}

// mediaType drops the prefix that typ may leave out (RFC 7515 section 4.1.9).
func mediaType(typ string) string {
	const prefix = "application/"
	if len(typ) > len(prefix) && strings.EqualFold(typ[:len(prefix)], prefix) && !strings.Contains(typ[len(prefix):], "/") {
		return typ[len(prefix):]
	}
	return typ
}
