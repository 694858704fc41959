package token

import (
	"fmt"
	"strings"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// MaxIntrospectionBytes is the largest introspection response that is read.
const MaxIntrospectionBytes = 64 << 10

// Introspected reads an introspection response (RFC 7662 section 2.2). An
// active token is authentic, because its issuer vouches for it; of an inactive
// one nothing else is believed. A response that cannot be read is an error: it
// says nothing about the token.
//
// A response that calls the token a DPoP token without saying which key it is
// bound to gives an unsupported confirmation, never an unbound token (RFC 9449
// section 6.2).
func Introspected(response []byte) (*holdfast.Token, error) {
	o, err := strictjson.Parse(string(response), MaxIntrospectionBytes)
	if err != nil {
		return nil, fmt.Errorf("introspection response: %w", err)
	}
	v, _ := o.Get("active")
	active, ok := v.Bool()
	if !ok {
		return nil, fmt.Errorf("introspection response: active is %s, want true or false", v.Kind())
	}
	if !active {
		return &holdfast.Token{State: holdfast.TokenInactive}, nil
	}
	c := claims{o: o}
	t := c.token()
	if strings.EqualFold(c.text("token_type"), "DPoP") && t.Confirmation.JKT.IsZero() {
		t.Confirmation.Unsupported = true
	}
	if c.err != nil {
		return nil, fmt.Errorf("introspection response: %w", c.err)
	}
	t.State = holdfast.TokenAuthentic
	t.Claims = append([]byte(nil), response...)
	return t, nil
}
