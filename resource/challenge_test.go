package resource

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-oauth/holdfast"
)

// errorsOf maps the schemes of a challenge field to their error, "-" for none.
func errorsOf(t testing.TB, a *answer) map[string]string {
	t.Helper()
	if n := len(a.Header["Www-Authenticate"]); n != 1 {
		t.Fatalf("%d WWW-Authenticate lines, want one", n)
	}
	got := map[string]string{}
	for i, c := range holdfast.ParseChallenges(a.Header["Www-Authenticate"]) {
		if i == 0 && c.Scheme != "DPoP" {
			t.Errorf("%s comes first, want DPoP: a proxy may cut what follows", c.Scheme)
		}
		got[c.Scheme] = c.Error
		if c.Error == "" {
			got[c.Scheme] = "-"
			if c.Description != "" {
				t.Errorf("%s has a description without an error", c.Scheme)
			}
		}
		if c.Is("DPoP") != (len(c.Algs) > 0) {
			t.Errorf("%s has algs %q; D-7.1-10: they belong to DPoP", c.Scheme, c.Algs)
		}
		if want := "https://api.example.com/.well-known/oauth-protected-resource/v1"; c.ResourceMetadata != want { // PRM-5.1-01, B-3-02
			t.Errorf("%s has resource_metadata %q, want %q", c.Scheme, c.ResourceMetadata, want)
		}
	}
	return got
}

// TestRefusals is every way in which a request at a resource is refused, with
// the challenge that tells the client what to do.
func TestRefusals(t *testing.T) {
	type schemes = map[string]string
	bearer := func(c *call) { c.scheme, c.bare = "Bearer", true }
	unbound := func(w *world, c *call) { c.token = w.token(with("cnf", nil)) }
	for _, tt := range []struct {
		name   string
		accept holdfast.Acceptance
		change func(*world, *call)
		want   holdfast.Code
		wire   schemes
	}{
		// No credentials.
		{
			"D-7.2-03: no credentials at a mixed resource", holdfast.AcceptBearerToo,
			func(_ *world, c *call) { c.scheme, c.bare = "", true },
			holdfast.CodeRequestAuthMissing,
			schemes{"DPoP": "-", "Bearer": "-"},
		},
		{
			"D-7.1-05: no credentials where only DPoP is admitted", holdfast.AcceptBound,
			func(_ *world, c *call) { c.scheme, c.bare = "", true },
			holdfast.CodeRequestAuthMissing,
			schemes{"DPoP": "-"},
		},
		{
			"D-4-02: a proof without a token", holdfast.AcceptBound,
			func(_ *world, c *call) { c.scheme = "" }, holdfast.CodeRequestAuthMissing,
			schemes{"DPoP": "-"},
		},
		{
			"B-3.1-04: another scheme", holdfast.AcceptBearerToo,
			func(_ *world, c *call) { c.authorization, c.bare = []string{"Basic eDp5"}, true },
			holdfast.CodeRequestSchemeUnsupported,
			schemes{"DPoP": "-", "Bearer": "-"},
		},
		{
			"D-7.1-13: credentials for a proxy are none for us", holdfast.AcceptBound,
			func(_ *world, c *call) {
				c.header.Set("Proxy-Authorization", "DPoP "+c.token)
				c.scheme = ""
			},
			holdfast.CodeRequestAuthMissing,
			schemes{"DPoP": "-"},
		},
		// Malformed or ambiguous credentials.
		{
			"D-7.1-02: the scheme alone", holdfast.AcceptBound,
			func(_ *world, c *call) { c.authorization = []string{"DPoP"} },
			holdfast.CodeRequestAuthMalformed,
			schemes{"DPoP": "invalid_request"},
		},
		{
			"B-2.1-03: a quoted token", holdfast.AcceptBearerToo,
			func(_ *world, c *call) { c.authorization = []string{`Bearer "x"`} },
			holdfast.CodeRequestAuthMalformed,
			schemes{"DPoP": "-", "Bearer": "invalid_request"},
		},
		{
			"B-2.1-03: two words after the scheme", holdfast.AcceptBearerToo,
			func(_ *world, c *call) { c.authorization = []string{"Bearer a b"} },
			holdfast.CodeRequestAuthMalformed,
			schemes{"DPoP": "-", "Bearer": "invalid_request"},
		},
		// D-3-02 and B-3.1-02: the token itself.
		{
			"D-7.2-04: a bad token under DPoP", holdfast.AcceptBearerToo,
			func(_ *world, c *call) { c.token = "INVALID" },
			holdfast.CodeTokenFormMalformed,
			schemes{"DPoP": "invalid_token", "Bearer": "-"},
		},
		{
			"D-7.2-04: a bad token under Bearer", holdfast.AcceptBearerToo,
			func(_ *world, c *call) { bearer(c); c.token = "INVALID" },
			holdfast.CodeTokenFormMalformed,
			schemes{"DPoP": "-", "Bearer": "invalid_token"},
		},
		{
			"D-3-02 and B-3-04: an expired token with a good proof", holdfast.AcceptBound,
			func(w *world, c *call) { c.token = w.token(with("exp", startTime.Unix()-60)) },
			holdfast.CodeTokenTimeExpired,
			schemes{"DPoP": "invalid_token"},
		},
		{
			"BCP-2.3-02: a token for another resource", holdfast.AcceptBound,
			func(w *world, c *call) { c.token = w.token(with("aud", "https://other.example.com")) },
			holdfast.CodeTokenAudienceMismatch,
			schemes{"DPoP": "invalid_token"},
		},
		{
			"AT-4-01: a JWT of another type", holdfast.AcceptBound,
			func(w *world, c *call) { c.token = w.sign(`{"alg":"ES256","typ":"JWT","kid":"k1"}`, w.claims()) },
			holdfast.CodeTokenTypWrong,
			schemes{"DPoP": "invalid_token"},
		},
		{
			"AT-4-02: a signature of another key", holdfast.AcceptBound,
			func(w *world, c *call) { c.token = c.token[:len(c.token)-4] + "AAAA" },
			holdfast.CodeTokenSignatureInvalid,
			schemes{"DPoP": "invalid_token"},
		},
		// The binding.
		{
			"D-7.2-01: a bound token as Bearer, without a proof", holdfast.AcceptBound,
			func(_ *world, c *call) { bearer(c) },
			holdfast.CodeBindingSchemeDowngrade,
			schemes{"DPoP": "-", "Bearer": "invalid_token"},
		},
		{
			"D-7.2-01: a bound token as Bearer with a good proof, where Bearer is admitted", holdfast.AcceptBearerToo,
			func(_ *world, c *call) { c.scheme = "Bearer" },
			holdfast.CodeBindingSchemeDowngrade,
			schemes{"DPoP": "-", "Bearer": "invalid_token"},
		},
		{
			"D-6-03: an unbound token under DPoP", holdfast.AcceptBearerToo,
			unbound, holdfast.CodeBindingSchemeNotBound,
			schemes{"DPoP": "invalid_token", "Bearer": "-"},
		},
		{
			"an unbound token as Bearer where tokens have to be bound", holdfast.AcceptBound,
			func(w *world, c *call) { bearer(c); unbound(w, c) },
			holdfast.CodeBindingPresentUnbound,
			schemes{"DPoP": "-", "Bearer": "invalid_token"},
		},
		{
			"D-6.1-02: jkt outside cnf", holdfast.AcceptBound,
			func(w *world, c *call) {
				c.token = w.token(with("cnf", nil), with("jkt", w.key.Thumbprint().String()))
			},
			holdfast.CodeBindingSchemeNotBound,
			schemes{"DPoP": "invalid_token"},
		},
		{
			"C-3.1-01: a cnf of an unknown method, where Bearer is admitted", holdfast.AcceptBearerToo,
			func(w *world, c *call) { bearer(c); c.token = w.token(with("cnf", map[string]any{"foo": "x"})) },
			holdfast.CodeBindingPresentUnsupported,
			schemes{"DPoP": "-", "Bearer": "invalid_token"},
		},
		{
			"C-3.1-02: a cnf that is no object", holdfast.AcceptBearerToo,
			func(w *world, c *call) { bearer(c); c.token = w.token(with("cnf", "x")) },
			holdfast.CodeBindingPresentUnsupported,
			schemes{"DPoP": "-", "Bearer": "invalid_token"},
		},
		{
			"D-7.1-14, D-6-02 and D-4.3-12b: a proof of another key", holdfast.AcceptBound,
			func(w *world, c *call) { c.key = newKey(w.t) },
			holdfast.CodeBindingJKTMismatch,
			schemes{"DPoP": "invalid_token"},
		},
		// The proof.
		{
			"D-7.1-03: no proof", holdfast.AcceptBound,
			func(_ *world, c *call) { c.bare = true },
			holdfast.CodeProofSingleMissing,
			schemes{"DPoP": "invalid_dpop_proof"},
		},
		{
			"D-3-01: one bit of the signature is wrong", holdfast.AcceptBound,
			func(w *world, c *call) {
				p := w.proof(c)
				flipped := "A"
				if p[len(p)-10] == 'A' {
					flipped = "B"
				}
				c.proofs = []string{p[:len(p)-10] + flipped + p[len(p)-9:]}
			},
			holdfast.CodeProofSignatureInvalid,
			schemes{"DPoP": "invalid_dpop_proof"},
		},
		{
			"D-4.3-08: a proof for another method", holdfast.AcceptBound,
			func(_ *world, c *call) { c.proofMethod = "POST" },
			holdfast.CodeProofHTMMismatch,
			schemes{"DPoP": "invalid_dpop_proof"},
		},
		{
			"D-7-03: a right ath on another path", holdfast.AcceptBound,
			func(_ *world, c *call) { c.proofFor = public + "/other" },
			holdfast.CodeProofHTUMismatch,
			schemes{"DPoP": "invalid_dpop_proof"},
		},
		{
			"D-4.3-12a: ath of another token", holdfast.AcceptBound,
			func(w *world, c *call) { c.proofToken = w.token(with("jti", "t2")) },
			holdfast.CodeProofAthMismatch,
			schemes{"DPoP": "invalid_dpop_proof"},
		},
		{
			"D-4.3-11a: a proof of 61 seconds ago", holdfast.AcceptBound,
			func(_ *world, c *call) { c.at = startTime.Add(-61 * time.Second) },
			holdfast.CodeProofIatOld,
			schemes{"DPoP": "invalid_dpop_proof"},
		},
		{
			"D-11.5-01: the access token as proof", holdfast.AcceptBound,
			func(_ *world, c *call) { c.proofs = []string{c.token} },
			holdfast.CodeProofClaimsMissing,
			schemes{"DPoP": "invalid_dpop_proof"},
		},
		// Access.
		{
			"B-3.1-03 and D-7.1-07: a scope is missing", holdfast.AcceptBound,
			func(w *world, c *call) { c.token = w.token(with("scope", "write")) },
			holdfast.CodeAccessScopeInsufficient,
			schemes{"DPoP": "insufficient_scope"},
		},
		{
			"the same under Bearer", holdfast.AcceptBearerToo,
			func(w *world, c *call) { bearer(c); c.token = w.token(with("cnf", nil), with("scope", "write")) },
			holdfast.CodeAccessScopeInsufficient,
			schemes{"DPoP": "-", "Bearer": "insufficient_scope"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, func(w *world) {
				w.config.Verify.Accept = tt.accept
				w.need.Scope = []string{"read"}
			})
			c := w.good()
			tt.change(w, c)
			a := w.do(c)
			w.refused(a, tt.want)
			if diff := cmp.Diff(tt.wire, errorsOf(t, a)); diff != "" {
				t.Errorf("challenges (-want +got):\n%s", diff)
			}
			w.tellsNothing(a, c)
		})
	}
}

// tellsNothing checks that no credential comes back (D-7.1-09) and that the
// description is the constant sentence of the code.
func (w *world) tellsNothing(a *answer, c *call) {
	w.t.Helper()
	text := a.body + a.Header.Get("WWW-Authenticate") + w.log.String()
	secrets := []string{c.token}
	for _, p := range c.proofs {
		secrets = append(secrets, strings.Split(p, ".")...)
	}
	for _, s := range secrets {
		if len(s) > 10 && strings.Contains(text, s) {
			w.t.Errorf("a credential is in the answer or the log: %.200s", text)
		}
	}
	p := a.problem(w.t)
	code, _ := holdfast.ParseCode(p.Code)
	for _, ch := range holdfast.ParseChallenges(a.Header["Www-Authenticate"]) {
		if ch.Error != "" && ch.Description != code.Public() {
			w.t.Errorf("description %q, want %q", ch.Description, code.Public())
		}
	}
}

// D-7.1-06: the challenge names what the route needs. With AnyScope the first
// one is enough, because the attribute means all of them.
func TestChallengeNamesTheScope(t *testing.T) {
	for _, tt := range []struct {
		name string
		need holdfast.Requirement
		want []string
	}{
		{"all of them", holdfast.Requirement{Scope: []string{"a", "b"}}, []string{"a", "b"}},
		{"one of them", holdfast.Requirement{Scope: []string{"a", "b"}, AnyScope: true}, []string{"a"}},
		{"none", holdfast.Requirement{}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, func(w *world) { w.need = tt.need })
			c := w.good()
			c.scheme, c.bare = "", true
			ch, _ := w.do(c).challenge(t, "DPoP")
			if diff := cmp.Diff(tt.want, ch.Scope); diff != "" {
				t.Errorf("scope (-want +got):\n%s", diff)
			}
		})
	}
}

// SU-3-01 (RFC 9470 section 3), under both schemes.
func TestStepUpChallenge(t *testing.T) {
	for _, scheme := range []string{"DPoP", "Bearer"} {
		w := newWorld(t, func(w *world) {
			w.config.Verify.Accept = holdfast.AcceptBearerToo
			w.need = holdfast.Requirement{ACR: []string{"phr", "phrh"}, MaxAge: 5 * time.Minute}
		})
		c := w.good()
		if c.scheme = scheme; scheme == "Bearer" {
			c.bare, c.token = true, w.token(with("cnf", nil))
		}
		a := w.do(c)
		w.refused(a, holdfast.CodeAccessAuthenticationInsufficient)
		ch, _ := a.challenge(t, scheme)
		if ch.Error != "insufficient_user_authentication" || ch.MaxAge == nil || *ch.MaxAge != 300 || !cmp.Equal(ch.ACR, []string{"phr", "phrh"}) {
			t.Errorf("%s: challenge %s", scheme, ch)
		}
		if field := a.Header.Get("WWW-Authenticate"); !strings.Contains(field, `max_age="300"`) || strings.Count(field, "acr_values") != 1 {
			t.Errorf("field %s", field)
		}
		w.accepted(w.do(&call{
			method: "GET", path: "/", scheme: "DPoP", key: w.key, at: startTime, header: http.Header{},
			token: w.token(with("acr", "phr"), with("auth_time", startTime.Unix()-60)),
		}))
	}
}

// D-4.3-05b: algs is what is accepted, nothing else.
func TestAlgsOfTheChallenge(t *testing.T) {
	w := newWorld(t, func(w *world) { w.config.Verify.Proof.Algs = []holdfast.Alg{holdfast.EdDSA} })
	a := w.do(w.good())
	w.refused(a, holdfast.CodeProofAlgRefused)
	if ch, _ := a.challenge(t, "DPoP"); !cmp.Equal(ch.Algs, []string{"EdDSA"}) {
		t.Errorf("algs %q", ch.Algs)
	}
}

func TestBearerIsAdmittedWhereItIsSaid(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config holdfast.Acceptance
		route  holdfast.Acceptance
		want   holdfast.Code
	}{
		{"B-2.1-01: by the configuration", holdfast.AcceptBearerToo, holdfast.AcceptBound, holdfast.CodeOK},
		{"by the route", holdfast.AcceptBound, holdfast.AcceptBearerToo, holdfast.CodeOK},
		{"nowhere", holdfast.AcceptBound, holdfast.AcceptBound, holdfast.CodeBindingPresentUnbound},
		{"the route is stricter", holdfast.AcceptBearerToo, holdfast.AcceptDPoPOnly, holdfast.CodeBindingPresentUnbound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, func(w *world) {
				w.config.Verify.Accept, w.need.Accept = tt.config, tt.route
			})
			c := w.good()
			c.scheme, c.bare, c.token = "bearer", true, w.token(with("cnf", nil)) // B-2.1-03: in any case
			a := w.do(c)
			if tt.want == holdfast.CodeOK {
				w.accepted(a)
				return
			}
			w.refused(a, tt.want)
		})
	}
}
