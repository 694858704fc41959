package token

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/holdfast-oauth/holdfast"
)

// ByIssuer hands each token to the reader that can judge it: a JWT to that of
// its issuer, any other token to that for opaque ones. Immutable and safe for
// concurrent use; there is no usable zero value.
//
// The iss that chooses is not verified yet. It cannot choose wrongly: the reader
// of an issuer believes tokens of that issuer only.
type ByIssuer struct {
	issuers map[string]holdfast.TokenReader
	opaque  holdfast.TokenReader

	generations []generations // those of the readers that have one
}

// NewByIssuer makes a reader of the readers for JWT by issuer, such as a
// [Remote], and of the one for tokens that are no JWT, such as an
// [Introspector]; either may be nil. Each reader must accept no token of
// another issuer. Every mistake is reported at once.
func NewByIssuer(issuers map[string]holdfast.TokenReader, opaque holdfast.TokenReader) (*ByIssuer, error) {
	var errs []error
	if len(issuers) == 0 && opaque == nil {
		errs = append(errs, errors.New("readers by issuer: one at least is required"))
	}
	for _, name := range slices.Sorted(maps.Keys(issuers)) {
		if name == "" {
			errs = append(errs, errors.New("readers by issuer: an issuer is empty"))
		}
		if issuers[name] == nil {
			errs = append(errs, fmt.Errorf("readers by issuer: the reader of %q is nil", name))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	b := &ByIssuer{issuers: maps.Clone(issuers), opaque: opaque}
	for _, r := range append(slices.Collect(maps.Values(issuers)), opaque) {
		if g, ok := r.(generations); ok {
			b.generations = append(b.generations, g)
		}
	}
	return b, nil
}

// ReadToken implements [holdfast.TokenReader]. A JWT of an issuer that has no
// reader has the State TokenUnknownKey, and its claims are known: it is the
// client that sent it to the wrong place. Such a token is never handed on, not
// even for introspection: it is none of the endpoint's business. A token that is
// no JWT is malformed where no opaque ones occur.
func (b *ByIssuer) ReadToken(ctx context.Context, raw holdfast.Secret) (*holdfast.Token, error) {
	t, j := parseJWT(raw)
	switch {
	case j == nil && b.opaque != nil:
		return b.opaque.ReadToken(ctx, raw)
	case t.State == holdfast.TokenMalformed:
		return t, nil
	}
	if r, ok := b.issuers[t.Issuer]; ok {
		return r.ReadToken(ctx, raw)
	}
	t.State = holdfast.TokenUnknownKey
	return t, nil
}

// Generation returns a number that grows whenever the keys of one of the issuers
// have changed, see [Cache].
func (b *ByIssuer) Generation() uint64 {
	var sum uint64
	for _, g := range b.generations {
		sum += g.Generation()
	}
	return sum
}
