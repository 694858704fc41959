package holdfasttest_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/holdfasttest"
	"github.com/holdfast-oauth/holdfast/metadata"
	"github.com/holdfast-oauth/holdfast/token"
)

const redirectURL = "https://app.example/callback"

// clients are a public client, one with a secret and one that may use Bearer.
func clients() []holdfasttest.Client {
	return []holdfasttest.Client{
		{ID: "public", RedirectURLs: []string{redirectURL}},
		{ID: "confidential", Secret: holdfast.NewSecret("a secret : with/marks"), RedirectURLs: []string{redirectURL}},
		{ID: "old", AllowBearer: true, RedirectURLs: []string{redirectURL, "http://127.0.0.1/callback"}},
	}
}

// party is a client made by hand, so that it can do wrong things.
type party struct {
	t      *testing.T
	server *holdfasttest.Server
	http   *http.Client
	key    *holdfast.Key // nil sends no proof
	nonce  string        // latest seen
	id     string
	secret string
}

func newParty(t *testing.T, s *holdfasttest.Server, id string) *party {
	p := &party{t: t, server: s, http: s.Client(), key: holdfasttest.NewKey(t), id: id}
	p.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if id == "confidential" {
		p.secret = "a secret : with/marks"
	}
	return p
}

// answer is what came back: the members of a JSON object.
type answer struct {
	status int
	header http.Header
	body   map[string]any
}

func (a answer) text(name string) string { s, _ := a.body[name].(string); return s }

// post sends a form once, with a proof if the party has a key.
func (p *party) post(path string, form url.Values) answer {
	p.t.Helper()
	form = cloned(form)
	if p.secret == "" {
		form.Set("client_id", p.id)
	}
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.server.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if p.secret != "" {
		r.SetBasicAuth(url.QueryEscape(p.id), url.QueryEscape(p.secret))
	}
	if p.key != nil {
		proof, err := p.key.Prove(holdfast.ProofClaims{Method: r.Method, URL: r.URL, Nonce: p.nonce})
		if err != nil {
			p.t.Fatal(err)
		}
		r.Header.Set("DPoP", proof)
	}
	return p.do(r)
}

func (p *party) do(r *http.Request) answer {
	p.t.Helper()
	resp, err := p.http.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if n := resp.Header.Get("DPoP-Nonce"); n != "" {
		p.nonce = n
	}
	a := answer{status: resp.StatusCode, header: resp.Header}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(body, &a.body); err != nil {
			p.t.Fatalf("%s: %v", r.URL.Path, err)
		}
	}
	return a
}

// call is post with one retry for a nonce.
func (p *party) call(path string, form url.Values) answer {
	p.t.Helper()
	a := p.post(path, form)
	if a.text("error") == "use_dpop_nonce" {
		a = p.post(path, form)
	}
	return a
}

func cloned(v url.Values) url.Values {
	out := url.Values{}
	for name, values := range v {
		out[name] = append([]string(nil), values...)
	}
	return out
}

const verifier = "a-verifier-that-is-long-enough-for-rfc-7636-indeed"

func authorizationRequest(changes url.Values) url.Values {
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{
		"response_type": {"code"}, "redirect_uri": {redirectURL}, "state": {"s 1"}, "scope": {"read write"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	for name, values := range changes {
		q[name] = values
	}
	return q
}

// authorize returns the status and what came to the redirection URL.
func (p *party) authorize(q url.Values) (int, url.Values) {
	p.t.Helper()
	q = cloned(q)
	q.Set("client_id", p.id)
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.server.URL+"/authorize?"+q.Encode(), nil)
	if err != nil {
		p.t.Fatal(err)
	}
	a := p.do(r)
	u, err := url.Parse(a.header.Get("Location"))
	if err != nil {
		p.t.Fatal(err)
	}
	return a.status, u.Query()
}

func (p *party) code(changes url.Values) string {
	p.t.Helper()
	status, q := p.authorize(authorizationRequest(changes))
	if status != http.StatusFound || q.Get("code") == "" {
		p.t.Fatalf("authorize: status %d, error %q", status, q.Get("error"))
	}
	return q.Get("code")
}

func codeForm(code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURL}, "code_verifier": {verifier}}
}

func refreshForm(token string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
}

func (a answer) want(t *testing.T, status int, oauthError string) {
	t.Helper()
	if a.status != status || a.text("error") != oauthError {
		t.Errorf("status %d, error %q (%s); want %d, %q", a.status, a.text("error"), a.text("error_description"), status, oauthError)
	}
}

// facts reads an access token as a resource does.
func facts(t *testing.T, p *party, raw string) *holdfast.Token {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.server.Metadata().JWKSURI, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := p.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	set, err := token.ParseJWKS(text)
	if err != nil {
		t.Fatal(err)
	}
	out, err := token.NewJWT([]token.KeySet{set}).ReadToken(t.Context(), holdfast.NewSecret(raw))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestServerPublishesWhatItDoes(t *testing.T) {
	s := holdfasttest.NewServer(t, holdfasttest.ServerConfig{})
	resp, err := s.Client().Get(s.URL + "/.well-known/oauth-authorization-server")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	m, err := metadata.ParseServer(text)
	if err != nil {
		t.Fatal(err)
	}
	if m.Issuer != s.URL || len(m.DPoPSigningAlgs) == 0 || !m.IssParameterSupported { // ASM-3-01, D-5.1-01
		t.Errorf("metadata: %+v", m)
	}
	for _, alg := range m.DPoPSigningAlgs {
		if alg == "none" || strings.HasPrefix(alg, "HS") { // D-5.1-02
			t.Errorf("algorithm %q is published", alg)
		}
	}
	if resp.ProtoMajor != 2 {
		t.Errorf("HTTP/%d, want HTTP/2", resp.ProtoMajor)
	}
}

func TestCodeFlowGivesABoundToken(t *testing.T) {
	s := holdfasttest.NewServer(t, holdfasttest.ServerConfig{Clients: clients()})
	p := newParty(t, s, "public")
	status, q := p.authorize(authorizationRequest(nil))
	if status != http.StatusFound || q.Get("state") != "s 1" || q.Get("iss") != s.URL { // ISS-2-01
		t.Fatalf("status %d, answer %v", status, q)
	}
	form := codeForm(q.Get("code"))
	first := p.post("/token", form)
	first.want(t, http.StatusBadRequest, "use_dpop_nonce") // D-8-02
	if len(first.header.Values("DPoP-Nonce")) != 1 {
		t.Error("the challenge has no nonce") // D-8-04
	}
	a := p.post("/token", form) // D-5-13: the refused request did not consume the code
	a.want(t, http.StatusOK, "")
	tok := facts(t, p, a.text("access_token"))
	switch {
	case a.text("token_type") != "DPoP", a.text("scope") != "read write", a.text("refresh_token") == "": // D-5-04
		t.Errorf("token_type %q, scope %q", a.text("token_type"), a.text("scope"))
	case tok.State != holdfast.TokenAuthentic || tok.Type != "at+jwt" || tok.Confirmation.JKT != p.key.Thumbprint(): // D-5-05, AT-2.1-01
		t.Errorf("state %d, typ %q, cnf %+v", tok.State, tok.Type, tok.Confirmation)
	case a.header.Get("Cache-Control") != "no-store": // J-6749-5.1
		t.Errorf("Cache-Control %q", a.header.Get("Cache-Control"))
	}
	p.call("/token", form).want(t, http.StatusBadRequest, "invalid_grant")
	p.call("/token", refreshForm(a.text("refresh_token"))).want(t, http.StatusBadRequest, "invalid_grant") // the grant is revoked
}

func TestAuthorizationIsRefused(t *testing.T) {
	tests := []struct {
		name       string
		changes    url.Values
		status     int
		oauthError string // at the redirection URL
	}{
		{"an unknown redirection URL gets nothing", url.Values{"redirect_uri": {"https://attacker.example/"}}, 400, ""},
		{"PKCE is not optional", url.Values{"code_challenge": nil}, 302, "invalid_request"},
		{"PKCE plain is refused", url.Values{"code_challenge_method": {"plain"}}, 302, "invalid_request"},
		{"the implicit flow is refused", url.Values{"response_type": {"token"}}, 302, "unsupported_response_type"},
		{"a malformed dpop_jkt is refused", url.Values{"dpop_jkt": {"short"}}, 302, "invalid_request"}, // D-10-04
		{"an unknown request_uri is refused", url.Values{"request_uri": {"urn:x"}}, 400, ""},
		{"a relative resource is refused", url.Values{"resource": {"/orders"}}, 302, "invalid_target"},
	}
	s := holdfasttest.NewServer(t, holdfasttest.ServerConfig{Clients: clients()})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, q := newParty(t, s, "public").authorize(authorizationRequest(tt.changes))
			if status != tt.status || q.Get("error") != tt.oauthError || q.Has("code") {
				t.Errorf("status %d, answer %v", status, q)
			}
		})
	}
}

func TestCodeIsBoundToKey(t *testing.T) {
	s := holdfasttest.NewServer(t, holdfasttest.ServerConfig{Clients: clients()})
	jkt := func(p *party) url.Values { return url.Values{"dpop_jkt": {p.key.Thumbprint().String()}} }

	t.Run("by dpop_jkt", func(t *testing.T) { // D-10-02
		p := newParty(t, s, "public")
		form := codeForm(p.code(jkt(p)))
		own := p.key
		p.key = holdfasttest.NewKey(t)
		p.call("/token", form).want(t, http.StatusBadRequest, "invalid_grant")
		p.key = own
		p.call("/token", form).want(t, http.StatusOK, "")
	})
	t.Run("also for a client that needs no proof otherwise", func(t *testing.T) { // D-10-03
		p := newParty(t, s, "old")
		form := codeForm(p.code(jkt(p)))
		p.key = nil
		if a := p.call("/token", form); a.status != http.StatusBadRequest {
			t.Errorf("status %d", a.status)
		}
	})
	t.Run("by the proof of a pushed request", func(t *testing.T) { // D-10.1-03
		p := newParty(t, s, "public")
		pushed := p.call("/par", authorizationRequest(nil))
		pushed.want(t, http.StatusCreated, "")
		q := url.Values{"request_uri": {pushed.text("request_uri")}}
		status, back := p.authorize(q)
		if status != http.StatusFound {
			t.Fatalf("status %d", status)
		}
		if again, _ := p.authorize(q); again != http.StatusBadRequest { // PAR-4-02
			t.Errorf("request_uri was used twice: status %d", again)
		}
		own := p.key
		p.key = holdfasttest.NewKey(t)
		p.call("/token", codeForm(back.Get("code"))).want(t, http.StatusBadRequest, "invalid_grant")
		p.key = own
		p.call("/token", codeForm(back.Get("code"))).want(t, http.StatusOK, "")
	})
	t.Run("and the two ways have to agree", func(t *testing.T) { // D-10.1-05
		p := newParty(t, s, "public")
		other := newParty(t, s, "public")
		p.call("/par", authorizationRequest(jkt(other))).want(t, http.StatusBadRequest, "invalid_request")
	})
}

func TestTokenRequestIsRefused(t *testing.T) {
	tests := []struct {
		name       string
		client     string
		change     func(p *party, form url.Values)
		status     int
		oauthError string
	}{
		{"without proof", "confidential", func(p *party, _ url.Values) { p.key = nil }, 400, "invalid_dpop_proof"}, // D-5.2-02
		{"with a foreign nonce", "confidential", func(p *party, _ url.Values) { p.nonce = "foreign" }, 400, "use_dpop_nonce"},
		{"with a wrong secret", "confidential", func(p *party, _ url.Values) { p.secret = "guess" }, 401, "invalid_client"},
		{"without authentication", "confidential", func(p *party, f url.Values) { p.secret = "" }, 401, "invalid_client"}, // D-4-03
		{"authenticated twice", "confidential", func(_ *party, f url.Values) { f.Set("client_secret", "x") }, 400, "invalid_request"},
		{"by nobody", "stranger", func(*party, url.Values) {}, 401, "invalid_client"},
		{"for a public client's own credentials", "public", func(*party, url.Values) {}, 400, "unauthorized_client"},
		{"for an unknown grant", "confidential", func(_ *party, f url.Values) { f.Set("grant_type", "password") }, 400, "unsupported_grant_type"},
		{"with a repeated parameter", "confidential", func(_ *party, f url.Values) { f.Add("scope", "b") }, 400, "invalid_request"},
		{"with a resource that has a fragment", "confidential", func(_ *party, f url.Values) { f.Set("resource", "https://a.example/#x") }, 400, "invalid_target"}, // RI-2-01
		{"with an assertion", "confidential", func(_ *party, f url.Values) { f.Set("client_assertion", "x") }, 401, "invalid_client"},
	}
	s := holdfasttest.NewServer(t, holdfasttest.ServerConfig{Clients: clients()})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newParty(t, s, tt.client)
			form := url.Values{"grant_type": {"client_credentials"}, "scope": {"a"}}
			p.post("/token", form) // learns the nonce
			tt.change(p, form)
			a := p.post("/token", form)
			a.want(t, tt.status, tt.oauthError)
			if tt.status == http.StatusUnauthorized && p.secret != "" && a.header.Get("WWW-Authenticate") == "" { // J-6749-5.2
				t.Error("401 to Basic credentials without a challenge")
			}
		})
	}
}

func TestProofIsJudgedByTheEngine(t *testing.T) {
	s := holdfasttest.NewServer(t, holdfasttest.ServerConfig{Clients: clients(), Nonce: holdfast.NonceOptional})
	p := newParty(t, s, "confidential")
	u, _ := url.Parse(s.URL + "/token")
	send := func(claims holdfast.ProofClaims) answer {
		proof, err := p.key.Prove(claims)
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, u.String(), strings.NewReader("grant_type=client_credentials"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("DPoP", proof)
		r.SetBasicAuth(url.QueryEscape(p.id), url.QueryEscape(p.secret))
		first := p.do(r)
		if first.status == http.StatusOK { // the same proof again
			r.Body, _ = r.GetBody()
			return p.do(r)
		}
		return first
	}
	elsewhere, _ := url.Parse("https://as.example/token")
	for want, claims := range map[string]holdfast.ProofClaims{ // D-5-03
		"proof.htu.mismatch":  {Method: "POST", URL: elsewhere},
		"proof.htm.mismatch":  {Method: "GET", URL: u},
		"proof.iat.old":       {Method: "POST", URL: u, Time: time.Now().Add(-time.Hour)},
		"replay.jti.replayed": {Method: "POST", URL: u},
	} {
		a := send(claims)
		a.want(t, http.StatusBadRequest, "invalid_dpop_proof")
		if !strings.HasPrefix(a.text("error_description"), want+":") {
			t.Errorf("description %q, want %s", a.text("error_description"), want)
		}
	}
}

func TestRefreshRotatesAndStaysBound(t *testing.T) {
	s := holdfasttest.NewServer(t, holdfasttest.ServerConfig{Clients: clients()})
	start := func(t *testing.T, id string) (*party, string) {
		p := newParty(t, s, id)
		a := p.call("/token", codeForm(p.code(nil)))
		a.want(t, http.StatusOK, "")
		return p, a.text("refresh_token")
	}
	t.Run("a public client needs its key", func(t *testing.T) { // D-5-06, D-5-07
		p, refresh := start(t, "public")
		own := p.key
		p.key = holdfasttest.NewKey(t)
		p.call("/token", refreshForm(refresh)).want(t, http.StatusBadRequest, "invalid_grant")
		p.key = nil
		if a := p.call("/token", refreshForm(refresh)); a.status != http.StatusBadRequest {
			t.Errorf("refreshed without proof: status %d", a.status)
		}
		p.key = own
		p.call("/token", refreshForm(refresh)).want(t, http.StatusOK, "")
	})
	t.Run("a confidential client may change its key", func(t *testing.T) { // D-5-12
		p, refresh := start(t, "confidential")
		p.key = holdfasttest.NewKey(t)
		a := p.call("/token", refreshForm(refresh))
		a.want(t, http.StatusOK, "")
		if got := facts(t, p, a.text("access_token")).Confirmation.JKT; got != p.key.Thumbprint() {
			t.Errorf("bound to %s", got)
		}
	})
	t.Run("a spent token ends the grant", func(t *testing.T) {
		p, refresh := start(t, "public")
		next := p.call("/token", refreshForm(refresh)).text("refresh_token")
		p.call("/token", refreshForm(refresh)).want(t, http.StatusBadRequest, "invalid_grant")
		p.call("/token", refreshForm(next)).want(t, http.StatusBadRequest, "invalid_grant")
	})
	t.Run("scope and resource get narrower only", func(t *testing.T) { // RI-2.2-01
		p := newParty(t, s, "public")
		a := p.call("/token", codeForm(p.code(url.Values{"resource": {"https://a.example/", "https://b.example/"}})))
		form := refreshForm(a.text("refresh_token"))
		form["scope"], form["resource"] = []string{"read"}, []string{"https://a.example/"}
		a = p.call("/token", form)
		a.want(t, http.StatusOK, "")
		tok := facts(t, p, a.text("access_token"))
		if len(tok.Audience) != 1 || tok.Audience[0] != "https://a.example/" || a.text("scope") != "read" {
			t.Errorf("aud %q, scope %q", tok.Audience, a.text("scope"))
		}
		form = refreshForm(a.text("refresh_token"))
		form["resource"] = []string{"https://c.example/"}
		p.call("/token", form).want(t, http.StatusBadRequest, "invalid_target")
		form = refreshForm(a.text("refresh_token"))
		form["scope"] = []string{"admin"}
		p.call("/token", form).want(t, http.StatusBadRequest, "invalid_scope")
	})
}

func TestDeviceIsPolled(t *testing.T) {
	s := holdfasttest.NewServer(t, holdfasttest.ServerConfig{Clients: clients(), DevicePolls: 2})
	p := newParty(t, s, "public")
	d := p.call("/device", url.Values{"scope": {"read"}})
	form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {d.text("device_code")}}
	for range 2 {
		p.call("/token", form).want(t, http.StatusBadRequest, "authorization_pending")
	}
	a := p.call("/token", form)
	a.want(t, http.StatusOK, "") // D-5-02
	if a.text("token_type") != "DPoP" {
		t.Errorf("token_type %q", a.text("token_type"))
	}
	p.call("/token", form).want(t, http.StatusBadRequest, "invalid_grant")
}

func TestTokensAreExchanged(t *testing.T) {
	s := holdfasttest.NewServer(t, holdfasttest.ServerConfig{Clients: clients()})
	subject := newParty(t, s, "public")
	raw := s.Issue(holdfasttest.TokenSpec{Key: subject.key, Scope: "read"})
	form := url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {raw.Reveal()},
		"subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"}, "resource": {"https://b.example/"},
	}
	subject.call("/token", form).want(t, http.StatusOK, "")
	other := newParty(t, s, "public")
	other.call("/token", form).want(t, http.StatusBadRequest, "invalid_request") // TX-2-02
	service := newParty(t, s, "confidential")
	a := service.call("/token", form) // TX-2-01
	a.want(t, http.StatusOK, "")
	tok := facts(t, service, a.text("access_token"))
	if tok.Confirmation.JKT != service.key.Thumbprint() || tok.Subject != "alice" || tok.Audience[0] != "https://b.example/" || a.text("issued_token_type") == "" {
		t.Errorf("token %+v", tok)
	}
	s.RevokeAll()
	service.call("/token", form).want(t, http.StatusBadRequest, "invalid_request")
}

func TestIntrospectionAndRevocation(t *testing.T) {
	s := holdfasttest.NewServer(t, holdfasttest.ServerConfig{Clients: clients(), Opaque: true})
	p := newParty(t, s, "confidential")
	a := p.call("/token", codeForm(p.code(nil)))
	access := url.Values{"token": {a.text("access_token")}}
	p.key = nil // D-6.2-03: no proof here
	got := p.post("/introspect", access)
	cnf, _ := got.body["cnf"].(map[string]any)
	if got.body["active"] != true || got.text("token_type") != "DPoP" || cnf["jkt"] == nil { // D-6.2-01, D-6.2-02
		t.Errorf("introspection: %v", got.body)
	}
	newParty(t, s, "public").post("/introspect", access).want(t, http.StatusUnauthorized, "invalid_client") // INT-2-01

	newParty(t, s, "public").post("/revoke", access).want(t, http.StatusBadRequest, "invalid_request") // REV-2.1-01
	p.post("/revoke", url.Values{"token": {"unknown"}}).want(t, http.StatusOK, "")                     // REV-2.2-01
	p.post("/revoke", url.Values{"token": {a.text("refresh_token")}, "token_type_hint": {"access_token"}}).want(t, http.StatusOK, "")
	if got := p.post("/introspect", access); len(got.body) != 1 || got.body["active"] != false { // INT-2.2-01, REV-2-01, REV-2.1-02
		t.Errorf("introspection after revocation: %v", got.body)
	}
}

func TestFaults(t *testing.T) {
	form := url.Values{"grant_type": {"client_credentials"}}
	t.Run("stale nonces differ and are all refused", func(t *testing.T) {
		s := holdfasttest.NewServer(t, holdfasttest.ServerConfig{Clients: clients(), Faults: holdfasttest.Faults{StaleNonces: true}})
		p := newParty(t, s, "confidential")
		seen := map[string]bool{}
		for range 3 {
			p.post("/token", form).want(t, http.StatusBadRequest, "use_dpop_nonce")
			seen[p.nonce] = true
		}
		if len(seen) != 3 {
			t.Errorf("%d nonces in three answers", len(seen))
		}
		s.Inject(holdfasttest.Faults{})
		p.call("/token", form).want(t, http.StatusOK, "")
	})
	t.Run("a nonce never changes", func(t *testing.T) {
		s := holdfasttest.NewServer(t, holdfasttest.ServerConfig{Clients: clients(), Faults: holdfasttest.Faults{NonceNeverChanges: true}})
		p := newParty(t, s, "confidential")
		p.post("/token", form)
		before := p.nonce
		p.post("/token", form).want(t, http.StatusBadRequest, "use_dpop_nonce")
		if p.nonce != before {
			t.Error("the nonce changed")
		}
	})
	t.Run("nonces expire at once and by time", func(t *testing.T) {
		clock := holdfasttest.NewClock(time.Now())
		s := holdfasttest.NewServer(t, holdfasttest.ServerConfig{Clients: clients(), Now: clock.Now})
		p := newParty(t, s, "confidential")
		p.call("/token", form).want(t, http.StatusOK, "")
		s.ExpireNonces()
		p.post("/token", form).want(t, http.StatusBadRequest, "use_dpop_nonce")
		p.post("/token", form).want(t, http.StatusOK, "")
		clock.Advance(holdfast.DefaultNonceLifetime)
		p.post("/token", form).want(t, http.StatusBadRequest, "use_dpop_nonce")
	})
	t.Run("proofs are ignored", func(t *testing.T) {
		s := holdfasttest.NewServer(t, holdfasttest.ServerConfig{Clients: clients(), Faults: holdfasttest.Faults{IgnoreProofs: true}})
		p := newParty(t, s, "confidential")
		a := p.post("/token", form)
		if a.text("token_type") != "Bearer" || facts(t, p, a.text("access_token")).Confirmation.Bound() {
			t.Errorf("token_type %q", a.text("token_type"))
		}
	})
	t.Run("the audience is wrong", func(t *testing.T) {
		s := holdfasttest.NewServer(t, holdfasttest.ServerConfig{Clients: clients(), Faults: holdfasttest.Faults{WrongAudience: true}})
		p := newParty(t, s, "confidential")
		if aud := facts(t, p, p.call("/token", form).text("access_token")).Audience; aud[0] == holdfasttest.DefaultAudience {
			t.Errorf("aud %q", aud)
		}
	})
	t.Run("the clock is off and Date shows it", func(t *testing.T) {
		clock := holdfasttest.NewClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
		s := holdfasttest.NewServer(t, holdfasttest.ServerConfig{Now: clock.Now, Faults: holdfasttest.Faults{ClockOffset: time.Hour}})
		a := newParty(t, s, "nobody").post("/token", form)
		if got, want := a.header.Get("Date"), "Fri, 02 Jan 2026 04:04:05 GMT"; got != want {
			t.Errorf("Date %q, want %q", got, want)
		}
	})
	t.Run("a huge answer ends when the client hangs up", func(t *testing.T) {
		s := holdfasttest.NewServer(t, holdfasttest.ServerConfig{Faults: holdfasttest.Faults{HugeResponse: true}})
		resp, err := s.Client().Get(s.URL + "/jwks")
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.CopyN(io.Discard, resp.Body, 1<<20)
		if n != 1<<20 || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		resp.Body.Close()
	})
}

func TestKeysRotate(t *testing.T) {
	s := holdfasttest.NewServer(t, holdfasttest.ServerConfig{})
	p := newParty(t, s, "nobody")
	first := s.Issue(holdfasttest.TokenSpec{}).Reveal()
	s.RotateKeys()
	second := s.Issue(holdfasttest.TokenSpec{}).Reveal()
	for _, raw := range []string{first, second} {
		if got := facts(t, p, raw).State; got != holdfast.TokenAuthentic {
			t.Errorf("after a rotation: state %d", got)
		}
	}
	s.ReplaceKeys()
	if got := facts(t, p, second).State; got != holdfast.TokenUnknownKey {
		t.Errorf("after a replacement: state %d", got)
	}
}

func TestCertificateBindsToken(t *testing.T) {
	certificate, other := holdfasttest.NewCertificate(t, "client"), holdfasttest.NewCertificate(t, "client")
	s := holdfasttest.NewServer(t, holdfasttest.ServerConfig{Clients: []holdfasttest.Client{{ID: "mtls", Certificate: certificate.Leaf}}})
	form := url.Values{"grant_type": {"client_credentials"}}
	p := newParty(t, s, "mtls")
	p.key = nil
	p.http = s.Client(other)
	p.post("/token", form).want(t, http.StatusUnauthorized, "invalid_client") // M-2-04
	p.http = s.Client(certificate)
	a := p.post("/token", form)
	a.want(t, http.StatusOK, "")
	sum := holdfast.Thumbprint(sha256.Sum256(certificate.Leaf.Raw))
	if got := facts(t, p, a.text("access_token")).Confirmation.X5T; got != sum || a.text("token_type") != "Bearer" { // M-3-01, M-3.1-02
		t.Errorf("x5t %s, token_type %q", got, a.text("token_type"))
	}
}
