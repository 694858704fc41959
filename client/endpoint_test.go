package client_test

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
)

// D-5-01, D-8-05, D-8.2-02, D-4-01, D-4.2-10, PKJ-3-01, PKJ-3-03
func TestANonceChallengeIsAnsweredOnceWithFreshProofAndAssertion(t *testing.T) {
	s := newAuthServer(t, nil)
	c := s.client(t, confidential(t))
	for range 3 {
		if _, err := c.ClientCredentials(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	got := s.requests("/token")
	if len(got) != 4 {
		t.Fatalf("%d requests, want 4: one challenge, then the nonce is kept", len(got))
	}
	if got[0].nonce != "" || got[1].nonce == "" {
		t.Error("the challenge was not answered with its nonce")
	}
	for _, r := range got[2:] { // D-8.2-01
		if r.nonce != got[1].nonce {
			t.Error("the nonce was not kept")
		}
	}
	if !distinct(collect(got, func(r asked) string { return r.jti })) || !distinct(collect(got, func(r asked) string { return r.header.Get("DPoP") })) {
		t.Error("a proof was sent twice")
	}
	if !distinct(collect(got, func(r asked) string { return r.form.Get("client_assertion") })) {
		t.Error("an assertion was sent twice")
	}
	for _, r := range got {
		if len(r.header["Dpop"]) != 1 || r.htm != "POST" || r.htu != s.URL+"/token" || r.ath {
			t.Errorf("%d proofs, htm %s, htu %s, ath %v", len(r.header["Dpop"]), r.htm, r.htu, r.ath)
		}
		if r.form.Get("scope") != "read write" || r.form.Get("grant_type") != "client_credentials" {
			t.Errorf("the form changed: %v", r.form["scope"])
		}
	}
}

// D-4.2-12, D-8-10, D-8.2-03, D-8-06: every answer counts, errors too.
func TestTheLatestNonceOfAnyAnswerIsUsed(t *testing.T) {
	all := ""
	for b := byte(0x21); b < 0x7f; b++ {
		if b != '"' && b != '\\' {
			all += string(rune(b))
		}
	}
	given := []string{"n1", all, strings.Repeat("n", holdfast.MaxNonceBytes), "last"}
	s := newAuthServer(t, func(s *authServer, _ *holdfast.ProofPolicy) {
		s.override = func(w http.ResponseWriter, _ *http.Request, nth int) bool {
			if nth < len(given) {
				w.Header().Set("DPoP-Nonce", given[nth])
			}
			if nth == 1 {
				answer(w, http.StatusInternalServerError, map[string]any{"error": "server_error"})
			} else {
				answer(w, http.StatusOK, map[string]any{"access_token": "a", "token_type": "DPoP"})
			}
			return true
		}
	})
	c := s.client(t, confidential(t))
	for i := range 6 {
		if _, err := c.ClientCredentials(t.Context()); (err != nil) != (i == 1) {
			t.Fatalf("request %d: %v", i, err)
		}
	}
	equalWords(t, "nonces", collect(s.requests("/token"), func(r asked) string { return r.nonce }), append([]string{""}, append(given, "last")...))
}

func TestNonceChallengesThatAreNotAnswered(t *testing.T) {
	challenge := func(nonces ...string) func(http.ResponseWriter, *http.Request, int) bool {
		return func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			w.Header()["Dpop-Nonce"] = nonces
			deny(w, "use_dpop_nonce")
			return true
		}
	}
	many := make([]string, 10_000)
	for i := range many {
		many[i] = fmt.Sprintf("n%d", i)
	}
	for _, row := range []struct {
		name     string
		answer   func(http.ResponseWriter, *http.Request, int) bool
		requests int
		want     string
	}{
		{"a demand without a nonce (D-8-13)", challenge(), 1, "demanded a nonce but supplied none"},
		{"an empty nonce (D-8.1-02)", challenge(""), 1, "supplied none that can be used"},
		{"a nonce with a quote (D-8.1-02)", challenge(`a"b`), 1, "supplied none that can be used"},
		{"ten thousand nonces at once", challenge(many...), 1, "supplied none that can be used"},
		{"a nonce that never changes", challenge("n1"), 2, "the one that it had just refused"},
		{"a new nonce every time (D-8-12)", func(w http.ResponseWriter, _ *http.Request, nth int) bool {
			w.Header().Set("DPoP-Nonce", fmt.Sprintf("n%d", nth))
			deny(w, "use_dpop_nonce")
			return true
		}, 2, "after one retry"},
		{"a demand in a challenge instead of a body (D-12-02)", func(w http.ResponseWriter, _ *http.Request, nth int) bool {
			w.Header().Set("DPoP-Nonce", fmt.Sprintf("n%d", nth))
			w.Header().Set("WWW-Authenticate", `DPoP error="use_dpop_nonce", algs="ES256"`)
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}, 2, "after one retry"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newAuthServer(t, func(s *authServer, _ *holdfast.ProofPolicy) { s.override = row.answer })
			_, err := s.client(t, confidential(t)).ClientCredentials(t.Context())
			e := wantError(t, err, "use_dpop_nonce", row.want)
			if n := len(s.requests("")); n != row.requests || e.Exchange == nil || e.Status/100 != 4 {
				t.Errorf("%d requests, want %d; status %d", n, row.requests, e.Status)
			}
		})
	}
}

// D-8-10: memory does not grow with the number of nonces.
func TestTenThousandNoncesLeaveOne(t *testing.T) {
	s := newAuthServer(t, func(s *authServer, p *holdfast.ProofPolicy) {
		withoutNonces(t, p)
		s.override = func(w http.ResponseWriter, r *http.Request, nth int) bool {
			w.Header().Set("DPoP-Nonce", fmt.Sprintf("n%d", nth))
			return false
		}
	})
	jar := &client.NonceJar{}
	c := s.client(t, func(conf *client.Config) { confidential(t)(conf); conf.Nonces = jar })
	for range 50 {
		if _, err := c.ClientCredentials(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	got := s.requests("/token")
	if last := got[len(got)-1].nonce; last != "n48" {
		t.Errorf("the last proof has the nonce %q, want n48", last)
	}
	if text := fmt.Sprintf("%+v", jar); strings.Count(text, "https://") > 1 {
		t.Error("the jar remembers more than one server")
	}
}

// D-9-03: a nonce goes back to the server that gave it only.
func TestNoncesOfTwoServersAreKeptApart(t *testing.T) {
	a, b := newAuthServer(t, nil), newAuthServer(t, nil)
	jar := &client.NonceJar{}
	for _, s := range []*authServer{a, b} {
		c := s.client(t, func(conf *client.Config) { confidential(t)(conf); conf.Nonces = jar })
		if _, err := c.ClientCredentials(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.requests("/token"); len(got) != 2 || got[0].nonce != "" {
		t.Error("the second server was sent a nonce of the first")
	}
}

func TestAClockThatIsOffIsCorrectedOnce(t *testing.T) {
	for _, row := range []struct {
		name     string
		ahead    time.Duration // the server's clock less ours
		requests int
		want     string // "" for success
	}{
		{"a server three minutes ahead", 3 * time.Minute, 2, ""},
		{"a server three minutes behind", -3 * time.Minute, 2, ""},
		{"a server an hour ahead is not followed", time.Hour, 1, "at most 10m0s is corrected"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newAuthServer(t, func(s *authServer, p *holdfast.ProofPolicy) {
				s.now = func() time.Time { return time.Now().Add(row.ahead) }
				withoutNonces(t, p)
			})
			c := s.client(t, confidential(t))
			g, err := c.ClientCredentials(t.Context())
			if n := len(s.requests("/token")); n != row.requests {
				t.Errorf("%d requests, want %d", n, row.requests)
			}
			if row.want != "" {
				wantError(t, err, "invalid_dpop_proof", row.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(g.Warnings) != 1 || !strings.Contains(g.Warnings[0], "differs from the server's by") {
				t.Errorf("warnings %q", g.Warnings)
			}
			if g, err = c.ClientCredentials(t.Context()); err != nil || len(g.Warnings) != 0 || len(s.requests("/token")) != 3 {
				t.Errorf("the correction was not kept: %v", err)
			}
			// The token ends by our clock, not by theirs.
			if d := time.Until(g.Token.Expires); d > 5*time.Minute || d < 4*time.Minute {
				t.Errorf("the token ends in %v, want 5 min", d)
			}
		})
	}
}

// A refused proof with clocks that agree is no reason to ask again.
func TestARefusedProofIsNotSentAgainWithoutAReason(t *testing.T) {
	s := newAuthServer(t, func(s *authServer, _ *holdfast.ProofPolicy) {
		s.override = func(w http.ResponseWriter, _ *http.Request, _ int) bool { deny(w, "invalid_dpop_proof"); return true }
	})
	_, err := s.client(t, confidential(t)).ClientCredentials(t.Context())
	wantError(t, err, "invalid_dpop_proof", "compare the clocks")
	if n := len(s.requests("")); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

// zeros is an endless body.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestHostileAnswers(t *testing.T) {
	body := func(status int, text string) func(http.ResponseWriter, *http.Request, int) bool {
		return func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
			return true
		}
	}
	for _, row := range []struct {
		name   string
		answer func(http.ResponseWriter, *http.Request, int) bool
		status int
		want   []string
	}{
		{"a gigabyte", func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			_, _ = io.CopyN(w, zeros{}, 1<<30)
			return true
		}, 200, []string{"longer than 1048576 bytes"}},
		{"an endless chain of redirects", func(w http.ResponseWriter, r *http.Request, _ int) bool {
			http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
			return true
		}, 307, []string{"redirects are not followed"}},
		{"HTML", body(200, "<html>"), 200, []string{"not a JSON object"}},
		{"a member that comes twice", body(200, `{"access_token":"a","access_token":"b","token_type":"DPoP"}`), 200, []string{"duplicate"}},
		{"deep nesting", body(200, strings.Repeat(`{"a":`, 100_000)), 200, []string{"not a JSON object"}},
		{"no token", body(200, `{"token_type":"DPoP"}`), 200, []string{"no access_token"}},
		{"a token that is a number", body(200, `{"access_token":1,"token_type":"DPoP"}`), 200, []string{"no access_token"}},
		{"a token with a line break", body(200, `{"access_token":"a\r\nX: y","token_type":"DPoP"}`), 200, []string{"cannot be in a header field"}},
		{"a token that is too long", body(200, `{"token_type":"DPoP","access_token":"`+strings.Repeat("a", holdfast.MaxTokenBytes+1)+`"}`), 200, []string{"at most 16384"}},
		{"no token_type", body(200, `{"access_token":"a"}`), 200, []string{"no token_type"}},
		{"an unknown token_type", body(200, `{"access_token":"a","token_type":"mac\u001b[2J"}`), 200, []string{`token_type is mac\x1b[2J`}},
		{"a token that has expired", body(200, `{"access_token":"a","token_type":"DPoP","expires_in":0}`), 200, []string{"expires_in is 0"}},
		{"a lifetime below zero", body(200, `{"access_token":"a","token_type":"DPoP","expires_in":-1}`), 200, []string{"expires_in is -1"}},
		{"a lifetime in words", body(200, `{"access_token":"a","token_type":"DPoP","expires_in":"soon"}`), 200, []string{"expires_in is"}},
		{"a refresh token that is an object", body(200, `{"access_token":"a","token_type":"DPoP","refresh_token":{}}`), 200, []string{"refresh_token is not a string"}},
		{"a scope with control characters", body(200, `{"access_token":"a","token_type":"DPoP","scope":"a\u0007"}`), 200, []string{"scope has the value"}},
		{"a scope that is a list", body(200, `{"access_token":"a","token_type":"DPoP","scope":["a"]}`), 200, []string{"scope is not a string"}},
		{"an error without a body", body(400, ""), 400, []string{"status 400"}},
		{"an overloaded server", body(503, "busy"), 503, []string{"status 503", "try again later"}},
		{
			"an error with terminal escapes", body(400, `{"error":"invalid_scope","error_description":"\u001b]0;owned\u0007 \u202egnp.exe \"q\" \\ é"}`), 400,
			[]string{"invalid_scope", `(\x1b]0;owned\a \u202egnp.exe "q" \\ \u00e9)`},
		},
		{"a wrong client", body(401, `{"error":"invalid_client"}`), 401, []string{"invalid_client", `private_key_jwt of "app"`}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newAuthServer(t, func(s *authServer, _ *holdfast.ProofPolicy) { s.override = row.answer })
			g, err := s.client(t, confidential(t)).ClientCredentials(t.Context())
			e := wantError(t, err, row.want...)
			if g != nil || e.Status != row.status || e.Exchange == nil {
				t.Errorf("status %d, want %d", e.Status, row.status)
			}
			if n := len(s.requests("")); n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
			for _, r := range e.Error() + e.Hint {
				if r < 0x20 || r > 0x7e {
					t.Errorf("the error has the character %U", r)
				}
			}
		})
	}
}

func TestALongDescriptionIsCutAndASecretInItIsNotRepeated(t *testing.T) {
	s := newAuthServer(t, func(s *authServer, _ *holdfast.ProofPolicy) {
		s.override = func(w http.ResponseWriter, r *http.Request, _ int) bool {
			id, secret, _ := r.BasicAuth()
			w.Header().Set("Server", "as "+secret)
			answer(w, http.StatusBadRequest, map[string]any{
				"error": strings.Repeat("e", 1000), "error_description": id + " " + secret + " " + r.Header.Get("DPoP") + strings.Repeat("d", 100_000),
			})
			return true
		}
	})
	c := s.client(t, func(conf *client.Config) {
		conf.Auth = client.Auth{Method: client.AuthSecretBasic, Secret: holdfast.NewSecret("s3cr3t-of-app")}
	})
	_, err := c.ClientCredentials(t.Context())
	e := wantError(t, err, "app [redacted] [redacted]ddd")
	if len(e.Description) != client.MaxDescription || len(e.Code) > 64 {
		t.Errorf("description of %d bytes, code of %d", len(e.Description), len(e.Code))
	}
	if got := e.Exchange.Header.Get("Server"); got != "as [redacted]" {
		t.Errorf("the exchange has Server %q", got)
	}
}

// Secrets are recognised in the forms in which they were sent, too, and in what
// net/http quotes of an answer that it cannot read.
func TestWhatWasSentIsNotRepeated(t *testing.T) {
	const secret = "s3cr3t/of+app=="
	repeat := func(r *http.Request) string {
		body, _ := io.ReadAll(r.Body)
		return strings.Join([]string{r.Header.Get("DPoP"), r.Header.Get("Authorization"), string(body)}, " ")
	}
	for _, row := range []struct {
		name   string
		method client.AuthMethod
		answer func(r *http.Request) (*http.Response, error)
	}{
		{"the header in a description", client.AuthSecretBasic, func(r *http.Request) (*http.Response, error) {
			w := httptest.NewRecorder()
			answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_client", "error_description": r.Header.Get("Authorization")})
			return w.Result(), nil
		}},
		{"the body in a description", client.AuthSecretPost, func(r *http.Request) (*http.Response, error) {
			w := httptest.NewRecorder()
			answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_client", "error_description": repeat(r)})
			return w.Result(), nil
		}},
		{"all of it in what is no answer", client.AuthSecretPost, func(r *http.Request) (*http.Response, error) {
			return nil, fmt.Errorf("malformed HTTP response %q", strings.Repeat(".", 200)+repeat(r))
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newAuthServer(t, nil)
			var sent []string
			c := s.client(t, func(conf *client.Config) {
				conf.Metadata, conf.Auth = &s.meta, client.Auth{Method: row.method, Secret: holdfast.NewSecret(secret)}
				conf.HTTP = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
					_, basic, _ := strings.Cut(r.Header.Get("Authorization"), " ")
					sent = append(sent, r.Header.Get("DPoP"), basic)
					return row.answer(r)
				})}
			})
			_, err := c.ClientCredentials(t.Context())
			e := wantError(t, err, "[redacted]")
			for _, v := range append(sent, secret, url.QueryEscape(secret)) {
				if v != "" && strings.Contains(e.Error()+e.Exchange.Err, v[:min(len(v), 20)]) {
					t.Errorf("the error repeats %d bytes that begin with %.6q", len(v), v)
				}
			}
		})
	}
}

func TestAServerThatDoesNotAnswerIsOurErrorNotTheirs(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := newAuthServer(t, func(s *authServer, _ *holdfast.ProofPolicy) {
		s.override = func(_ http.ResponseWriter, r *http.Request, _ int) bool {
			cancel() // the caller gives up while the server thinks
			<-r.Context().Done()
			return true
		}
	})
	c := s.client(t, confidential(t))
	_, err := c.ClientCredentials(ctx)
	e := wantError(t, err, "token request")
	if !errors.Is(err, context.Canceled) || e.Status != 0 || e.Code != "" || e.Exchange == nil || e.Exchange.Err == "" {
		t.Errorf("got %v, status %d", err, e.Status)
	}
}

func TestAnEndpointThatIsNotThere(t *testing.T) {
	s := newAuthServer(t, func(s *authServer, _ *holdfast.ProofPolicy) {
		s.meta.RevocationEndpoint, s.meta.DeviceAuthorizationEndpoint, s.meta.AuthorizationEndpoint = "", "", ""
	})
	c := s.client(t, nil)
	_, err := c.Device(t.Context(), nil)
	wantError(t, err, "no device_authorization_endpoint")
	_, err = c.Begin(t.Context())
	wantError(t, err, "no authorization_endpoint")
	if _, err := c.ClientCredentials(t.Context()); err == nil {
		t.Error("a public client got client credentials")
	}
	if n := len(s.requests("")); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

// lostDevice is a key in a device that is gone.
type lostDevice struct{ crypto.Signer }

var errLost = errors.New("device removed")

func (lostDevice) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return nil, errLost }

func TestWithoutASignatureNothingIsSent(t *testing.T) {
	s := newAuthServer(t, nil)
	for _, row := range []struct {
		name   string
		change func(*client.Config)
	}{
		{"of the client", func(c *client.Config) { c.Auth.Signer = lostDevice{c.Auth.Signer} }},
		{"of the proof", func(c *client.Config) {
			key, err := holdfast.NewKey(lostDevice{newSigner(t)})
			if err != nil {
				t.Fatal(err)
			}
			c.Key = key
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := s.client(t, func(conf *client.Config) { confidential(t)(conf); row.change(conf) })
			_, err := c.ClientCredentials(t.Context())
			if e := wantError(t, err, "token request", "device removed"); !errors.Is(err, errLost) || e.Exchange != nil {
				t.Errorf("got %v", err)
			}
		})
	}
	if n := len(s.requests("")); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestAnAnswerThatBreaksOffIsNotRead(t *testing.T) {
	s := newAuthServer(t, func(s *authServer, _ *holdfast.ProofPolicy) {
		s.override = func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"access_token":"access-token-1","token_type":"DPoP"}`)
			return true
		}
	})
	_, err := s.client(t, confidential(t)).ClientCredentials(t.Context())
	e := wantError(t, err, "read the answer")
	if !errors.Is(err, io.ErrUnexpectedEOF) || e.Status != http.StatusOK {
		t.Errorf("got %v", err)
	}
}

// A refusal without a Date, or with one that agrees, corrects nothing.
func TestAClockIsNotCorrectedWithoutADate(t *testing.T) {
	s := newAuthServer(t, func(s *authServer, _ *holdfast.ProofPolicy) {
		s.override = func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			w.Header()["Date"] = []string{"yesterday"}
			deny(w, "invalid_client")
			return true
		}
	})
	_, err := s.client(t, confidential(t)).ClientCredentials(t.Context())
	wantError(t, err, "invalid_client", "compare with how the client is registered")
	if n := len(s.requests("")); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}
