package authserver

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/clientauth"
	"github.com/holdfast-oauth/holdfast/metadata"
)

// proofKeys are one key for each algorithm of proofs.
func proofKeys(t testing.TB) map[holdfast.Alg]*holdfast.Key {
	t.Helper()
	must := func(s crypto.Signer, err error) crypto.Signer {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	ec := func(c elliptic.Curve) crypto.Signer {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		return must(k, err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	must(ed, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	must(rsaKey, err)
	out := map[holdfast.Alg]*holdfast.Key{}
	for alg, s := range map[holdfast.Alg]crypto.Signer{
		holdfast.ES256: ec(elliptic.P256()), holdfast.ES384: ec(elliptic.P384()), holdfast.EdDSA: ed, holdfast.Ed25519: ed,
		holdfast.PS256: rsaKey, holdfast.RS256: rsaKey,
	} {
		k, err := holdfast.NewKeyAlg(s, alg)
		if err != nil {
			t.Fatal(err)
		}
		out[alg] = k
	}
	return out
}

// announced fails unless exactly the proofs of the algorithms in the metadata
// are accepted.
func (ts *testServer) announced(request func() url.Values, options ...option) {
	ts.t.Helper()
	m, _ := ts.published()
	listed := map[string]bool{}
	for _, a := range m.DPoPSigningAlgs {
		listed[a] = true
	}
	for alg, key := range proofKeys(ts.t) {
		r := ts.post(pathToken, request(), append(options, ts.proof(key))...)
		if accepted := r.status == http.StatusOK; accepted != listed[string(alg)] {
			ts.t.Errorf("a proof with %s is answered with %d %s, and the metadata lists %v", alg, r.status, r.shown(), m.DPoPSigningAlgs)
		} else if !accepted {
			r.refused("invalid_dpop_proof")
		}
	}
}

func TestProofsOfTheAnnouncedAlgorithmsAndNoOthersAreAccepted(t *testing.T) {
	t.Parallel()
	for _, algs := range [][]holdfast.Alg{nil, {holdfast.ES256}, {holdfast.PS256, holdfast.RS256}} {
		ts := newTestServer(t, func(c *Config) { c.Proof.Algs = algs })
		ts.announced(func() url.Values { return serviceForm() }, as(webID)) // D-5.1-01
	}
}

func TestFAPIProofsUseTheAlgorithmsOfTheProfile(t *testing.T) {
	t.Parallel()
	ts, assertion := fapiServer(t, nil)
	ts.announced(func() url.Values { return assertion(serviceForm()) })
	for alg, key := range proofKeys(t) {
		r := ts.post(pathToken, assertion(serviceForm()), ts.proof(key))
		if allowed := alg != holdfast.ES384 && alg != holdfast.RS256; allowed {
			r.ok()
		} else {
			r.refused("invalid_dpop_proof") // F2-5.4-01
		}
	}
	for _, alg := range []holdfast.Alg{holdfast.ES384, holdfast.RS256} {
		c := ts.config
		c.Proof.Algs = []holdfast.Alg{holdfast.ES256, alg}
		if _, err := New(t.Context(), c); err == nil || !strings.Contains(err.Error(), string(alg)) { // F2-5.4-01
			t.Errorf("%s: error is %v, want one that names it", alg, err)
		}
	}
}

func TestFAPIProofsMayBeTenSecondsAhead(t *testing.T) {
	t.Parallel()
	ts, _ := fapiServer(t, nil)
	c := ts.config
	c.Proof.Skew = minAhead - time.Second
	if _, err := New(t.Context(), c); err == nil || !strings.Contains(err.Error(), "skew of proofs is 9s") { // F2-5.3.2.1-04
		t.Errorf("error is %v, want one that names the skew", err)
	}
}

func TestFAPIAuthorizationNeedsAPushedRequestAndNamesTheIssuer(t *testing.T) {
	t.Parallel()
	ts, assertion := fapiServer(t, func(c *Config) { c.Directory = new(directory) })
	alice := ts.person(t)
	plain := alice.open(asking(strictID)).answered(testCallback) // F2-5.3.2.2-01
	if plain.Get("error") != errInvalidRequest || plain.Has("code") || plain.Get("iss") != ts.config.Issuer {
		t.Errorf("a request that was not pushed is answered with %v, want %s and iss", plain, errInvalidRequest)
	}
	uri := ts.post(pathPAR, assertion(goodRequest(strictID))).ok().text("request_uri")
	q := alice.granted(pathAuthorize + "?" + form("client_id", strictID, "request_uri", uri).Encode()).answered(testCallback)
	if !q.Has("code") || q.Get("iss") != ts.config.Issuer { // F2-5.3.2.2-01
		t.Errorf("the answer has a code: %v, iss %q", q.Has("code"), q.Get("iss"))
	}
}

// RFC 6749 section 5.1: what holds a token or speaks of one is kept nowhere, by
// old caches neither. D-8.2-04 and D-8-04, of every endpoint.
func TestNoAnswerOfAnEndpointIsKept(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, openTo(RegistrationOpen))
	key := newKey(t)
	wrong := bySecret(webID, "s3cr3t-that-is-wrong")
	get := func(r *http.Request) { r.Method = http.MethodGet }
	for name, r := range map[string]*reply{
		"a token":               ts.post(pathToken, serviceForm(), as(webID), ts.proof(key)).ok(),
		"no token":              ts.post(pathToken, serviceForm(), as(webID)),
		"no nonce":              ts.post(pathToken, serviceForm(), as(webID), ts.proof(key, func(p *holdfast.ProofClaims) { p.Nonce = "" })),
		"no client at token":    ts.post(pathToken, serviceForm(), wrong),
		"GET at token":          ts.post(pathToken, nil, get),
		"a pushed request":      ts.post(pathPAR, goodRequest(webID), as(webID)).ok(),
		"no pushed request":     ts.post(pathPAR, form("scope", "read"), as(webID)),
		"no client at par":      ts.post(pathPAR, goodRequest(webID), wrong),
		"a device":              ts.post(pathDevice, form("client_id", appID, "scope", "read")).ok(),
		"no device":             ts.post(pathDevice, form("client_id", appID, "scope", "fly")),
		"an introspection":      ts.post(pathIntrospect, form("token", "x"), as(backendID)).ok(),
		"no introspection":      ts.post(pathIntrospect, form(), as(backendID)),
		"no client introspects": ts.post(pathIntrospect, form("token", "x"), wrong),
		"a revocation":          ts.post(pathRevoke, form("token", "x"), as(webID)).ok(),
		"no revocation":         ts.post(pathRevoke, form(), as(webID)),
		"a registration":        ts.registers(publicApp).ok(),
		"no registration":       ts.registers("{}"),
	} {
		if r.header.Get("Cache-Control") != "no-store" || r.header.Get("Pragma") != "no-cache" { // J-6749-5.1 D-8.2-04
			t.Errorf("%s: Cache-Control is %q and Pragma %q, want no-store and no-cache", name, r.header.Get("Cache-Control"), r.header.Get("Pragma"))
		}
		if n := len(r.header.Values("DPoP-Nonce")); n > 1 { // D-8-04
			t.Errorf("%s: there are %d DPoP-Nonce fields", name, n)
		}
		if len(r.raw) > 0 && r.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: the body is %s, want JSON", name, r.header.Get("Content-Type"))
		}
	}
}

// D-8.2-05: who takes the nonce of each answer never meets a challenge again.
func TestTheNonceOfEachAnswerIsGoodForTheNextRequest(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	key := newKey(t)
	nonce := ts.post(pathToken, serviceForm(), as(webID)).refused("invalid_dpop_proof").header.Get("DPoP-Nonce")
	for range 5 {
		ts.clock.Advance(holdfast.DefaultNonceLifetime - time.Second)
		r := ts.post(pathToken, serviceForm(), as(webID), ts.proof(key, func(p *holdfast.ProofClaims) { p.Nonce = nonce })).ok() // D-8.2-05
		nonce = r.header.Get("DPoP-Nonce")
	}
}

// RFC 6749 section 5.2: invalid_client in answer to an Authorization field is a
// 401 that names its scheme, whatever was wrong with the client; RFC 7662
// section 2.3 wants that of introspection however the client authenticates.
func TestInvalidClientIsAChallenge(t *testing.T) {
	t.Parallel()
	h, stranger := newKeyHolder(t, signerID, nil), newKeyHolder(t, "stranger", nil)
	ts := newTestServer(t, func(c *Config) {
		addSigner(h)(c)
		configured(t, c, otherID).AuthMethod = string(clientauth.SecretPost)
	})
	ts.blocked(byClient, webID)
	basic := func(id string) option { return bySecret(id, secretOf(id).Reveal()) }
	for _, tt := range []struct {
		name, path string
		form       url.Values
		options    []option
		status     int
	}{
		{"a blocked client", pathToken, serviceForm(), []option{basic(webID), ts.proof(newKey(t))}, 401}, // J-6749-5.2
		{"a blocked client that pushes", pathPAR, goodRequest(webID), []option{basic(webID)}, 401},       // J-6749-5.2
		{"introspection without a secret", pathIntrospect, form("token", "x", "client_id", backendID), nil, 401},
		{"introspection by a public client", pathIntrospect, form("token", "x", "client_id", appID), nil, 401}, // INT-2-01
		{"introspection with a wrong secret", pathIntrospect, form("token", "x", "client_id", otherID, "client_secret", "s3cr3t-that-is-wrong"), nil, 401},
		{"introspection with an assertion by another key", pathIntrospect, stranger.assert(form("token", "x"), signerID, ts.front.URL, ts.clock.Now()), nil, 401},
		{"revocation with a wrong secret in the form", pathRevoke, form("token", "x", "client_id", otherID, "client_secret", "s3cr3t-that-is-wrong"), nil, 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := ts.post(tt.path, tt.form, tt.options...)
			r.wants(t, tt.status, errInvalidClient)
			challenges := holdfast.ParseChallenges(r.header.Values("WWW-Authenticate"))
			if got := len(challenges) == 1 && challenges[0].Is("Basic"); got != (tt.status == 401) {
				t.Errorf("WWW-Authenticate is %q", r.header.Values("WWW-Authenticate"))
			}
		})
	}
	// What cannot be read is a bad request, here too.
	ts.post(pathIntrospect, form("token", "x", "client_secret", "a", "client_assertion", "b"), basic(webID)).wants(t, 400, errInvalidRequest)
}

// RFC 6749 section 4.1.2.1: state is in every error, if it was in the request.
func TestAnErrorAboutTheResponseModeHasTheState(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	q := ts.person(t).open(asking(webID, "response_mode", "fragment")).answered(testCallback)
	if q.Get("error") != errInvalidRequest || q.Get("state") != "state-1" || q.Get("iss") != ts.config.Issuer {
		t.Errorf("the answer is %v, want %s with state and iss", q, errInvalidRequest)
	}
}

// RFC 9126 section 4: what was checked earlier is checked again if the rules may
// have changed since. A redirect URI that is no longer registered gets nothing,
// whatever was pushed or begun while it was.
func TestARedirectURIThatWasRemovedGetsNothing(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	alice := ts.person(t)
	pushed, begun := ts.pushes(webID), alice.logIn(alice.open(asking(webID)), "alice").shows(http.StatusOK, "Allow access?")
	less := *ts.clients.configured[webID]
	less.RedirectURIs = []string{"https://new.example/cb"}
	ts.clients.configured[webID] = &less
	alice.open(pushed).shows(http.StatusBadRequest, "redirect_uri")
	for _, decision := range []string{"allow", "deny"} {
		alice.submit(begun, pathConsent, form("decision", decision)).shows(http.StatusBadRequest, "redirect_uri")
	}
	if n := ts.count(kindCode); n != 0 {
		t.Errorf("%d codes were issued", n)
	}
}

func TestAnAssertionForEachAudiencePushesARequest(t *testing.T) {
	t.Parallel()
	h := newKeyHolder(t, signerID, nil)
	ts := newTestServer(t, addSigner(h))
	for _, audience := range []string{ts.config.Issuer, ts.endpointURL(pathToken), ts.endpointURL(pathPAR)} {
		r := ts.post(pathPAR, h.assert(goodRequest(signerID), signerID, audience, ts.clock.Now()))
		if r.status != http.StatusCreated { // PAR-2-02
			t.Errorf("%s: got %d %s, want 201", audience, r.status, r.shown())
		}
	}
}

// RFC 8414 section 3.1: an issuer without a path, written with a slash.
func TestAnIssuerMayEndInTheSlashOfItsHost(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, func(c *Config) { c.Issuer += "/" })
	m, _ := ts.published() // ASM-3-01
	if m.Issuer != ts.front.URL+"/" || m.TokenEndpoint != ts.front.URL+pathToken {
		t.Errorf("issuer is %s and the token endpoint %s", m.Issuer, m.TokenEndpoint)
	}
	f := metadata.Fetcher{HTTP: ts.http}
	if _, err := f.Server(t.Context(), ts.config.Issuer); err != nil {
		t.Error(err)
	}
	for _, issuer := range []string{ts.front.URL + "/t1/", ts.front.URL + "?", ts.front.URL + "?x=1", ts.front.URL + "#x"} { // ISS-2-01: RFC 9207 section 2
		c := ts.config
		c.Issuer = issuer
		if _, err := New(t.Context(), c); err == nil || !strings.Contains(err.Error(), "issuer") {
			t.Errorf("%s: error is %v, want one that names the issuer", issuer, err)
		}
	}
}

// BCP-4.12-01: net/http would send such requests on with 307, and the body with
// a password or a secret along.
func TestAnAddressThatIsNotWrittenAsItIsRedirectsNobody(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", "/t1"} {
		ts := newTestServer(t, func(c *Config) { c.Issuer += base })
		for _, path := range []string{base + "//login", base + "/x/../login", base + "/./token", base + "//token", base + "//authorize", base} {
			for _, front := range []string{ts.front.URL, ts.back.URL} {
				r := ts.request(front, nil)
				r.URL.Path = path
				if got := ts.send(ts.http, r); got.status != http.StatusNotFound || got.header.Get("Location") != "" { // BCP-4.12-01
					t.Errorf("POST %s is answered with %d and Location %q, want 404", path, got.status, got.header.Get("Location"))
				}
			}
		}
	}
}

// F2-5.3.2.1-01: the other way to authenticate and to bind.
func TestFAPIByCertificate(t *testing.T) {
	t.Parallel()
	h, stranger := newKeyHolder(t, "own", nil), newKeyHolder(t, "own", nil)
	ts := newTestServer(t, func(c *Config) {
		fapiConfig(c)
		c.Clients = []Client{byMethod("own", clientauth.SelfSignedTLS, func(m *metadata.Client) { m.JWKS = h.jwks() })}
	})
	own := ts.with(h.cert)
	verifier, challenge := pkce()
	q := goodRequest("own")
	q.Set("code_challenge", challenge)
	ts.post(pathPAR, q).refused(errInvalidClient)
	pushed, err := ts.unpush(ts.postMTLS(own, pathPAR, q).ok(), "own")
	if err != nil {
		t.Fatal(err)
	}
	code, err := ts.issueCode(t.Context(), pushed, ts.approvalOf(pushed))
	if err != nil {
		t.Fatal(err)
	}
	redeem := form("grant_type", grantCode, "client_id", "own", "code", code.Reveal(), "redirect_uri", testCallback, "code_verifier", verifier)
	ts.postMTLS(ts.with(stranger.cert), pathToken, redeem).refused(errInvalidClient)
	cnf, _ := ts.postMTLS(own, pathToken, redeem).ok().claims()["cnf"].(map[string]any)
	if want := holdfast.Thumbprint(sha256.Sum256(h.cert.Certificate[0])).String(); cnf["x5t#S256"] != want { // F2-5.3.2.1-01
		t.Errorf("cnf is %v, want the certificate %s", cnf, want)
	}
}

// RFC 9449 section 4.3 (9): the address that a proof names is that of the
// metadata, also below a path and on the other listener.
func TestProofsNameTheAddressesOfTheMetadata(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, func(c *Config) { c.Issuer += "/t1" })
	m, _ := ts.published()
	for _, address := range []string{m.TokenEndpoint, m.MTLSEndpointAliases["token_endpoint"]} {
		ts.send(ts.http, ts.request(address, serviceForm(), as(webID), ts.proof(newKey(t)))).ok()
	}
	for _, address := range []string{m.PAREndpoint, m.MTLSEndpointAliases["pushed_authorization_request_endpoint"]} { // D-10.1-02
		ts.send(ts.http, ts.request(address, goodRequest(webID), as(webID), ts.proof(newKey(t)))).ok()
	}
	elsewhere := func(p *holdfast.ProofClaims) { u := *p.URL; u.Path = pathToken; p.URL = &u }
	ts.send(ts.http, ts.request(m.TokenEndpoint, serviceForm(), as(webID), ts.proof(newKey(t), elsewhere))).refused("invalid_dpop_proof")
}

// BCP-2.1-03, RFC 9700 section 4.11.2: whoever registers a client could else have
// this server send people anywhere, by a link that is wrong on purpose.
func TestAClientThatRegisteredItselfGetsNobodyWhoDidNothing(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, openTo(RegistrationOpen))
	id, redirect := ts.registers(publicApp).ok().text("client_id"), "https://new.example/cb"
	alice := ts.person(t)
	for _, tt := range []struct {
		code  string
		pairs []string
	}{
		{errInvalidScope, []string{"scope", "fly"}},
		{errInvalidScope, []string{"scope", "fly", "response_mode", "form_post"}},
		{errLoginRequired, []string{"prompt", "none"}},
	} {
		address := asking(id, append(tt.pairs, "redirect_uri", redirect)...)
		page := alice.open(address).shows(http.StatusBadRequest, tt.code, "Continue to new.example")
		link := regexp.MustCompile(`href="(https://new\.example/cb\?[^"]*)"`).FindStringSubmatch(page.body)
		if link == nil || page.header.Get("Location") != "" || strings.Contains(page.body, "<script") {
			t.Fatalf("%v: the page leads to %q by itself, or has no link: %s", tt.pairs, page.header.Get("Location"), page.body)
		}
		to, err := url.Parse(html.UnescapeString(link[1]))
		if q := to.Query(); err != nil || q.Get("error") != tt.code || q.Get("state") != "state-1" || q.Get("iss") != ts.config.Issuer { // ISS-2-01
			t.Errorf("%v: the link is %s, want %s with state and iss", tt.pairs, to, tt.code)
		}
	}
	wrong := asking(id, "redirect_uri", redirect, "scope", "fly")
	page := alice.logIn(alice.open(asking(id, "redirect_uri", redirect)), "alice").shows(http.StatusOK, "Allow access?")
	alice.open(wrong).shows(http.StatusBadRequest, "Continue to new.example")
	if q := alice.submit(page, pathConsent, form("decision", "deny")).answered(redirect); q.Get("error") != errAccessDenied {
		t.Errorf("a denial is answered with %v, want %s", q, errAccessDenied)
	}
	alice.submit(page, pathConsent, form("decision", "allow")).code(redirect)
	if q := alice.open(wrong).answered(redirect); q.Get("error") != errInvalidScope {
		t.Errorf("whoever has allowed the client something is answered with %v, want %s", q, errInvalidScope)
	}
}

// RFC 9449 section 4.3: what is in the DPoP field and is no proof is refused,
// also where none would have been needed: it never counts as absent.
func TestWhatIsNoProofIsRefusedWhereNoneIsNeeded(t *testing.T) {
	t.Parallel()
	h := newKeyHolder(t, signerID, nil)
	ts := newTestServer(t, func(c *Config) { c.AllowUnbound = true; addSigner(h)(c) })
	token := ts.post(pathToken, serviceForm(), as(webID), ts.proof(newKey(t))).ok().text("access_token")
	assertion := h.assert(url.Values{}, signerID, ts.front.URL, ts.clock.Now()).Get("client_assertion")
	good := func() string {
		r := ts.request(ts.front.URL+pathToken, nil, ts.proof(newKey(t)))
		return r.Header.Get("DPoP")
	}
	for name, value := range map[string]string{
		"nothing": "", "a space": " ", "two parts": "a.b", "five parts": "a.b.c.d.e", "JSON": `{"payload":"x"}`,
		"two joined by a comma":         good() + "," + good(), // D-4.3-01c
		"two joined by comma and space": good() + ", " + good(),
		"padded":                        good() + "=",
		"in capitals":                   strings.ToUpper(good()), // D-4.1-01
		"an access token":               token,                   // D-11.5-01
		"a client assertion":            assertion,               // D-11.5-01
		"more than any header":          strings.Repeat("a", 64<<10),
	} {
		r := ts.post(pathToken, serviceForm(), as(webID), func(r *http.Request) { r.Header["Dpop"] = []string{value} })
		if r.body["error"] != "invalid_dpop_proof" || r.status != http.StatusBadRequest {
			t.Errorf("%s: the answer is %d %s, want 400 invalid_dpop_proof", name, r.status, r.shown())
		}
	}
	ts.post(pathToken, serviceForm(), as(webID), func(r *http.Request) { r.Header["Dpop"] = []string{"", good()} }).refused("invalid_dpop_proof")
	ts.post(pathToken, serviceForm(), as(webID), func(r *http.Request) { r.Header["dPoP"] = []string{good()} }).ok() // D-4.1-01
}

// RFC 6749 section 2.3.1: credentials are never in an address, not even those
// that a client sent where none are asked for.
func TestCredentialsInAPostedRequestDoNotGetIntoAnAddress(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	alice := ts.person(t)
	_, query, _ := strings.Cut(asking(webID), "?")
	body, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"client_secret", "client_assertion", "client_assertion_type", "password"} {
		body.Set(name, "s3cr3t")
	}
	answer := alice.do(ts.request(alice.at(pathAuthorize), body))
	if to := answer.header.Get("Location"); answer.status != http.StatusSeeOther || strings.Contains(to, "s3cr3t") || !strings.Contains(to, "client_id=web") {
		t.Errorf("the answer is %d to an address with the secret: %v", answer.status, strings.Contains(to, "s3cr3t"))
	}
}
