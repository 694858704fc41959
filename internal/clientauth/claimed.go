package clientauth

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// Limits of an assertion.
const (
	MaxAssertionBytes    = 8 << 10
	MaxAssertionIDBytes  = 256 // jti
	MaxAssertionAudience = 16  // elements of aud

	// MaxAssertionLifetime is how far ahead exp may be. The jti has to be
	// remembered that long.
	MaxAssertionLifetime = 10 * time.Minute

	// Skew is how far the clock of a client may be ahead or behind: FAPI 2.0
	// section 5.3.2.1 wants 10 s accepted and more than 60 s refused.
	Skew = holdfast.DefaultSkew
)

// claimed is an assertion whose form is right; nothing in it is verified.
type claimed struct {
	jws             jose.JWS
	issuer, subject string
	id              string
	audience        []string
	expires         int64
	notBefore       *int64 // nil: absent
	issuedAt        *int64
}

// readClaimed reads an assertion. The error is a [*Refusal].
func readClaimed(text string) (*claimed, error) {
	bad := func(format string, args ...any) (*claimed, error) {
		return nil, refuse(BadAssertion, "client_assertion: "+fmt.Sprintf(format, args...))
	}
	if len(text) > MaxAssertionBytes {
		return bad("it is longer than %d bytes", MaxAssertionBytes)
	}
	j, err := jose.Parse(text, MaxAssertionBytes)
	if err != nil {
		return bad("it is not a well-formed compact JWS")
	}
	o, err := j.Claims()
	if err != nil {
		return bad("its payload is not a well-formed JSON object")
	}
	if !assertionTyp(j.Type) {
		return bad("its typ is not JWT") // RFC 8725 section 3.11
	}
	c := &claimed{jws: j}
	for _, claim := range []struct {
		name  string
		to    *string
		limit int
	}{
		{"iss", &c.issuer, MaxClientIDBytes},
		{"sub", &c.subject, MaxClientIDBytes},
		{"jti", &c.id, MaxAssertionIDBytes},
	} {
		v, _ := o.Get(claim.name)
		var ok bool
		if *claim.to, ok = v.Text(); !ok || *claim.to == "" || len(*claim.to) > claim.limit {
			return bad("%s is not there as a string of 1 to %d bytes", claim.name, claim.limit)
		}
	}
	if c.audience = readAudience(o); c.audience == nil {
		return bad("aud is not there as a string, or a list of at most %d strings", MaxAssertionAudience)
	}
	exp, _ := o.Get("exp")
	var ok bool
	if c.expires, ok = exp.Seconds(); !ok {
		return bad("exp is not there as a number of seconds")
	}
	for name, to := range map[string]**int64{"nbf": &c.notBefore, "iat": &c.issuedAt} {
		if v, there := o.Get(name); there {
			seconds, ok := v.Seconds()
			if !ok {
				return bad("%s is not a number of seconds", name)
			}
			*to = &seconds
		}
	}
	return c, nil
}

// assertionTyp reports whether a JWS says that it is a JWT of no special kind,
// or one for this purpose: proofs and access tokens must not pass for it.
func assertionTyp(typ string) bool {
	typ = strings.TrimPrefix(strings.ToLower(typ), "application/")
	return typ == "" || typ == "jwt" || typ == "client-authentication+jwt"
}

// readAudience returns nil unless aud is a string or a list of strings.
func readAudience(o strictjson.Object) []string {
	v, _ := o.Get("aud")
	if one, ok := v.Text(); ok {
		return []string{one}
	}
	list, _ := v.Array()
	if len(list) > MaxAssertionAudience {
		return nil
	}
	var out []string
	for _, item := range list {
		text, ok := item.Text()
		if !ok {
			return nil
		}
		out = append(out, text)
	}
	return out
}

// judge checks the claims (RFC 7523 section 3). Every audience has to be one of
// ours: an assertion that another server takes too could be one that this other
// server was given.
func (c *claimed) judge(audience []string, now time.Time) error {
	skew := int64(Skew / time.Second)
	bad := func(text string) error { return refuse(BadAssertion, "client_assertion: "+text) }
	switch at := now.Unix(); {
	case c.issuer != c.subject:
		return bad("iss is not sub")
	case slices.ContainsFunc(c.audience, func(aud string) bool { return !slices.Contains(audience, aud) }):
		return bad("aud is not this server: its issuer identifier is what is needed")
	case c.expires+skew <= at:
		return bad("exp has passed")
	case c.expires > at+skew+int64(MaxAssertionLifetime/time.Second):
		return bad(fmt.Sprintf("exp is more than %v ahead", MaxAssertionLifetime))
	case c.notBefore != nil && *c.notBefore > at+skew:
		return bad("nbf is in the future")
	case c.issuedAt != nil && *c.issuedAt > at+skew:
		return bad("iat is in the future")
	}
	return nil
}
