package clientauth

import (
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

const tokenEndpoint = "https://as.example/token"

// world is a verifier with a clock and a memory of its own.
type world struct {
	*Verifier
	mu   sync.Mutex
	now  time.Time
	used map[string]time.Time
	down error // what the memory answers, nil while it works
}

func newWorld(t testing.TB, edit func(*VerifierConfig)) *world {
	t.Helper()
	w := &world{now: at, used: map[string]time.Time{}}
	c := VerifierConfig{Audience: []string{issuer, tokenEndpoint}, Use: w.use, Now: w.clock}
	if edit != nil {
		edit(&c)
	}
	var err error
	if w.Verifier, err = NewVerifier(c); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) use(_ context.Context, clientID, jti string, until time.Time) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down != nil {
		return false, w.down
	}
	if kept, seen := w.used[clientID+" "+jti]; seen && kept.After(w.now) {
		return false, nil
	}
	w.used[clientID+" "+jti] = until
	return true, nil
}

// client registers, which must succeed.
func (w *world) client(t testing.TB, r Registration) *Client {
	t.Helper()
	c, err := w.NewClient(r)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// judge reads a request and judges it.
func (w *world) judge(c *Client, form url.Values, authorization ...string) (string, error) {
	p, err := Credentials(request(form, authorization...), form)
	if err != nil {
		return "", err
	}
	return w.Verify(context.Background(), p, c)
}

// person is somebody with a key who signs assertions for the client app.
type person struct {
	t      testing.TB
	signer crypto.Signer
	id     string // kid
	count  int
}

func newPerson(t testing.TB) *person { return &person{t: t, signer: ecKey(t), id: "k1"} }

// jwks is the key set with that key.
func (p *person) jwks() []byte {
	return []byte(`{"keys":[` + p.jwk() + `]}`)
}

func (p *person) jwk() string {
	p.t.Helper()
	pub, err := jose.NewPublicKey(p.signer.Public())
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.Replace(pub.JWK(), "{", `{"kid":"`+p.id+`",`, 1)
}

// assert signs an assertion with a fresh jti; changes replace claims and, by
// names that begin with a dot, members of the header. nil removes one.
func (p *person) assert(changes map[string]any) string {
	p.t.Helper()
	pub, err := jose.NewPublicKey(p.signer.Public())
	if err != nil {
		p.t.Fatal(err)
	}
	p.count++
	header := map[string]any{"alg": pub.Algs()[0].String(), "kid": p.id}
	claims := map[string]any{
		"iss": "app", "sub": "app", "aud": issuer, "jti": fmt.Sprintf("jti-%d", p.count),
		"iat": at.Unix(), "exp": at.Unix() + 60,
	}
	for name, value := range changes {
		to := claims
		if rest, ok := strings.CutPrefix(name, "."); ok {
			name, to = rest, header
		}
		if to[name] = value; value == nil {
			delete(to, name)
		}
	}
	h, _ := json.Marshal(header)
	b, _ := json.Marshal(claims)
	alg, _ := jose.ParseAlg(header["alg"].(string))
	if alg == jose.AlgUnknown {
		return jose.EncodeSegment(h) + "." + jose.EncodeSegment(b) + "." + jose.EncodeSegment(make([]byte, 32))
	}
	jwt, err := jose.Sign(p.signer, alg, string(h), string(b))
	if err != nil {
		p.t.Fatal(err)
	}
	return jwt
}

func assertionForm(jwt string) url.Values {
	return url.Values{"client_assertion_type": {AssertionType}, "client_assertion": {jwt}}
}

func TestNewVerifierReportsEveryMistake(t *testing.T) {
	v, err := NewVerifier(VerifierConfig{Algs: []holdfast.Alg{"HS256", "none", "ES256"}})
	if err == nil || v != nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"Audience is required", "Use is required", `"HS256"`, `"none"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %q", want, err)
		}
	}
	if strings.Contains(err.Error(), "ES256") {
		t.Error("ES256 is a mistake")
	}
}

func TestSecrets(t *testing.T) {
	w := newWorld(t, nil)
	sum := func(s string) [32]byte { return sha256.Sum256([]byte(s)) }
	byBasic := w.client(t, Registration{Method: SecretBasic, ClientID: "app", Secrets: [][32]byte{sum("s3cr3t-new"), sum("s3cr3t-old")}})
	byPost := w.client(t, Registration{Method: SecretPost, ClientID: "app", Secrets: [][32]byte{sum("s3cr3t-new")}})
	public := w.client(t, Registration{Method: None, ClientID: "app"})
	other := w.client(t, Registration{Method: SecretBasic, ClientID: "other", Secrets: [][32]byte{sum("s3cr3t-new")}})
	post := func(secret string) url.Values { return url.Values{"client_id": {"app"}, "client_secret": {secret}} }
	for _, tt := range []struct {
		name   string
		client *Client
		form   url.Values
		auth   string
		want   Reason
	}{
		{"the new secret", byBasic, nil, basic("app:s3cr3t-new"), 0},
		{"the old one, while both are valid", byBasic, nil, basic("app:s3cr3t-old"), 0},
		{"neither", byBasic, nil, basic("app:s3cr3t-none"), WrongSecret},
		{"the beginning of one", byBasic, nil, basic("app:s3cr3t-ne"), WrongSecret},
		{"the hash of one", byBasic, nil, basic("app:" + fmt.Sprintf("%x", sum("s3cr3t-new"))), WrongSecret},
		{"in the form", byPost, post("s3cr3t-new"), "", 0},
		{"a wrong one in the form", byPost, post("s3cr3t-none"), "", WrongSecret},
		{"by the other of the two methods", byPost, nil, basic("app:s3cr3t-new"), WrongMethod},
		{"by the other of the two methods, the other way", byBasic, post("s3cr3t-new"), "", WrongMethod},
		{"nothing but client_id", byBasic, url.Values{"client_id": {"app"}}, "", WrongMethod}, // D-4-03
		{"a public client", public, url.Values{"client_id": {"app"}}, "", 0},
		{"a public client with a secret", public, post("s3cr3t-new"), "", WrongMethod},
		{"nobody, with a secret", nil, nil, basic("app:s3cr3t-new"), UnknownClient},
		{"nobody, without", nil, url.Values{"client_id": {"app"}}, "", UnknownClient},
		{"another client than was looked up", other, nil, basic("app:s3cr3t-new"), UnknownClient},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var fields []string
			if tt.auth != "" {
				fields = []string{tt.auth}
			}
			key, err := w.judge(tt.client, tt.form, fields...)
			if tt.want == 0 {
				if err != nil || key != "" {
					t.Fatalf("got %q, %v", key, err)
				}
				return
			}
			wantRefusal(t, err, tt.want)
			if strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("the error shows the secret: %v", err)
			}
		})
	}
}

// The peer learns nothing about what is registered.
func TestUnknownClientsAndWrongSecretsSoundAlike(t *testing.T) {
	texts := map[string]bool{}
	for r := UnknownClient; r <= BadKeys; r++ {
		if r != BadAssertion && r != Replayed {
			texts[(&Refusal{Reason: r, Detail: "registered for something else"}).Public()] = true
		}
		if strings.HasPrefix(r.String(), "unknown reason") {
			t.Errorf("reason %d has no text", r)
		}
	}
	if len(texts) != 1 {
		t.Errorf("got %d texts: %v", len(texts), texts)
	}
}

func TestAssertions(t *testing.T) {
	alice, bob := newPerson(t), newPerson(t)
	bob.id = "k2"
	w := newWorld(t, nil)
	c := w.client(t, Registration{Method: PrivateKeyJWT, ClientID: "app", JWKS: alice.jwks()})
	secret := w.client(t, Registration{Method: SecretBasic, ClientID: "app", Secrets: make([][32]byte, 1)})
	now := at.Unix()
	many := make([]string, MaxAssertionAudience+1)
	for i := range many {
		many[i] = issuer
	}
	for _, tt := range []struct {
		name string
		c    *Client
		jwt  string
		want Reason
	}{
		{"one that is right", c, alice.assert(nil), 0},
		{"typ JWT", c, alice.assert(map[string]any{".typ": "JWT"}), 0},
		{"typ of its own", c, alice.assert(map[string]any{".typ": "client-authentication+jwt"}), 0},
		{"without kid", c, alice.assert(map[string]any{".kid": nil}), 0},
		{"without iat", c, alice.assert(map[string]any{"iat": nil}), 0},
		{"for the token endpoint", c, alice.assert(map[string]any{"aud": tokenEndpoint}), 0},
		{"for the issuer in a list", c, alice.assert(map[string]any{"aud": []string{issuer}}), 0}, // F2-5.3.2.1-06
		{"for both in a list", c, alice.assert(map[string]any{"aud": []string{issuer, tokenEndpoint}}), 0},
		{"iat 10 s ahead", c, alice.assert(map[string]any{"iat": now + 10, "exp": now + 70}), 0}, // F2-5.3.2.1-04
		{"nbf 10 s ahead", c, alice.assert(map[string]any{"nbf": now + 10}), 0},                  // F2-5.3.2.1-04
		{"nbf in the past", c, alice.assert(map[string]any{"nbf": now - 1000}), 0},
		{"expired a moment ago", c, alice.assert(map[string]any{"exp": now - 9}), 0},

		// PKJ-3-02, one fault at a time
		{"iss of another", c, alice.assert(map[string]any{"iss": "other"}), BadAssertion},
		{"iss missing", c, alice.assert(map[string]any{"iss": nil}), BadAssertion},
		{"sub of another", c, alice.assert(map[string]any{"sub": "other"}), BadAssertion},
		{"sub missing", c, alice.assert(map[string]any{"sub": nil}), BadAssertion},
		{"sub empty", c, alice.assert(map[string]any{"iss": "", "sub": ""}), BadAssertion},
		{"aud of another", c, alice.assert(map[string]any{"aud": "https://other.example"}), BadAssertion},
		{"aud of another beside ours", c, alice.assert(map[string]any{"aud": []string{issuer, "https://other.example"}}), BadAssertion},
		{"aud with a slash", c, alice.assert(map[string]any{"aud": issuer + "/"}), BadAssertion},
		{"aud missing", c, alice.assert(map[string]any{"aud": nil}), BadAssertion},
		{"aud empty", c, alice.assert(map[string]any{"aud": []string{}}), BadAssertion},
		{"aud a number", c, alice.assert(map[string]any{"aud": 5}), BadAssertion},
		{"aud a list of numbers", c, alice.assert(map[string]any{"aud": []int{5}}), BadAssertion},
		{"aud a long list", c, alice.assert(map[string]any{"aud": many}), BadAssertion},
		{"exp passed", c, alice.assert(map[string]any{"exp": now - 10}), BadAssertion},
		{"exp missing", c, alice.assert(map[string]any{"exp": nil}), BadAssertion},
		{"exp a string", c, alice.assert(map[string]any{"exp": "soon"}), BadAssertion},
		{"exp far ahead", c, alice.assert(map[string]any{"exp": now + 611}), BadAssertion},
		{"exp without end", c, alice.assert(map[string]any{"exp": 1e300}), BadAssertion},
		{"nbf 61 s ahead", c, alice.assert(map[string]any{"nbf": now + 61}), BadAssertion},                  // F2-5.3.2.1-04
		{"iat 61 s ahead", c, alice.assert(map[string]any{"iat": now + 61, "exp": now + 90}), BadAssertion}, // F2-5.3.2.1-04
		{"nbf a string", c, alice.assert(map[string]any{"nbf": "now"}), BadAssertion},
		{"jti missing", c, alice.assert(map[string]any{"jti": nil}), BadAssertion},
		{"jti long", c, alice.assert(map[string]any{"jti": strings.Repeat("x", MaxAssertionIDBytes+1)}), BadAssertion},
		{"a proof", c, alice.assert(map[string]any{".typ": "dpop+jwt"}), BadAssertion},
		{"an access token", c, alice.assert(map[string]any{".typ": "at+jwt"}), BadAssertion},
		{"alg none", c, alice.assert(map[string]any{".alg": "none"}), BadAssertion},
		{"alg HS256", c, alice.assert(map[string]any{".alg": "HS256"}), BadAssertion},
		{"a critical header", c, alice.assert(map[string]any{".crit": []string{"x"}}), BadAssertion},
		{"no JWS", c, "x", BadAssertion},
		{"too long", c, strings.Repeat("x", MaxAssertionBytes+1), BadAssertion},

		{"signed by another", c, bob.assert(nil), WrongKey},
		{"signed by another under this kid", c, bob.assert(map[string]any{".kid": "k1"}), WrongKey},
		{"a kid that is not there", c, alice.assert(map[string]any{".kid": "k9"}), WrongKey},
		{"a signature that is damaged", c, damaged(alice.assert(nil)), WrongKey},
		{"of a client with a secret", secret, alice.assert(nil), WrongMethod},
		{"of nobody", nil, alice.assert(nil), UnknownClient},
		{"of nobody, expired", nil, alice.assert(map[string]any{"exp": now - 10}), BadAssertion},
	} {
		t.Run(tt.name, func(t *testing.T) {
			used := len(w.used)
			key, err := w.judge(tt.c, assertionForm(tt.jwt))
			if tt.want != 0 {
				wantRefusal(t, err, tt.want)
				if len(w.used) != used {
					t.Error("the jti of a refused assertion was recorded")
				}
				if strings.Contains(err.Error(), tt.jwt) && len(tt.jwt) > 1 {
					t.Error("the error shows the assertion")
				}
				return
			}
			if pub, _ := jose.NewPublicKey(alice.signer.Public()); err != nil || key != holdfast.Thumbprint(pub.Thumbprint()).String() {
				t.Errorf("got %q, %v", key, err)
			}
		})
	}
}

// damaged changes the first character of the signature.
func damaged(jwt string) string {
	i := strings.LastIndexByte(jwt, '.') + 1
	c := byte('A')
	if jwt[i] == c {
		c = 'B'
	}
	return jwt[:i] + string(c) + jwt[i+1:]
}

func TestAnAssertionIsGoodForOneUse(t *testing.T) {
	alice := newPerson(t)
	w := newWorld(t, nil)
	c := w.client(t, Registration{Method: PrivateKeyJWT, ClientID: "app", JWKS: alice.jwks()})
	jwt := alice.assert(nil)
	if _, err := w.judge(c, assertionForm(jwt)); err != nil {
		t.Fatal(err)
	}
	_, err := w.judge(c, assertionForm(jwt))
	wantRefusal(t, err, Replayed) // PKJ-3-03

	// It is remembered for as long as it could be accepted, clocks included.
	for _, until := range w.used {
		if want := at.Add(60*time.Second + Skew); !until.Equal(want) {
			t.Errorf("remembered until %v, want %v", until, want)
		}
	}
	w.advance(69 * time.Second)
	_, err = w.judge(c, assertionForm(jwt))
	wantRefusal(t, err, Replayed)
	w.advance(time.Second)
	_, err = w.judge(c, assertionForm(jwt))
	wantRefusal(t, err, BadAssertion)

	var wg sync.WaitGroup
	var mu sync.Mutex
	won, same := 0, alice.assert(map[string]any{"iat": nil, "exp": at.Unix() + 200})
	for range 64 {
		wg.Go(func() {
			if _, err := w.judge(c, assertionForm(same)); err == nil {
				mu.Lock()
				defer mu.Unlock()
				won++
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d of 64 uses at once were the first", won)
	}
}

func TestAMemoryThatFailsIsNotTheClientsFault(t *testing.T) {
	alice := newPerson(t)
	w := newWorld(t, nil)
	c := w.client(t, Registration{Method: PrivateKeyJWT, ClientID: "app", JWKS: alice.jwks()})
	w.down = errors.New("the store is down")
	_, err := w.judge(c, assertionForm(alice.assert(nil)))
	if !errors.Is(err, w.down) || errors.As(err, new(*Refusal)) {
		t.Errorf("got %v", err)
	}
}

func TestAlgorithmsOfAssertions(t *testing.T) {
	rs := &person{t: t, signer: rsaKey(t, 2048), id: "r"}
	w := newWorld(t, nil)
	fapi := newWorld(t, func(c *VerifierConfig) { c.Algs = []holdfast.Alg{holdfast.PS256, holdfast.ES256} })
	plain := Registration{Method: PrivateKeyJWT, ClientID: "app", JWKS: rs.jwks()}
	only := plain
	only.Alg = "PS256"
	reserved := plain
	reserved.JWKS = []byte(strings.Replace(string(rs.jwks()), `"kid"`, `"alg":"RS256","kid"`, 1))
	for _, tt := range []struct {
		name string
		w    *world
		r    Registration
		alg  string
		want Reason
	}{
		{"RS256", w, plain, "RS256", 0},
		{"PS256", w, plain, "PS256", 0},
		{"one that is not offered", w, plain, "RS512", BadAssertion},
		{"one that the profile does not have", fapi, plain, "RS256", BadAssertion},
		{"the one that was registered", w, only, "PS256", 0},
		{"one that was not registered", w, only, "RS256", WrongKey},
		{"one that the key is for", w, reserved, "RS256", 0},
		{"one that the key is not for", w, reserved, "PS256", WrongKey},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.w.judge(tt.w.client(t, tt.r), assertionForm(rs.assert(map[string]any{".alg": tt.alg})))
			if tt.want != 0 {
				wantRefusal(t, err, tt.want)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	if got := strings.Join(fapi.Algs(), " "); got != "PS256 ES256" {
		t.Errorf("offered are %s", got)
	}
}

func TestNewClientReportsEveryMistake(t *testing.T) {
	alice := newPerson(t)
	w := newWorld(t, nil)
	open := newWorld(t, func(c *VerifierConfig) { c.HTTP = &http.Client{} })
	sums := make([][32]byte, MaxSecrets+1)
	for _, tt := range []struct {
		name string
		w    *world
		r    Registration
		want []string
	}{
		{"the zero value", w, Registration{}, []string{"client_id has 0 bytes", `token_endpoint_auth_method is ""`}},
		{"an unknown method", w, Registration{Method: "client_secret_jwt", ClientID: "app", Secrets: sums[:1]}, []string{`"client_secret_jwt"`, "there is a secret"}},
		{"no secret", w, Registration{Method: SecretPost, ClientID: "app"}, []string{"there are 0 secrets"}},
		{"many secrets", w, Registration{Method: SecretPost, ClientID: "app", Secrets: sums}, []string{"there are 5 secrets"}},
		{"a public client with a secret", w, Registration{Method: None, ClientID: "app", Secrets: sums[:1]}, []string{"there is a secret"}},
		{"no keys", w, Registration{Method: PrivateKeyJWT, ClientID: "app"}, []string{"jwks or jwks_uri is needed"}},
		{"an empty set", w, Registration{Method: PrivateKeyJWT, ClientID: "app", JWKS: []byte(`{"keys":[]}`)}, []string{"no key that verifies"}},
		{"two places", w, Registration{Method: None, ClientID: "app", JWKS: alice.jwks(), JWKSURI: "https://app.example/jwks"}, []string{"both there"}},
		{"no certificate", w, Registration{Method: SelfSignedTLS, ClientID: "app", JWKS: alice.jwks()}, []string{"no key with its certificate"}},
		{"nobody vouches", w, Registration{Method: TLS, ClientID: "app", Subject: Subject{DNS: "a.example"}}, []string{"no certificate authority"}},
		{"no subject", w, Registration{Method: TLS, ClientID: "app"}, []string{"0 subjects"}},
		{"two subjects", w, Registration{Method: TLS, ClientID: "app", Subject: Subject{DN: "CN=a", IP: "192.0.2.1"}}, []string{"2 subjects"}},
		{"an algorithm that is not offered", w, Registration{Method: PrivateKeyJWT, ClientID: "app", JWKS: alice.jwks(), Alg: "HS256"}, []string{`"HS256", want one of ES256`}},
		// DCR-5-01
		{"keys in this machine", w, Registration{Method: None, ClientID: "app", JWKSURI: "https://127.0.0.1/jwks"}, []string{"outside this network"}},
		{"keys in this machine by name", w, Registration{Method: None, ClientID: "app", JWKSURI: "https://localhost/jwks"}, []string{"outside this network"}},
		{"keys in the network", w, Registration{Method: None, ClientID: "app", JWKSURI: "https://[fd00::1]/jwks"}, []string{"outside this network"}},
		{"keys of the cloud", w, Registration{Method: None, ClientID: "app", JWKSURI: "https://169.254.169.254/jwks"}, []string{"outside this network"}},
		{"keys over http", w, Registration{Method: None, ClientID: "app", JWKSURI: "http://127.0.0.1/jwks"}, []string{"outside this network"}},
		{"keys over http outside", open, Registration{Method: None, ClientID: "app", JWKSURI: "http://app.example/jwks"}, []string{"https is needed"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := tt.w.NewClient(tt.r)
			if err == nil || c != nil {
				t.Fatal("accepted")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in %q", want, err)
				}
			}
		})
	}
	if _, err := open.NewClient(Registration{Method: None, ClientID: "app", JWKSURI: "https://127.0.0.1/jwks"}); err != nil {
		t.Errorf("a client that the operator chose may ask inside: %v", err)
	}
}
