package login

import (
	"errors"
	"maps"
	"testing"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/authserver"
	"github.com/holdfast-oauth/holdfast/internal/clientauth"
)

const ourIssuer = "https://as.example"

// configFor is the configuration of a client at a provider that is never asked.
func configFor(issuer string) ProviderConfig {
	return ProviderConfig{
		Name: "corp", Title: "Corp", Issuer: issuer,
		Client: clientauth.Config{Method: clientauth.SecretBasic, ClientID: ourClient, Secret: holdfast.NewSecret(ourSecret)},
	}
}

func TestExchange(t *testing.T) {
	d := newDouble(t)
	strict := newProvider(t, d.config())
	older := d.config()
	older.AccessTokenType = "JWT"
	lax := newProvider(t, older)
	now := d.clock.now().Unix()
	access := object{"aud": ourIssuer, "client_id": "app", "nonce": nil}
	for _, c := range []struct {
		name   string
		p      *Provider
		kind   string
		header object
		base   object
		claims object
		denied string
	}{
		{name: "an access token for us", kind: typeAccessToken, base: access},
		{name: "an access token for us, called a JWT", kind: typeJWT, base: access},
		{name: "an access token for us and others", kind: typeAccessToken, base: access, claims: object{"aud": []string{"https://api.example", ourIssuer}}},
		{name: "an access token with the long type", kind: typeAccessToken, base: access, header: object{"typ": "application/AT+JWT"}},
		{name: "an access token of an older provider", p: lax, kind: typeAccessToken, base: access, header: object{"typ": "JWT"}},
		{name: "an access token of an older provider without a type", p: lax, kind: typeAccessToken, base: access, header: object{"typ": nil}},
		{name: "an ID token for our client", kind: typeIDToken, header: object{"typ": nil}},
		{name: "an ID token for several, issued to our client", kind: typeIDToken, header: object{"typ": nil}, claims: object{"aud": []string{ourClient, "x"}, "azp": ourClient}},

		{name: "an access token for another resource", kind: typeAccessToken, base: access, claims: object{"aud": "https://api.example"}, denied: "(aud)"},
		{name: "an access token for our issuer with a slash", kind: typeAccessToken, base: access, claims: object{"aud": ourIssuer + "/"}, denied: "(aud)"},
		{name: "an access token for our client", kind: typeAccessToken, base: access, claims: object{"aud": ourClient}, denied: "(aud)"},
		{name: "an access token for nobody", kind: typeAccessToken, base: access, claims: object{"aud": nil}, denied: "(aud)"},
		{name: "an access token of a client", kind: typeAccessToken, base: access, claims: object{"sub": "app"}, denied: "(sub)"},
		{name: "an access token without a type", kind: typeAccessToken, base: access, header: object{"typ": nil}, denied: "(typ)"},
		{name: "an access token with the type of older providers", kind: typeAccessToken, base: access, header: object{"typ": "JWT"}, denied: "(typ)"},
		{name: "a new access token at an older provider", p: lax, kind: typeAccessToken, base: access, denied: "(typ)"},
		{name: "a bound access token", kind: typeAccessToken, base: access, claims: object{"cnf": object{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}, denied: "(cnf)"},
		{name: "an access token with a confirmation that cannot be read", kind: typeAccessToken, base: access, claims: object{"cnf": 1}, denied: "(cnf)"},
		{name: "an expired access token", kind: typeAccessToken, base: access, claims: object{"exp": now - 60}, denied: "(exp)"},
		{name: "an access token of tomorrow", kind: typeAccessToken, base: access, claims: object{"nbf": now + 86400}, denied: "(nbf)"},
		{name: "an access token without a subject", kind: typeAccessToken, base: access, claims: object{"sub": nil}, denied: "(sub)"},
		{name: "a security event with our audience", p: lax, kind: typeJWT, base: access, header: object{"typ": "JWT"}, claims: object{"events": object{}}, denied: "(events)"},
		{name: "an ID token called an access token", kind: typeAccessToken, header: object{"typ": nil}, denied: "(typ)"},
		{name: "an ID token called an access token of an older provider", p: lax, kind: typeAccessToken, header: object{"typ": nil}, denied: "(aud)"},
		{name: "an access token called an ID token", kind: typeIDToken, base: access, denied: "(typ)"},
		{name: "an access token of an older provider called an ID token", p: lax, kind: typeIDToken, base: access, header: object{"typ": "JWT"}, denied: "(aud)"},
		{name: "an ID token for another client", kind: typeIDToken, header: object{"typ": nil}, claims: object{"aud": "app"}, denied: "(aud)"},
		{name: "an ID token issued to another client", kind: typeIDToken, header: object{"typ": nil}, claims: object{"azp": "app"}, denied: "(azp)"},
		{name: "an expired ID token", kind: typeIDToken, header: object{"typ": nil}, claims: object{"exp": now - 60}, denied: "(exp)"},
		{name: "a logout token", kind: typeIDToken, header: object{"typ": nil}, claims: object{"events": object{}, "nonce": nil}, denied: "(events)"},
		{name: "a refresh token", kind: "urn:ietf:params:oauth:token-type:refresh_token", base: access, denied: "(subject_token_type)"},
		{name: "no type at all", kind: "", base: access, denied: "(subject_token_type)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := c.p
			if p == nil {
				p = strict
			}
			header, claims := object{"alg": "ES256", "kid": "ec", "typ": "at+jwt"}, d.claims("n")
			maps.Copy(header, c.header)
			maps.Copy(claims, c.base)
			maps.Copy(claims, c.claims)
			person, err := p.Exchange(t.Context(), ourIssuer, c.kind, holdfast.NewSecret(sign(t, d.key, header, claims)))
			switch {
			case c.denied != "":
				wantDenied(t, err, c.denied)
				if person != nil {
					t.Errorf("person %+v beside a denial", person)
				}
			case err != nil || person == nil:
				t.Errorf("person %v, error %v", person, err)
			case person.Subject != p.subject("alice") || person.ACR != "mfa" || person.Issued.Unix() != claims["iat"] || person.Expires.Unix() != claims["exp"]:
				t.Errorf("person %+v", person)
			}
		})
	}
}

func TestExchangeFollowsTheRules(t *testing.T) {
	d := newDouble(t)
	c := d.config()
	c.Rules = []ScopeRule{{Claim: []string{"groups"}, Values: []string{"admins"}, Scopes: []string{"write"}}}
	p := newProvider(t, c)
	for _, groups := range []string{"admins", "staff"} {
		claims := d.claims("n")
		claims["groups"] = groups
		raw := holdfast.NewSecret(sign(t, d.key, object{"alg": "ES256", "kid": "ec"}, claims))
		person, err := p.Exchange(t.Context(), ourIssuer, typeIDToken, raw)
		if groups == "staff" {
			wantDenied(t, err, "no access here")
			continue
		}
		if err != nil || len(person.Scopes) != 1 || person.Scopes[0] != "write" {
			t.Errorf("person %+v, error %v, want one who may grant write", person, err)
		}
	}
}

// TestExchangeLeavesTokensOfOthersAlone: they may be of another provider, which
// is then asked.
func TestExchangeLeavesTokensOfOthersAlone(t *testing.T) {
	d := newDouble(t)
	p := newProvider(t, d.config())
	for name, raw := range map[string]string{
		"a token of another issuer": sign(t, d.key, object{"alg": "ES256", "typ": "at+jwt"}, object{"iss": "https://other.example", "aud": ourIssuer, "exp": 4e9, "sub": "alice"}),
		"a token of no issuer":      sign(t, d.key, object{"alg": "ES256", "typ": "at+jwt"}, object{"aud": ourIssuer, "exp": 4e9, "sub": "alice"}),
		"an opaque token":           "2YotnFZFEjr1zCsicMWpAA",
		"nothing":                   "",
	} {
		person, err := p.Exchange(t.Context(), ourIssuer, typeAccessToken, holdfast.NewSecret(raw))
		if person != nil || err != nil {
			t.Errorf("%s: person %v, error %v, want neither", name, person, err)
		}
	}
	if d.asked.Load() != 0 {
		t.Error("the provider was asked about a token that is not its own")
	}
	raw := sign(t, d.key, object{"alg": "ES256", "kid": "rsa", "typ": "at+jwt"}, d.claims("n"))
	_, err := p.Exchange(t.Context(), ourIssuer, typeAccessToken, holdfast.NewSecret(raw))
	if denied := (*authserver.Denied)(nil); !errors.As(err, &denied) {
		t.Errorf("error %v for a token that says it is of the provider and is not, want a denial", err)
	}
}
