package resource

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-oauth/holdfast"
)

// TestHostileRequests are requests of clients that try to get around the guard:
// each is refused for the right reason, reaches no handler and leaves no trace
// in the replay cache.
func TestHostileRequests(t *testing.T) {
	const mib = 1 << 20
	for _, tt := range []struct {
		name   string
		change func(*world, *call)
		want   holdfast.Code
	}{
		{"D-7.2-05: DPoP and Bearer at once", func(_ *world, c *call) {
			c.authorization = []string{"DPoP " + c.token, "Bearer " + c.token}
		}, holdfast.CodeRequestAuthSeveral},
		{"Bearer and DPoP at once", func(_ *world, c *call) {
			c.authorization = []string{"Bearer " + c.token, "DPoP " + c.token}
		}, holdfast.CodeRequestAuthSeveral},
		{"the same Authorization field twice", func(_ *world, c *call) {
			c.authorization = []string{"DPoP " + c.token, "DPoP " + c.token}
		}, holdfast.CodeRequestAuthSeveral},
		{"two credentials joined by a comma", func(_ *world, c *call) {
			c.authorization = []string{"DPoP " + c.token + ", Bearer " + c.token}
		}, holdfast.CodeRequestAuthMalformed},
		{"B-2-02: a token in the field and in the query", func(_ *world, c *call) {
			c.path, c.proofFor = "/orders?access_token="+c.token, public+"/orders"
		}, holdfast.CodeRequestAuthSeveral},
		{"a name that is spelled with percent signs", func(_ *world, c *call) {
			c.path, c.proofFor = "/orders?a=%zz;%61ccess_token=x", public+"/orders"
		}, holdfast.CodeRequestAuthSeveral},
		{"D-7.2-02, B-2.3-02 and F2-5.3.4-01: a bound token in the query alone", func(_ *world, c *call) {
			c.path, c.proofFor = "/orders?access_token="+c.token, public+"/orders"
			c.scheme, c.bare = "", true
		}, holdfast.CodeRequestAuthMissing},
		{"B-3.1-01: a token in the query twice", func(_ *world, c *call) {
			c.path, c.proofFor = "/orders?access_token=a&access_token=b", public+"/orders"
			c.scheme, c.bare = "", true
		}, holdfast.CodeRequestAuthSeveral},
		{"D-7.2-02 and B-2.2-02: a bound token in the form body", func(_ *world, c *call) {
			c.method, c.body = "POST", strings.NewReader("access_token="+c.token)
			c.header.Set("Content-Type", "application/x-www-form-urlencoded")
			c.scheme, c.bare = "", true
		}, holdfast.CodeRequestAuthMissing},
		{"B-5.2-05: a token in a cookie", func(_ *world, c *call) {
			c.header.Set("Cookie", "access_token="+c.token)
			c.scheme = ""
		}, holdfast.CodeRequestAuthMissing},

		{"D-4.3-01b: two proofs, the first one good", func(w *world, c *call) {
			c.proofs = []string{w.proof(c), "garbage"}
		}, holdfast.CodeProofSingleSeveral},
		{"D-4.3-01b: two proofs, the second one good", func(w *world, c *call) {
			c.proofs = []string{"garbage", w.proof(c)}
		}, holdfast.CodeProofSingleSeveral},
		{"D-4.3-01c: two proofs joined by a comma", func(w *world, c *call) {
			c.proofs = []string{w.proof(c) + ", " + w.proof(c)}
		}, holdfast.CodeProofSingleSeveral},
		{"D-4.1-02: a proof with a blank in it", func(w *world, c *call) {
			p := w.proof(c)
			c.proofs = []string{p[:20] + " " + p[20:]}
		}, holdfast.CodeProofJWTMalformed},
		{"D-4.1-01: a proof in capitals", func(w *world, c *call) {
			c.proofs = []string{strings.ToUpper(w.proof(c))}
		}, holdfast.CodeProofJWTMalformed},
		{"an empty proof", func(_ *world, c *call) { c.proofs = []string{""} }, holdfast.CodeProofJWTMalformed},
		{"ten thousand commas", func(_ *world, c *call) {
			c.proofs = []string{strings.Repeat(",", 10_000)}
		}, holdfast.CodeProofSingleSeveral},

		{"a proof of 1 MiB", func(_ *world, c *call) {
			c.proofs = []string{strings.Repeat("a", mib)}
		}, holdfast.CodeProofJWTTooLarge},
		{"a token of 1 MiB", func(_ *world, c *call) {
			c.authorization = []string{"DPoP " + strings.Repeat("a", mib)}
		}, holdfast.CodeRequestAuthMalformed},
		{"a scheme of 1 MiB", func(_ *world, c *call) {
			c.authorization = []string{strings.Repeat("a", mib)}
		}, holdfast.CodeRequestSchemeUnsupported},

		{"a path of two slashes that the proof does not have", func(_ *world, c *call) {
			c.path, c.proofFor = "//orders", public+"/orders"
		}, holdfast.CodeProofHTUMismatch},
		{"a path that climbs out of the public prefix", func(_ *world, c *call) {
			c.path, c.proofFor = "/../admin", public+"/orders"
		}, holdfast.CodeProofHTUMismatch},
		{"an encoded slash that the proof does not have", func(_ *world, c *call) {
			c.path, c.proofFor = "/a%2Fb", public+"/a/b"
		}, holdfast.CodeProofHTUMismatch},
		{"a proof for the address that is listened on", func(w *world, c *call) {
			c.proofFor = w.srv.URL + "/orders"
		}, holdfast.CodeProofHTUMismatch},
		{"a proof for http", func(_ *world, c *call) {
			c.proofFor = strings.Replace(public, "https", "http", 1) + "/orders"
		}, holdfast.CodeProofHTUMismatch},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			c := w.good()
			tt.change(w, c)
			a := w.do(c)
			w.refused(a, tt.want)
			w.tellsNothing(a, c)
			if len(a.Cookies()) > 0 {
				t.Error("a refusal sets a cookie")
			}
			if tt.want == holdfast.CodeRequestAuthSeveral { // RFC 9449 Fig. 19
				if diff := cmp.Diff(map[string]string{"DPoP": "invalid_request", "Bearer": "invalid_request"}, errorsOf(t, a)); diff != "" {
					t.Errorf("challenges (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// Of a request target in absolute form only the path counts (RFC 9112 section 3.2.2).
func TestAbsoluteFormTargets(t *testing.T) {
	for _, tt := range []struct {
		name, target, proofFor string
		want                   holdfast.Code
	}{
		{"of ourselves", "https://api.example.com/orders", public + "/orders", holdfast.CodeOK},
		{"of somebody else, with a proof for us", "https://evil.example/orders", public + "/orders", holdfast.CodeOK},
		{"of somebody else, with a proof for them", "https://evil.example/orders", "https://evil.example/orders", holdfast.CodeProofHTUMismatch},
		{"two slashes that look like a host", "//evil.example/orders", "https://evil.example/orders", holdfast.CodeProofHTUMismatch},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			c := w.good()
			c.proofFor = tt.proofFor
			w.fill(c)
			a := w.raw("GET " + tt.target + " HTTP/1.1\r\nHost: evil.example\r\nAuthorization: " + c.authorization[0] +
				"\r\nDPoP: " + c.proofs[0] + "\r\nConnection: close\r\n\r\n")
			if tt.want == holdfast.CodeOK {
				w.accepted(a)
				return
			}
			w.refused(a, tt.want)
		})
	}
}

// D-11.1-02: a second use is refused, and for that reason.
func TestReplayIsRefused(t *testing.T) {
	w := newWorld(t, nil)
	c := w.good()
	w.accepted(w.do(c))
	a := w.do(c)
	if p := a.problem(t); p.Code != "replay.jti.replayed" || a.StatusCode != 401 {
		t.Errorf("refused with %d %s", a.StatusCode, p.Code)
	}
	if ch, _ := a.challenge(t, "DPoP"); ch.Error != "invalid_dpop_proof" {
		t.Errorf("error %q", ch.Error)
	}
	if n := w.reached.Load(); n != 1 {
		t.Errorf("the handler was reached %d times", n)
	}
}

// downTokens cannot reach the keys of the issuer.
type downTokens struct{}

func (downTokens) ReadToken(context.Context, holdfast.Secret) (*holdfast.Token, error) {
	return nil, errors.New("get https://as.example.com/jwks: connection refused")
}

type downBlocks struct{}

func (downBlocks) Blocked(context.Context, holdfast.Thumbprint, string) (bool, error) {
	return false, errors.New("blocks: no route")
}

type downNonces struct{ judge bool }

func (d downNonces) Issue(context.Context) (string, error) {
	return "", errors.New("nonce source: no answer")
}

func (d downNonces) Judge(context.Context, string) (holdfast.Nonce, error) {
	if d.judge {
		return holdfast.Nonce{State: holdfast.NonceCurrent, Issued: startTime.Add(-time.Hour), Expires: startTime.Add(time.Minute)}, nil
	}
	return holdfast.Nonce{}, errors.New("nonce source: no answer")
}

// D-7.1-04: a check that cannot be made refuses, and the client is not blamed.
func TestWhatCannotBeCheckedIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*world)
		nonce  string
		want   holdfast.Code
		cause  string
	}{
		{"the key set is unreachable", func(w *world) { w.config.Verify.Tokens = downTokens{} }, "", holdfast.CodeServerToken, "connection refused"},
		{"the replay store is down", func(w *world) { w.replays.err = errors.New("store: no route") }, "", holdfast.CodeServerReplay, "no route"},
		{"the replay store is full", func(w *world) { w.replays.err = holdfast.CodeServerReplayFull }, "", holdfast.CodeServerReplayFull, "replay_full"},
		{"the block list is down", func(w *world) { w.config.Verify.Blocks = downBlocks{} }, "", holdfast.CodeServerBlocks, "blocks: no route"},
		{"a nonce cannot be judged", func(w *world) { w.config.Verify.Proof.Nonces = downNonces{} }, "n", holdfast.CodeServerNonce, "nonce source"},
		{"a nonce is needed and cannot be issued", func(w *world) {
			w.config.Verify.Proof.Nonces, w.config.Verify.Proof.Nonce = downNonces{}, holdfast.NonceRequired
		}, "", holdfast.CodeServerNonce, "nonce source"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.change)
			c := w.good()
			c.nonce = tt.nonce
			a := w.do(c)
			p := a.problem(t)
			if a.StatusCode != http.StatusServiceUnavailable || p.Code != tt.want.String() || p.Error != "" || p.Check != "" {
				t.Errorf("status %d, problem %+v, want 503 %s", a.StatusCode, p, tt.want)
			}
			if a.Header.Get("Retry-After") != "5" || a.Header.Get("WWW-Authenticate") != "" || a.Header.Get("DPoP-Nonce") != "" {
				t.Errorf("header %v", a.Header)
			}
			if w.reached.Load() != 0 {
				t.Error("the handler was reached")
			}
			if strings.Contains(a.body, tt.cause) && tt.cause != "replay_full" {
				t.Errorf("the peer reads the cause: %s", a.body)
			}
			if log := w.log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, tt.cause) {
				t.Errorf("the operator does not read the cause: %s", log)
			}
		})
	}
}

// A nonce that cannot be renewed is no reason to refuse.
func TestRenewalIsNotNeededToAccept(t *testing.T) {
	w := newWorld(t, func(w *world) {
		w.config.Verify.Proof.Nonces, w.config.Verify.Proof.Nonce = downNonces{judge: true}, holdfast.NonceRequired
	})
	c := w.good()
	c.nonce = "n"
	a := w.do(c)
	w.accepted(a)
	if a.Header.Get("DPoP-Nonce") != "" || !strings.Contains(w.log.String(), "no nonce to renew") {
		t.Errorf("header %v, log %s", a.Header, w.log.String())
	}
}
