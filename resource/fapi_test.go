package resource

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/token"
)

// fapiAlgs are the algorithms of FAPI 2.0 section 5.4.1.
var fapiAlgs = []holdfast.Alg{holdfast.PS256, holdfast.ES256, holdfast.EdDSA}

// F2-5.4-01: with the algorithms of the profile no others get in, and the
// challenge names these.
func TestAlgorithmsOfFAPI(t *testing.T) {
	key := func(s crypto.Signer, err error, alg holdfast.Alg) *holdfast.Key {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		k, err := holdfast.NewKeyAlg(s, alg)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	p256, err256 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, err384 := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, ed, errEd := ed25519.GenerateKey(rand.Reader)
	rsa2048, errRSA := rsa.GenerateKey(rand.Reader, 2048)
	for _, tt := range []struct {
		key  *holdfast.Key
		want holdfast.Code
	}{
		{key(p256, err256, holdfast.ES256), holdfast.CodeOK},
		{key(ed, errEd, holdfast.EdDSA), holdfast.CodeOK},
		{key(rsa2048, errRSA, holdfast.PS256), holdfast.CodeOK},
		{key(rsa2048, errRSA, holdfast.RS256), holdfast.CodeProofAlgRefused},
		{key(p384, err384, holdfast.ES384), holdfast.CodeProofAlgRefused},
	} {
		t.Run(string(tt.key.Alg()), func(t *testing.T) {
			w := newWorld(t, func(w *world) { w.config.Verify.Proof.Algs = fapiAlgs })
			w.key = tt.key
			a := w.do(w.good())
			if tt.want == holdfast.CodeOK {
				w.accepted(a)
				return
			}
			w.refused(a, tt.want)
			if ch, _ := a.challenge(t, "DPoP"); ch.Error != "invalid_dpop_proof" || len(ch.Algs) < 3 {
				t.Errorf("challenge %s", ch)
			}
		})
	}
}

// F2-5.3.4-01: a token in the query, an unbound one and, as soon as the cache
// has to ask again, a revoked one are refused.
func TestTokensThatFAPIRefuses(t *testing.T) {
	var revoked atomic.Bool
	var w *world
	endpoint := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		cnf := `,"cnf":{"jkt":"` + w.key.Thumbprint().String() + `"}`
		switch {
		case r.PostFormValue("token") == "unbound-token":
			cnf = ""
		case revoked.Load():
			fmt.Fprint(rw, `{"active":false}`)
			return
		}
		fmt.Fprintf(rw, `{"active":true,"iss":%q,"aud":%q,"exp":%d%s}`, issuer, audience, startTime.Unix()+600, cnf)
	}))
	defer endpoint.Close()
	w = newWorld(t, func(w *world) {
		reader, err := token.NewIntrospector(token.IntrospectorConfig{
			Endpoint: endpoint.URL, Issuer: issuer, HTTP: endpoint.Client(),
			Authenticate: token.BasicAuth("rs", holdfast.NewSecret("rs-password")),
		})
		if err != nil {
			t.Fatal(err)
		}
		w.config.Verify.Tokens, err = token.NewCache(token.CacheConfig{Tokens: reader, Now: w.clock.Now})
		if err != nil {
			t.Fatal(err)
		}
	})
	send := func(change func(*call)) *answer {
		c := w.good()
		c.token = "opaque-token"
		change(c)
		return w.do(c)
	}
	w.refused(send(func(c *call) {
		c.path, c.proofFor, c.scheme = "/orders?access_token=opaque-token", public+"/orders", ""
	}), holdfast.CodeRequestAuthMissing)
	w.refused(send(func(c *call) { c.token = "unbound-token" }), holdfast.CodeBindingSchemeNotBound)
	w.refused(send(func(c *call) { c.token, c.scheme, c.bare = "unbound-token", "Bearer", true }), holdfast.CodeBindingPresentUnbound)

	w.accepted(send(func(*call) {}))
	revoked.Store(true)
	w.clock.Advance(token.DefaultIntrospectedLifetime - time.Second)
	w.accepted(send(func(*call) {})) // the price of the cache
	w.clock.Advance(time.Second)
	a := send(func(*call) {})
	if p := a.problem(t); a.StatusCode != http.StatusUnauthorized || p.Code != holdfast.CodeTokenActiveInactive.String() {
		t.Errorf("a revoked token: status %d, %s", a.StatusCode, p.Code)
	}
	if diff := cmp.Diff(map[string]string{"DPoP": "invalid_token"}, errorsOf(t, a)); diff != "" {
		t.Errorf("challenges (-want +got):\n%s", diff)
	}
	if n := w.reached.Load(); n != 2 {
		t.Errorf("the handler was reached %d times, want twice", n)
	}
}
