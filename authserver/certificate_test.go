package authserver

import (
	"crypto/sha256"
	"net/http"
	"testing"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/holdfasttest"
)

func TestTokensAreBoundToACertificate(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	mine, theirs := holdfasttest.NewCertificate(t, "alice"), holdfasttest.NewCertificate(t, "bob")
	x5t := holdfast.Thumbprint(sha256.Sum256(mine.Leaf.Raw))
	own, other := ts.with(mine), ts.with(theirs)

	// M-3-01 M-4-01: of a public client any certificate binds, and authenticates nobody.
	r := ts.postMTLS(own, pathToken, ts.approvedCode(certID)).ok()
	cnf, _ := r.claims()["cnf"].(map[string]any)
	if r.text("token_type") != "Bearer" || cnf["x5t#S256"] != x5t.String() || cnf["jkt"] != nil {
		t.Errorf("token_type is %s and cnf %v, want Bearer and the certificate", r.text("token_type"), cnf)
	}
	if e := ts.audited(); e[len(e)-1].Holder != x5t {
		t.Errorf("the audit log names %v as holder, want the certificate", e[len(e)-1].Holder)
	}

	refresh := form("grant_type", grantRefresh, "refresh_token", r.text("refresh_token"), "client_id", certID)
	ts.postMTLS(other, pathToken, refresh).refused(errInvalidGrant).names("certificate") // M-4-02
	// M-3.4-01: none at all, with and without a proof.
	ts.post(pathToken, refresh).refused(errInvalidGrant)
	ts.post(pathToken, ts.approvedCode(certID)).refused(errInvalidRequest).names("tls_client_certificate_bound_access_tokens")
	ts.post(pathToken, ts.approvedCode(certID), ts.proof(newKey(t))).refused(errInvalidRequest)
	ts.postMTLS(ts.with(), pathToken, ts.approvedCode(certID)).refused(errInvalidRequest)
	next := ts.postMTLS(own, pathToken, refresh).ok() // M-4-02: it still works
	if next.claims()["cnf"].(map[string]any)["x5t#S256"] != x5t.String() {
		t.Error("the second token is not bound to the certificate")
	}
}

func TestAProofOverMTLSBindsToItsKey(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	key, own := newKey(t), ts.with(holdfasttest.NewCertificate(t, "alice"))
	r := ts.postMTLS(own, pathToken, ts.approvedCode(appID), ts.proof(key)).ok()
	cnf := r.claims()["cnf"].(map[string]any)
	if r.text("token_type") != "DPoP" || cnf["jkt"] != key.Thumbprint().String() || cnf["x5t#S256"] != nil {
		t.Errorf("token_type is %s and cnf %v, want the key alone", r.text("token_type"), cnf)
	}
	// A proof for the other listener is one for another address.
	aside := func(r *http.Request) {
		at := *r
		at.URL = ts.issuer.JoinPath(pathToken)
		ts.proof(key)(&at)
	}
	ts.postMTLS(own, pathToken, ts.approvedCode(appID), aside).refused("invalid_dpop_proof")
}

func TestACertificateBindsWhereUnboundTokensAreNotAllowed(t *testing.T) {
	t.Parallel()
	for _, lax := range []bool{false, true} {
		ts := newTestServer(t, func(c *Config) { c.AllowUnbound = lax })
		own := ts.with(holdfasttest.NewCertificate(t, "alice"))
		r := ts.postMTLS(own, pathToken, ts.approvedCode(appID)).ok()
		if bound := r.claims()["cnf"] != nil; bound == lax {
			t.Errorf("with AllowUnbound %v the token is bound: %v", lax, bound)
		}
	}
}

func TestWithoutMTLSACertificateCountsForNothing(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, func(c *Config) {
		c.MTLSURL = ""
		configured(t, c, certID).CertificateBoundTokens = false
	})
	own := ts.with(holdfasttest.NewCertificate(t, "alice"))
	ts.postMTLS(own, pathToken, ts.approvedCode(appID)).refused("invalid_dpop_proof")
}
