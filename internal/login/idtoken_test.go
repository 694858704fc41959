package login

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
	"github.com/holdfast-oauth/holdfast/token"
)

// TestIDTokenIsJudged: OpenID Connect Core section 3.1.3.7, by the numbers of
// its list.
func TestIDTokenIsJudged(t *testing.T) {
	d := newDouble(t)
	p := newProvider(t, d.config())
	now := d.clock.now().Unix()
	for _, c := range []struct {
		name   string
		claims object // nil values are left out
		header object
		denied string // "" if it is accepted
	}{
		{name: "a good one"},
		{name: "signed with RS256", header: object{"alg": "RS256", "kid": "rsa"}},
		{name: "signed with PS256 without a kid", header: object{"alg": "PS256", "kid": nil}},
		{name: "typ JWT", header: object{"typ": "jwt"}},
		{name: "an audience of one in an array", claims: object{"aud": []string{ourClient}}},
		{name: "for others too, issued to us", claims: object{"aud": []string{"other", ourClient}, "azp": ourClient}},
		{name: "issued to us", claims: object{"azp": ourClient}},
		{name: "expired within the skew", claims: object{"exp": now - 29}},
		{name: "issued ahead within the skew", claims: object{"iat": now + 30}},
		{name: "issued nine minutes ago", claims: object{"iat": now - 540}},
		{name: "a time with a fraction", claims: object{"iat": float64(now) - 0.5}},
		{name: "no name, no acr, no auth_time", claims: object{"name": nil, "acr": nil, "auth_time": nil}},
		{name: "a name that is no string", claims: object{"name": 1}},

		{name: "(2) another issuer", claims: object{"iss": "https://other.example"}, denied: "(iss)"},
		{name: "(2) the issuer with a slash", claims: object{"iss": d.URL + "/"}, denied: "(iss)"},
		{name: "(2) no issuer", claims: object{"iss": nil}, denied: "(iss)"},
		{name: "(3) for another client", claims: object{"aud": "other"}, denied: "(aud)"},
		{name: "(3) for a client whose name begins like ours", claims: object{"aud": ourClient + "2"}, denied: "(aud)"},
		{name: "(3) for nobody", claims: object{"aud": nil}, denied: "(aud)"},
		{name: "(3) for an empty list", claims: object{"aud": []string{}}, denied: "(aud)"},
		{name: "(3) an audience that is no string", claims: object{"aud": []any{1, ourClient}}, denied: "cannot be read"},
		{name: "(4) for several, issued to nobody", claims: object{"aud": []string{ourClient, "other"}}, denied: "(azp)"},
		{name: "(5) issued to another client", claims: object{"azp": "other"}, denied: "(azp)"},
		{name: "(5) for several, issued to another", claims: object{"aud": []string{ourClient, "other"}, "azp": "other"}, denied: "(azp)"},
		{name: "(5) issued to a number", claims: object{"azp": 5, "client_id": ourClient}, denied: "(azp)"},
		{name: "(9) expired", claims: object{"exp": now - 30}, denied: "(exp)"},
		{name: "(9) no expiry", claims: object{"exp": nil}, denied: "cannot be read"},
		{name: "(9) an expiry that is text", claims: object{"exp": "tomorrow"}, denied: "cannot be read"},
		{name: "(10) issued ahead", claims: object{"iat": now + 31}, denied: "(iat)"},
		{name: "(10) issued long ago", claims: object{"iat": now - 3600}, denied: "(iat)"},
		{name: "(10) not issued at a time", claims: object{"iat": nil}, denied: "(iat)"},
		{name: "not valid yet", claims: object{"nbf": now + 31}, denied: "(nbf)"},
		{name: "(11) another nonce", claims: object{"nonce": random()}, denied: "(nonce)"},
		{name: "(11) no nonce", claims: object{"nonce": nil}, denied: "(nonce)"},
		{name: "(11) a nonce that is no string", claims: object{"nonce": []string{"x"}}, denied: "(nonce)"},
		{name: "a login that lies ahead", claims: object{"auth_time": now + 31}, denied: "(auth_time)"},
		{name: "no subject", claims: object{"sub": nil}, denied: "(sub)"},
		{name: "a subject of 256 characters", claims: object{"sub": strings.Repeat("x", 256)}, denied: "(sub)"},
		{name: "a subject with a NUL", claims: object{"sub": "al\x00ice"}, denied: "(sub)"},
		{name: "an acr of a kilobyte", claims: object{"acr": strings.Repeat("x", 1024)}, denied: "acr"},
		{name: "bound to a key", claims: object{"cnf": object{"jkt": "x"}}, denied: "(cnf)"},
		{name: "an access token", header: object{"typ": "at+jwt"}, denied: "(typ)"},
		{name: "a logout token by its type", header: object{"typ": "logout+jwt"}, denied: "(typ)"},
		{name: "a logout token by its claims", claims: object{"events": object{}}, denied: "(events)"},
		{name: "a key that is not published", header: object{"kid": "other"}, denied: "not publish"},
		{name: "a critical extension", header: object{"crit": []string{"x"}, "x": 1}, denied: "cannot be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			keep, request := begin(t, p)
			claims, header := d.claims(request.Get("nonce")), object{"alg": "ES256", "kid": "ec"}
			maps.Copy(claims, c.claims)
			maps.Copy(header, c.header)
			d.token = signAs(t, d, header, claims)
			person, err := p.Finish(t.Context(), ourRedirect, keep, d.back(request))
			switch {
			case c.denied != "":
				wantDenied(t, err, c.denied)
			case err != nil:
				t.Error(err)
			case person.Subject != p.subject("alice") || person.AuthTime.IsZero() != (claims["auth_time"] == nil):
				t.Errorf("person %+v", person)
			}
		})
	}
}

// signAs signs with the key that the algorithm is of.
func signAs(t *testing.T, d *double, header, claims object) string {
	t.Helper()
	if header["alg"] == "ES256" {
		return sign(t, d.key, header, claims)
	}
	return sign(t, d.rsa, header, claims)
}

// TestForgedIDTokens are made by somebody who can answer as the token endpoint
// and knows the public keys.
func TestForgedIDTokens(t *testing.T) {
	d := newDouble(t)
	p := newProvider(t, d.config())
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(d.rsa.Public())
	if err != nil {
		t.Fatal(err)
	}
	public = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	segment := func(o object) string {
		b, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		return jose.EncodeSegment(b)
	}
	hs256 := func(claims object) string {
		input := segment(object{"alg": "HS256", "kid": "rsa"}) + "." + segment(claims)
		mac := hmac.New(sha256.New, public)
		mac.Write([]byte(input))
		return input + "." + jose.EncodeSegment(mac.Sum(nil))
	}
	good := object{"alg": "ES256", "kid": "ec"}
	for _, c := range []struct {
		name   string
		make   func(claims object) string
		denied string
	}{
		{"alg none", func(c object) string { return segment(object{"alg": "none"}) + "." + segment(c) + "." }, "signature"},
		{"alg none in other letter case", func(c object) string { return segment(object{"alg": "nOnE", "kid": "ec"}) + "." + segment(c) + ".AA" }, "not publish"},
		{"no alg", func(c object) string { return segment(object{"kid": "ec"}) + "." + segment(c) + ".AA" }, "signature"},
		{"HS256 with the public key", hs256, "signature"},
		{"another key under a published kid", func(c object) string { return sign(t, stranger, good, c) }, "signature"},
		{"another key that the header brings along", func(c object) string {
			return sign(t, stranger, object{"alg": "ES256", "jwk": keyOf(t, stranger, "x")}, c)
		}, "signature"},
		{"claims changed after signing", func(c object) string {
			parts := strings.Split(sign(t, d.key, good, c), ".")
			c["sub"] = "bob"
			return parts[0] + "." + segment(c) + "." + parts[2]
		}, "signature"},
		{"no signature", func(c object) string {
			parts := strings.Split(sign(t, d.key, good, c), ".")
			return parts[0] + "." + parts[1] + "."
		}, "signature"},
		{"two subjects", func(c object) string {
			text, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			out, err := jose.Sign(d.key, jose.ES256, `{"alg":"ES256","kid":"ec"}`, `{"sub":"bob",`+string(text[1:]))
			if err != nil {
				t.Fatal(err)
			}
			return out
		}, "cannot be read"},
		{"no JWT", func(object) string { return "opaque" }, "cannot be read"},
		{"an encrypted token", func(object) string { return "a.b.c.d.e" }, "cannot be read"},
		{"a token of 20 KiB", func(c object) string { c["pad"] = strings.Repeat("x", 20<<10); return sign(t, d.key, good, c) }, "cannot be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			keep, request := begin(t, p)
			d.token = c.make(d.claims(request.Get("nonce")))
			_, err := p.Finish(t.Context(), ourRedirect, keep, d.back(request))
			wantDenied(t, err, c.denied)
		})
	}

	t.Run("an algorithm that is not allowed here", func(t *testing.T) {
		c := d.config()
		c.Algs = []holdfast.Alg{holdfast.ES256}
		p := newProvider(t, c)
		keep, request := begin(t, p)
		d.token = sign(t, d.rsa, object{"alg": "RS256", "kid": "rsa"}, d.claims(request.Get("nonce")))
		_, err := p.Finish(t.Context(), ourRedirect, keep, d.back(request))
		wantDenied(t, err, "algorithm that is not accepted")
	})
	t.Run("keys that cannot be fetched are nobody's fault", func(t *testing.T) {
		d := newDouble(t)
		d.about["jwks_uri"] = d.URL + "/gone"
		p := newProvider(t, d.config())
		keep, request := begin(t, p)
		d.token = sign(t, d.key, good, d.claims(request.Get("nonce")))
		_, err := p.Finish(t.Context(), ourRedirect, keep, d.back(request))
		wantUnable(t, err, "key set")
		_, err = p.Exchange(t.Context(), ourIssuer, typeIDToken, holdfast.NewSecret(d.token))
		wantUnable(t, err, "key set")
	})
}

// FuzzIDToken: whatever the provider signs, what is accepted is what was asked
// for, and it gives a person that tokens can be made for.
func FuzzIDToken(f *testing.F) {
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	const nonce = "n-0S6_WzA2Mj"
	f.Add("", `{"iss":"https://op.example","sub":"alice","aud":"holdfast","iat":1893553445,"exp":1893553745,"nonce":"n-0S6_WzA2Mj","groups":["staff"]}`)
	f.Add("JWT", `{"iss":"https://op.example","sub":"alice","aud":["holdfast","x"],"azp":"holdfast","iat":1893553445,"exp":1893553745,"nonce":"n-0S6_WzA2Mj","groups":"staff","name":"\u202e"}`)
	f.Add("at+jwt", `{"iss":"https://op.example","sub":"alice","aud":"https://as.example","iat":1893553445,"exp":1893553745,"cnf":null}`)
	f.Add("", `{"iss":"https://op.example","exp":1,"exp":2}`)
	c := configFor("https://op.example")
	c.Now = func() time.Time { return at }
	c.Rules = []ScopeRule{{Claim: []string{"groups"}, Values: []string{"staff"}, Scopes: []string{"read"}}}
	p, err := NewProvider(f.Context(), c)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, typ, payload string) {
		facts, err := token.FromClaims(typ, []byte(payload))
		if err != nil || facts.State == holdfast.TokenMalformed {
			return
		}
		facts.State = holdfast.TokenAuthentic
		claims, err := p.authentic(facts)
		if err != nil {
			return
		}
		if p.judgeIDToken(facts, claims) != nil || p.judgeFresh(facts, claims, nonce) != nil {
			return
		}
		person, err := p.person(facts, claims)
		if err != nil {
			return
		}
		if facts.Issuer != p.issuer || !slices.Contains(facts.Audience, ourClient) || !strings.Contains(payload, "nonce") {
			t.Errorf("accepted: type %q, claims %s", typ, payload)
		}
		if !printable(person.Subject, MaxSubjectBytes) || !showable(person.Name, MaxDisplayNameBytes) || len(person.Scopes) != 1 {
			t.Errorf("person %+v of claims %s", person, payload)
		}
	})
}
