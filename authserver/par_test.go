package authserver

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/holdfast-oauth/holdfast"
)

// unpush returns the request behind the request_uri of an answer, as the
// authorization endpoint gets it.
func (ts *testServer) unpush(r *reply, clientID string) (*authorizationRequest, error) {
	ts.t.Helper()
	c, err := ts.clients.find(context.Background(), clientID)
	if err != nil {
		ts.t.Fatal(err)
	}
	return ts.pushed(context.Background(), c, r.text("request_uri"))
}

func TestAPushedRequestIsAnsweredWithAHandle(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	r := ts.post(pathPAR, goodRequest(webID), as(webID))
	// PAR-2.2-01
	if r.status != http.StatusCreated || r.header.Get("Cache-Control") != "no-store" || r.header.Get("Content-Type") != "application/json" {
		t.Errorf("answer is %d with header %v, want 201, JSON and no-store", r.status, r.header)
	}
	handle, ok := strings.CutPrefix(r.text("request_uri"), requestURIPrefix)
	if !ok || len(handle)*6 < 128 {
		t.Errorf("request_uri does not begin with %s and go on with 128 bits", requestURIPrefix)
	}
	if in, _ := r.body["expires_in"].(float64); in != 90 {
		t.Errorf("expires_in is %v, want 90", in)
	}
	if again := ts.post(pathPAR, goodRequest(webID), as(webID)); again.text("request_uri") == r.text("request_uri") {
		t.Error("two requests have one request_uri")
	}
	// A public client needs no credentials.
	ts.post(pathPAR, goodRequest(appID)).ok()

	q, err := ts.unpush(r, webID)
	if err != nil || q.RedirectURI != testCallback || q.State != "s1" || q.Pushed == nil {
		t.Errorf("the pushed request is %+v, %v", q, err)
	}
}

func TestPushedRequestsAreCheckedAtOnce(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	with := func(name, value string) []string { return []string{name, value} }
	for _, tt := range []struct {
		name, code string
		pair       []string
		options    []option
	}{
		// PAR-2.1-01
		{"a request_uri inside", errInvalidRequest, with("request_uri", requestURIPrefix+"x"), []option{as(webID)}},
		{"a redirect URI that is not registered", errInvalidRequest, with("redirect_uri", "https://evil.example/"), []option{as(webID)}},
		{"a wrong secret", errInvalidClient, nil, []option{func(r *http.Request) { r.SetBasicAuth(webID, "wrong") }}},
		{"no credentials", errInvalidClient, nil, nil},
		{"the client_id of another", errInvalidRequest, with("client_id", otherID), []option{as(webID)}},
		{"no challenge", errInvalidRequest, with("code_challenge", ""), []option{as(webID)}},
		{"an unknown resource", errInvalidTarget, with("resource", "https://unknown.example"), []option{as(webID)}},
		{"a malformed dpop_jkt", errInvalidRequest, with("dpop_jkt", "x"), []option{as(webID)}}, // D-10-04
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			q := goodRequest(webID)
			for name, values := range form(tt.pair...) {
				q[name] = values
			}
			ts.post(pathPAR, q, tt.options...).refused(tt.code)
		})
	}
	t.Cleanup(func() {
		if n := ts.count(kindPushed); n != 0 {
			t.Errorf("%d refused requests were kept", n)
		}
	})
}

func TestPARTakesPostedFormsOnly(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	get, err := http.NewRequest(http.MethodGet, ts.front.URL+pathPAR, nil)
	if err != nil {
		t.Fatal(err)
	}
	// PAR-2-01
	if r := ts.send(ts.http, get); r.status != http.StatusMethodNotAllowed || r.header.Get("Allow") != http.MethodPost {
		t.Errorf("GET is answered with %d and Allow %q, want 405 and POST", r.status, r.header.Get("Allow"))
	}
	large := goodRequest(webID)
	large.Set("foo", strings.Repeat("x", MaxFormBytes))
	if r := ts.post(pathPAR, large, as(webID)); r.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a large body is answered with %d, want 413", r.status)
	}
}

func TestARequestURIIsGoodForOneClientOneTimeAndSoon(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	r := ts.post(pathPAR, goodRequest(webID), as(webID)).ok()

	// PAR-2.2-02
	_, err := ts.unpush(r, otherID)
	wantRefusal(t, err, errInvalidRequestURI, "request_uri")

	for _, uri := range []string{"", requestURIPrefix, requestURIPrefix + strings.Repeat("A", 43), requestURIPrefix + "../x", "https://app.example/request.jwt", r.text("request_uri") + "A"} {
		_, err := ts.pushed(context.Background(), &client{}, uri)
		wantRefusal(t, err, errInvalidRequestURI, "request_uri")
	}

	// PAR-4-02: a login that takes long is no problem, coming late is.
	q, err := ts.unpush(r, webID)
	if err != nil {
		t.Fatal(err)
	}
	late := ts.post(pathPAR, goodRequest(webID), as(webID)).ok()
	ts.clock.Advance(DefaultPushLifetime)
	_, err = ts.unpush(late, webID)
	wantRefusal(t, err, errInvalidRequestURI, "request_uri")
	ts.clock.Advance(loginTime / 2)
	if _, err := ts.issueCode(context.Background(), q, ts.approvalOf(q)); err != nil {
		t.Fatalf("a slow login: %v", err)
	}
	_, err = ts.issueCode(context.Background(), q, ts.approvalOf(q))
	wantRefusal(t, err, errInvalidRequestURI, "request_uri")
}

func TestAUsedRequestURIIsRefused(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	r := ts.post(pathPAR, goodRequest(webID), as(webID)).ok()
	q, err := ts.unpush(r, webID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ts.issueCode(context.Background(), q, ts.approvalOf(q)); err != nil {
		t.Fatal(err)
	}
	_, err = ts.unpush(r, webID) // PAR-4-02
	wantRefusal(t, err, errInvalidRequestURI, "request_uri")
}

func TestAPushedRequestIsBoundToAKey(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	k1, k2 := newKey(t), newKey(t)
	jkt := k1.Thumbprint().String()
	bound := func(t *testing.T, q []string, options ...option) {
		t.Helper()
		verifier, challenge := pkce()
		request := goodRequest(appID)
		request.Set("code_challenge", challenge)
		for name, values := range form(q...) {
			request[name] = values
		}
		r := ts.post(pathPAR, request, options...)
		if r.status != http.StatusCreated {
			t.Fatalf("answer is %d %s", r.status, r.shown())
		}
		got, err := ts.unpush(r, appID)
		if err != nil {
			t.Fatal(err)
		}
		code, err := ts.issueCode(context.Background(), got, ts.approvalOf(got))
		if err != nil {
			t.Fatal(err)
		}
		redeem := form("grant_type", grantCode, "code", code.Reveal(), "redirect_uri", testCallback, "code_verifier", verifier, "client_id", appID)
		ts.post(pathToken, redeem, ts.proof(k2)).refused(errInvalidGrant)
		ts.post(pathToken, redeem).refused("invalid_dpop_proof") // D-10-03
		if got := ts.post(pathToken, redeem, ts.proof(k1)).ok().claims()["cnf"].(map[string]any)["jkt"]; got != jkt {
			t.Errorf("cnf.jkt is %v, want %s", got, jkt)
		}
	}
	t.Run("by dpop_jkt alone", func(t *testing.T) { bound(t, []string{"dpop_jkt", jkt}) })     // D-10.1-04
	t.Run("by a proof alone", func(t *testing.T) { bound(t, nil, ts.proof(k1)) })              // D-10.1-03 D-10.1-04
	t.Run("by both", func(t *testing.T) { bound(t, []string{"dpop_jkt", jkt}, ts.proof(k1)) }) // D-10.1-05
	t.Run("not by two that differ", func(t *testing.T) {
		q := goodRequest(appID)
		q.Set("dpop_jkt", jkt)
		ts.post(pathPAR, q, ts.proof(k2)).refused(errInvalidRequest) // D-10.1-05
	})
}

func TestProofsOfPushedRequestsAreChecked(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	key := newKey(t)
	elsewhere := func(p *holdfast.ProofClaims) { u := *p.URL; u.Path = pathToken; p.URL = &u }
	// D-10.1-02
	ts.post(pathPAR, goodRequest(appID), ts.proof(key, elsewhere)).refused("invalid_dpop_proof")
	ts.post(pathPAR, goodRequest(appID), ts.proof(key), ts.proof(key)).refused("invalid_dpop_proof")
	// D-10.1-06
	r := ts.post(pathPAR, goodRequest(appID), ts.proof(key, func(p *holdfast.ProofClaims) { p.Nonce = "" })).refused("use_dpop_nonce")
	nonce := r.header.Get("DPoP-Nonce")
	if n := ts.count(kindPushed); n != 0 {
		t.Errorf("%d refused requests were kept", n)
	}
	if r := ts.post(pathPAR, goodRequest(appID), ts.proof(key, func(p *holdfast.ProofClaims) { p.Nonce = nonce })); r.status != http.StatusCreated {
		t.Errorf("with the nonce the answer is %d %s, want 201", r.status, r.shown())
	}
}
