package resource

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-oauth/holdfast"
)

func TestProblemBody(t *testing.T) {
	w := newWorld(t, nil)
	w.clock.Advance(1500 * time.Millisecond)
	c := w.good()
	c.proofFor = public + "/other"
	want := problem{
		Type:  problemType + "proof.htu.mismatch",
		Title: holdfast.CodeProofHTUMismatch.Public(), Status: 401,
		Code: "proof.htu.mismatch", Error: "invalid_dpop_proof", Check: "proof.htu", RFC: "RFC 9449 4.3 (9)",
		Hint: holdfast.CodeProofHTUMismatch.Remedy(), ServerTime: startTime.Add(time.Second),
	}
	if diff := cmp.Diff(want, w.do(c).problem(t)); diff != "" {
		t.Errorf("problem (-want +got):\n%s", diff)
	}
}

// Whatever the code: the answer of every code is complete, and a constant but
// for the time (D-7.1-08, B-3.1-01, B-3.1-02, B-3.1-03: one error each, under a
// status that fits; B-3-03: no parameter twice).
func TestEveryCodeHasAnAnswer(t *testing.T) {
	w := newWorld(t, func(w *world) { w.config.OnDeny = nil })
	errorStatus := map[string]int{
		"invalid_request": 400, "invalid_token": 401, "insufficient_scope": 403, "invalid_dpop_proof": 401,
		"use_dpop_nonce": 401, "insufficient_user_authentication": 401, "invalid_grant": 400,
	}
	p := &holdfast.Presentation{
		Method: "GET", URL: public + "/secret-path?access_token=s3cret",
		Authorization: []holdfast.Secret{holdfast.NewSecret("DPoP s3cret")}, Proofs: []holdfast.Secret{holdfast.NewSecret("s3cret")},
	}
	for _, code := range holdfast.Codes() {
		r := w.guard.refuse(t.Context(), p, w.need, code)
		if r.Status != code.Status() || !errors.Is(r, code) || len(r.Body) == 0 {
			t.Errorf("%s: status %d, error %v", code, r.Status, r)
		}
		if e := code.OAuthError(); e != "" && r.Status != errorStatus[e] {
			t.Errorf("%s: %s with status %d", code, e, r.Status)
		}
		field := r.Header.Get("WWW-Authenticate")
		if (field == "") != (r.Status == 503) || (r.Header.Get("Retry-After") == "") != (r.Status != 503) {
			t.Errorf("%s: header %v", code, r.Header)
		}
		if strings.Contains(field, "error_uri") { // B-3-06: there is none that could be wrong
			t.Errorf("%s: %s", code, field)
		}
		for _, name := range []string{"realm=", "scope=", "error=", "error_description=", "algs="} {
			if strings.Count(field, " "+name) > 1 {
				t.Errorf("%s: %s twice in %s", code, name, field)
			}
		}
		for _, s := range []string{"s3cret", "secret-path"} {
			if strings.Contains(string(r.Body)+field, s) {
				t.Errorf("%s: the answer quotes the request: %s %s", code, field, r.Body)
			}
		}
	}
}

// D-7.1-12: scripts of another origin may read the fields that they need. What
// an outer middleware exposes stays.
func TestFieldsAreExposedToScripts(t *testing.T) {
	for _, tt := range []struct {
		name   string
		origin string
		good   bool
		want   []string
	}{
		{"a refusal", "https://app.example", false, []string{"X-Total", "WWW-Authenticate, DPoP-Nonce"}},
		{"a refusal of a client that is no browser", "", false, []string{"X-Total"}},
		{"an accepted request without a nonce", "https://app.example", true, []string{"X-Total"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			inner := w.srv.Config.Handler
			w.srv.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				rw.Header().Set("Access-Control-Expose-Headers", "X-Total")
				rw.Header().Set("WWW-Authenticate", "Basic")
				inner.ServeHTTP(rw, r)
			})
			c := w.good()
			if tt.origin != "" {
				c.header.Set("Origin", tt.origin)
			}
			if c.bare = !tt.good; c.bare {
				c.scheme = ""
			}
			a := w.do(c)
			if (a.StatusCode == 200) != tt.good {
				t.Fatalf("status %d", a.StatusCode)
			}
			if diff := cmp.Diff(tt.want, a.Header["Access-Control-Expose-Headers"]); diff != "" {
				t.Errorf("exposed (-want +got):\n%s", diff)
			}
			if !tt.good { // one line, whatever was there
				errorsOf(t, a)
			}
		})
	}
}
