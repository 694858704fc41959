package login

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/authserver"
	"github.com/holdfast-oauth/holdfast/internal/clientauth"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

const (
	ourClient   = "holdfast"
	ourSecret   = "secret-of-holdfast"
	ourRedirect = "https://as.example/upstream/corp"
	theCode     = "code-of-alice"
)

type object = map[string]any

// double plays an OpenID provider over TLS.
type double struct {
	*httptest.Server
	clock  *clock
	key    *ecdsa.PrivateKey
	rsa    *rsa.PrivateKey
	about  object       // its metadata
	asked  atomic.Int64 // for metadata
	down   atomic.Bool
	answer http.HandlerFunc // of the token endpoint; nil: token
	form   url.Values       // of the last token request
	basic  [2]string        // its user and password
	token  string           // the ID token that it gives
}

func newDouble(t *testing.T) *double {
	t.Helper()
	d := &double{clock: newClock()}
	var err error
	if d.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	if d.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		d.asked.Add(1)
		if d.down.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_ = json.NewEncoder(w).Encode(d.about)
	})
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(object{"keys": []any{keyOf(t, d.key, "ec"), keyOf(t, d.rsa, "rsa")}})
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		d.form = r.PostForm
		d.basic[0], d.basic[1], _ = r.BasicAuth()
		if d.answer != nil {
			d.answer(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(object{"access_token": "not-used", "token_type": "Bearer", "id_token": d.token})
	})
	d.Server = httptest.NewTLSServer(mux)
	t.Cleanup(d.Close)
	d.about = object{
		"issuer": d.URL, "authorization_endpoint": d.URL + "/authorize?tenant=corp", "token_endpoint": d.URL + "/token",
		"jwks_uri": d.URL + "/jwks", "response_types_supported": []string{"code", "id_token"},
		"code_challenge_methods_supported":               []string{"S256"},
		"authorization_response_iss_parameter_supported": true,
	}
	return d
}

// keyOf returns the public JWK of a key.
func keyOf(t *testing.T, s crypto.Signer, id string) object {
	t.Helper()
	k, err := jose.NewPublicKey(s.Public())
	if err != nil {
		t.Fatal(err)
	}
	out := object{"kid": id, "use": "sig"}
	if err := json.Unmarshal([]byte(k.JWK()), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// config is our client at the double.
func (d *double) config() ProviderConfig {
	return ProviderConfig{
		Name: "corp", Title: "Corp", Issuer: d.URL,
		Client: clientauth.Config{Method: clientauth.SecretBasic, ClientID: ourClient, Secret: holdfast.NewSecret(ourSecret)},
		Scopes: []string{"profile", "groups"}, HTTP: d.Client(), Now: d.clock.now,
	}
}

func newProvider(t *testing.T, c ProviderConfig) *Provider {
	t.Helper()
	p, err := NewProvider(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// sign makes a JWT; nil values are left out.
func sign(t *testing.T, s crypto.Signer, header, claims object) string {
	t.Helper()
	text := func(o object) string {
		maps.DeleteFunc(o, func(_ string, v any) bool { return v == nil })
		b, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	alg, _ := jose.ParseAlg(fmt.Sprint(header["alg"]))
	out, err := jose.Sign(s, alg, text(header), text(claims))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// claims are those of a good ID token.
func (d *double) claims(nonce string) object {
	now := d.clock.now().Unix()
	return object{
		"iss": d.URL, "sub": "alice", "aud": ourClient, "iat": now, "exp": now + 300, "auth_time": now - 60,
		"nonce": nonce, "acr": "mfa", "name": "Alice A.", "groups": []string{"staff", "admins"},
	}
}

// begin begins a login and returns what is kept and the request that the browser
// was sent with.
func begin(t *testing.T, p *Provider) (keep []byte, request url.Values) {
	t.Helper()
	address, keep, err := p.Begin(t.Context(), ourRedirect)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return keep, u.Query()
}

// back is what the browser brings back.
func (d *double) back(request url.Values) url.Values {
	return url.Values{"code": {theCode}, "state": {request.Get("state")}, "iss": {d.URL}}
}

// wantDenied checks that an error is a *Denied that says what, and nothing that
// is secret.
func wantDenied(t *testing.T, err error, what string) {
	t.Helper()
	denied := (*authserver.Denied)(nil)
	if !errors.As(err, &denied) || !strings.Contains(denied.Reason, what) {
		t.Errorf("error %v, want a denial that says %q", err, what)
	}
	wantNoSecret(t, err)
}

// wantUnable checks that an error says what and blames nobody for it.
func wantUnable(t *testing.T, err error, what string) {
	t.Helper()
	if denied := (*authserver.Denied)(nil); err == nil || errors.As(err, &denied) || !strings.Contains(err.Error(), what) {
		t.Errorf("error %v, want one that says %q and is no denial", err, what)
	}
	wantNoSecret(t, err)
}

func wantNoSecret(t *testing.T, err error) {
	t.Helper()
	for _, secret := range []string{theCode, ourSecret, "eyJ"} {
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("the error holds a secret: %v", err)
		}
	}
}

func TestNewProviderReportsEveryMistake(t *testing.T) {
	_, err := NewProvider(t.Context(), ProviderConfig{
		Name: "Corp!", Title: "a\nb", Issuer: "https://op.example?x=1",
		Client: clientauth.Config{Method: clientauth.None, Issuer: "https://op.example"},
		Scopes: []string{"a b"}, Algs: []holdfast.Alg{"HS256"}, AccessTokenType: "at jwt\n", NameClaim: "\x00",
		Rules: []ScopeRule{{Claim: []string{"groups"}, Scopes: []string{"read"}}, {Claim: []string{""}, Values: []string{"x"}, Scopes: []string{`"`}}, {Values: []string{"x"}}},
	})
	for _, want := range []string{
		"Name:", "Title:", "Issuer: ", "Client.Method:", "Client.Issuer", "client id", "Scopes:", "HS256", "AccessTokenType", "NameClaim",
		"Rules[0].Values", "Rules[1].Claim", "Rules[1].Scopes", "Rules[2].Values", "Rules[2].Scopes",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v\nwant one that says %q", err, want)
		}
	}
	if _, err = NewProvider(t.Context(), ProviderConfig{Issuer: "http://op.example"}); err == nil || !strings.Contains(err.Error(), "https is needed") {
		t.Errorf("error %v, want one that demands https", err)
	}
}

func TestProviderPrintsNoSecret(t *testing.T) {
	c := newDouble(t).config()
	p := newProvider(t, c)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got, want := fmt.Sprintf(verb, p), fmt.Sprintf("corp at %q", c.Issuer); got != want {
			t.Errorf("%s prints %q, want %q", verb, got, want)
		}
	}
	if p.Name() != "corp" || p.Title() != "Corp" {
		t.Errorf("name %q and title %q", p.Name(), p.Title())
	}
}

func TestLoginAtProvider(t *testing.T) {
	d := newDouble(t)
	for _, method := range []clientauth.Method{clientauth.SecretBasic, clientauth.SecretPost, clientauth.PrivateKeyJWT} {
		t.Run("as a client with "+string(method), func(t *testing.T) {
			c := d.config()
			c.Client.Method = method
			if method == clientauth.PrivateKeyJWT {
				c.Client.Secret, c.Client.Signer = holdfast.Secret{}, d.rsa
			}
			p := newProvider(t, c)
			keep, request := begin(t, p)
			want := url.Values{
				"tenant": {"corp"}, "response_type": {"code"}, "client_id": {ourClient}, "redirect_uri": {ourRedirect},
				"scope": {"openid profile groups"}, "code_challenge_method": {"S256"},
				"state": request["state"], "nonce": request["nonce"], "code_challenge": request["code_challenge"],
			}
			if diff := cmp.Diff(want, request); diff != "" {
				t.Errorf("authorization request (-want +got):\n%s", diff)
			}
			if s, n := request.Get("state"), request.Get("nonce"); len(s) != 43 || len(n) != 43 || s == n {
				t.Error("state and nonce are not 256 random bits each")
			}

			d.token = sign(t, d.key, object{"alg": "ES256", "kid": "ec"}, d.claims(request.Get("nonce")))
			person, err := p.Finish(t.Context(), ourRedirect, keep, d.back(request))
			if err != nil {
				t.Fatal(err)
			}
			wantPerson := authserver.Person{
				Subject: p.subject("alice"), Name: "Alice A.", ACR: "mfa", AuthTime: d.clock.now().Add(-time.Minute).UTC(),
			}
			if diff := cmp.Diff(wantPerson, person); diff != "" {
				t.Errorf("person (-want +got):\n%s", diff)
			}

			sum := sha256.Sum256([]byte(d.form.Get("code_verifier")))
			if jose.EncodeSegment(sum[:]) != request.Get("code_challenge") {
				t.Error("the verifier of the token request does not fit the challenge")
			}
			if d.form.Get("code") != theCode || d.form.Get("redirect_uri") != ourRedirect || d.form.Get("grant_type") != "authorization_code" {
				t.Error("the token request is not the one for the code")
			}
			authenticated := map[clientauth.Method]bool{
				clientauth.SecretBasic:   d.basic == [2]string{ourClient, ourSecret},
				clientauth.SecretPost:    d.form.Get("client_secret") == ourSecret,
				clientauth.PrivateKeyJWT: d.form.Get("client_assertion_type") == clientauth.AssertionType && d.form.Get("client_assertion") != "",
			}
			if !authenticated[method] {
				t.Error("the token request does not authenticate the client")
			}
		})
	}
}

func TestCallbackIsJudged(t *testing.T) {
	d := newDouble(t)
	p := newProvider(t, d.config())
	for _, c := range []struct {
		name   string
		change func(v url.Values)
		denied string // "" if nobody could find out
		unable string
	}{
		{"another state", func(v url.Values) { v.Set("state", random()) }, "(state)", ""},
		{"no state", func(v url.Values) { v.Del("state") }, "(state)", ""},
		{"two states", func(v url.Values) { v.Add("state", v.Get("state")) }, "state more than once", ""},
		{"two codes", func(v url.Values) { v.Add("code", "x") }, "code more than once", ""},
		{"a code of a megabyte", func(v url.Values) { v.Set("code", strings.Repeat("x", 1<<20)) }, "code more than once, or with more than", ""},
		{"another issuer", func(v url.Values) { v.Set("iss", "https://other.example") }, "(iss)", ""},               // ISS-2.4-01
		{"the issuer with a slash after it", func(v url.Values) { v.Set("iss", v.Get("iss")+"/") }, "(iss)", ""},    // ISS-2.4-01
		{"no issuer although the provider sends it", func(v url.Values) { v.Del("iss") }, "does not say whose", ""}, // ISS-2.4-02
		{"an error of another issuer", func(v url.Values) { v.Set("iss", "https://other.example"); v.Set("error", "server_error") }, "(iss)", ""},
		{"no code", func(v url.Values) { v.Del("code") }, "neither code nor error", ""},
		{"access_denied beside a code", func(v url.Values) { v.Set("error", "access_denied") }, "Corp: you were not let in (access_denied)", ""},
		{"an error that nobody knows", func(v url.Values) { v.Set("error", "<script>") }, "Corp: you were not let in", ""},
		{"an empty error", func(v url.Values) { v.Set("error", "") }, "not let in", ""},
		{"temporarily_unavailable", func(v url.Values) { v.Set("error", "temporarily_unavailable") }, "", "temporarily_unavailable"},
		{"invalid_scope", func(v url.Values) { v.Set("error", "invalid_scope") }, "", "invalid_scope"},
	} {
		t.Run(c.name, func(t *testing.T) {
			keep, request := begin(t, p)
			v := d.back(request)
			c.change(v)
			d.form = nil
			_, err := p.Finish(t.Context(), ourRedirect, keep, v)
			if c.denied != "" {
				wantDenied(t, err, c.denied)
			} else {
				wantUnable(t, err, c.unable)
			}
			if d.form != nil {
				t.Error("the code was sent to the provider")
			}
		})
	}
}

func TestWhatWasKeptIsJudged(t *testing.T) {
	d := newDouble(t)
	p := newProvider(t, d.config())
	keep, request := begin(t, p)
	back := d.back(request)
	for name, broken := range map[string][]byte{
		"nothing": nil, "no JSON": []byte("x"), "an empty object": []byte("{}"), "too much": make([]byte, maxKeepBytes+1),
	} {
		_, err := p.Finish(t.Context(), ourRedirect, broken, back)
		t.Log(name)
		wantUnable(t, err, "kept")
	}
	_, err := p.Finish(t.Context(), "https://as.example/upstream/other", keep, back)
	wantDenied(t, err, "began elsewhere")

	other := newDouble(t)
	_, err = newProvider(t, other.config()).Finish(t.Context(), ourRedirect, keep, back)
	wantDenied(t, err, "began elsewhere")

	d.clock.advance(LoginTimeout + time.Second)
	_, err = p.Finish(t.Context(), ourRedirect, keep, back)
	wantDenied(t, err, "took more than 15m")
	d.clock.advance(-2 * LoginTimeout)
	_, err = p.Finish(t.Context(), ourRedirect, keep, back)
	wantDenied(t, err, "took more than 15m")
}

func TestAnswersOfTheTokenEndpoint(t *testing.T) {
	d := newDouble(t)
	p := newProvider(t, d.config())
	say := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	for _, c := range []struct {
		name           string
		answer         http.HandlerFunc
		denied, unable string
	}{
		{"a code that was used", say(400, `{"error":"invalid_grant","error_description":"`+theCode+`"}`), "(invalid_grant)", ""},
		{"a secret that is wrong", say(401, `{"error":"invalid_client"}`), "", "status 401, error invalid_client, as client_secret_basic"},
		{"an error that repeats what was sent", say(400, `{"error":"`+theCode+`"}`), "", "status 400 without an OAuth error"},
		{"a page", say(200, `<html>`), "", "not a JSON object"},
		{"a page of an error", say(502, `<html>`), "", "status 502"},
		{"no ID token", say(200, `{"access_token":"x","token_type":"Bearer"}`), "", "no id_token"},
		{"an ID token that is no string", say(200, `{"id_token":1}`), "", "no id_token"},
		{"two ID tokens", say(200, `{"id_token":"x","id_token":"y"}`), "", "duplicate"},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, d.URL+"/jwks", http.StatusFound) }, "", "status 302"},
		{"an answer of a megabyte", say(200, `{"id_token":"`+strings.Repeat("x", 1<<20)+`"}`), "", "longer than"},
		{"no answer", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "", "token request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d.answer = c.answer
			keep, request := begin(t, p)
			_, err := p.Finish(t.Context(), ourRedirect, keep, d.back(request))
			if c.denied != "" {
				wantDenied(t, err, c.denied)
			} else {
				wantUnable(t, err, c.unable)
			}
		})
	}
}

func TestDiscovery(t *testing.T) {
	d := newDouble(t)
	d.down.Store(true)
	p := newProvider(t, d.config()) // we start although the provider is down
	start := func() error { _, _, err := p.Begin(t.Context(), ourRedirect); return err }

	wantUnable(t, start(), "identity provider corp")
	asked := d.asked.Load()
	wantUnable(t, start(), "identity provider corp")
	if d.asked.Load() != asked {
		t.Error("the provider was asked again at once after a failure")
	}
	d.down.Store(false)
	d.clock.advance(retryWithout)
	if err := start(); err != nil {
		t.Fatalf("when the provider is back: %v", err)
	}
	asked = d.asked.Load()
	if err := start(); err != nil || d.asked.Load() != asked {
		t.Errorf("the metadata was fetched again at once; error %v", err)
	}

	d.down.Store(true)
	d.clock.advance(MetadataMaxAge)
	for range 2 {
		if err := start(); err != nil {
			t.Errorf("while the provider is down for a short time: %v", err)
		}
	}
	if n := d.asked.Load() - asked; n != 1 {
		t.Errorf("the provider was asked %d times within the pause, want once", n)
	}
	d.clock.advance(MetadataMaxStale)
	wantUnable(t, start(), "identity provider corp")

	d.down.Store(false)
	d.clock.advance(time.Hour)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := p.Begin(gone, ourRedirect); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v of a request that has ended, want that of its context", err)
	}
	if err := start(); err != nil {
		t.Errorf("a request that has ended counts as a failure of the provider: %v", err)
	}
}

func TestMetadataIsFetchedOnceForMany(t *testing.T) {
	d := newDouble(t)
	p := newProvider(t, d.config())
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			if _, _, err := p.Begin(t.Context(), ourRedirect); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := d.asked.Load(); n != 1 {
		t.Errorf("the metadata was fetched %d times for 32 logins at the same time", n)
	}
}

// TestFinishWithoutTheProvider: it is gone when the person comes back.
func TestFinishWithoutTheProvider(t *testing.T) {
	d := newDouble(t)
	keep, request := begin(t, newProvider(t, d.config()))
	d.down.Store(true)
	_, err := newProvider(t, d.config()).Finish(t.Context(), ourRedirect, keep, d.back(request))
	wantUnable(t, err, "metadata")
}

func TestMetadataThatCannotBeUsed(t *testing.T) {
	for _, c := range []struct {
		name   string
		change object
		want   string
	}{
		{"another issuer", object{"issuer": "https://other.example"}, "not what was asked for"},
		{"plain PKCE only", object{"code_challenge_methods_supported": []string{"plain"}}, "code_challenge_methods_supported has no S256"},
		{"the implicit flow only", object{"response_types_supported": []string{"id_token"}}, "response_types_supported has no code"},
		{"another client authentication", object{"token_endpoint_auth_methods_supported": []string{"none"}}, "has no client_secret_basic"},
		{"pushed requests required", object{"require_pushed_authorization_requests": true}, "pushed authorization requests"},
		{"no keys", object{"jwks_uri": nil}, "jwks_uri is needed"},
		{"a token endpoint without TLS", object{"token_endpoint": "http://op.example/token"}, "https is needed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDouble(t)
			maps.Copy(d.about, c.change)
			maps.DeleteFunc(d.about, func(_ string, v any) bool { return v == nil })
			_, _, err := newProvider(t, d.config()).Begin(t.Context(), ourRedirect)
			wantUnable(t, err, c.want)
		})
	}
}
