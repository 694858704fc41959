package holdfasttest_test

import (
	"context"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/holdfasttest"
)

// get asks a resource once, with a proof if the party has a key.
func (p *party) get(rs *holdfasttest.Resource, path string, access holdfast.Secret) answer {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, rs.URL+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	scheme := "Bearer "
	if p.key != nil {
		scheme = "DPoP "
		proof, err := p.key.Prove(holdfast.ProofClaims{Method: r.Method, URL: r.URL, Token: access, Nonce: p.nonce})
		if err != nil {
			p.t.Fatal(err)
		}
		r.Header.Set("DPoP", proof)
	}
	r.Header.Set("Authorization", scheme+access.Reveal())
	return p.do(r)
}

func (a answer) wantChallenge(t *testing.T, status int, oauthError string) {
	t.Helper()
	got := ""
	for _, c := range holdfast.ParseChallenges(a.header.Values("WWW-Authenticate")) {
		if c.Error != "" { // only that of the scheme that was used has one
			got = c.Error
		}
	}
	if a.status != status || got != oauthError {
		t.Errorf("status %d, error %q; want %d, %q", a.status, got, status, oauthError)
	}
}

func TestResourceAcceptsTokensOfItsServer(t *testing.T) {
	for _, opaque := range []bool{false, true} {
		name := map[bool]string{false: "JWT over the published key set", true: "opaque, by introspection"}[opaque]
		t.Run(name, func(t *testing.T) {
			s := holdfasttest.NewServer(t, holdfasttest.ServerConfig{Clients: clients(), Opaque: opaque})
			rs := holdfasttest.NewResource(t, holdfasttest.ResourceConfig{Server: s, Need: holdfast.Requirement{Scope: []string{"read"}}})
			p := newParty(t, s, "confidential")
			token := func(resource ...string) holdfast.Secret {
				a := p.call("/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"read"}, "resource": resource})
				a.want(t, http.StatusOK, "")
				return holdfast.NewSecret(a.text("access_token"))
			}
			for _, access := range []holdfast.Secret{token(), token(rs.URL)} {
				p.nonce = ""
				p.get(rs, "/a", access).wantChallenge(t, http.StatusUnauthorized, "use_dpop_nonce") // D-9-01
				a := p.get(rs, "/a", access)
				if a.status != http.StatusOK || a.text("subject") != "confidential" || a.text("path") != "/a" {
					t.Errorf("status %d, %v", a.status, a.body)
				}
			}
			if arrived, accepted := rs.Requests(); arrived != 4 || accepted != 2 {
				t.Errorf("%d requests, %d accepted", arrived, accepted)
			}
			p.get(rs, "/", s.Issue(holdfasttest.TokenSpec{Key: p.key})).wantChallenge(t, http.StatusForbidden, "insufficient_scope")
			p.get(rs, "/", s.Issue(holdfasttest.TokenSpec{Key: p.key, Scope: "read", Audience: []string{"https://elsewhere.example"}})).
				wantChallenge(t, http.StatusUnauthorized, "invalid_token")
		})
	}
}

func TestRevocationIsSeenByIntrospection(t *testing.T) {
	s := holdfasttest.NewServer(t, holdfasttest.ServerConfig{Opaque: true})
	rs := holdfasttest.NewResource(t, holdfasttest.ResourceConfig{Server: s, Nonce: holdfast.NonceOptional})
	p := newParty(t, s, "anybody")
	access := s.Issue(holdfasttest.TokenSpec{Key: p.key})
	if a := p.get(rs, "/", access); a.status != http.StatusOK {
		t.Fatalf("status %d", a.status)
	}
	s.RevokeAll()
	p.get(rs, "/", access).wantChallenge(t, http.StatusUnauthorized, "invalid_token")
}

func TestResourceFaults(t *testing.T) {
	clock := holdfasttest.NewClock(time.Now())
	s := holdfasttest.NewServer(t, holdfasttest.ServerConfig{Now: clock.Now})
	var denied []holdfast.Code
	rs := holdfasttest.NewResource(t, holdfasttest.ResourceConfig{
		Server: s, OnDeny: func(_ context.Context, r *holdfast.Report) { denied = append(denied, r.Code) },
	})
	p := newParty(t, s, "anybody")
	access := s.Issue(holdfasttest.TokenSpec{Key: p.key, Lifetime: time.Hour})
	p.get(rs, "/", access)
	if a := p.get(rs, "/", access); a.status != http.StatusOK {
		t.Fatalf("status %d", a.status)
	}
	rs.ExpireNonces()
	p.get(rs, "/", access).wantChallenge(t, http.StatusUnauthorized, "use_dpop_nonce")
	rs.Inject(holdfasttest.Faults{NonceNeverChanges: true})
	p.get(rs, "/", access).wantChallenge(t, http.StatusUnauthorized, "use_dpop_nonce")
	rs.Inject(holdfasttest.Faults{ClockOffset: 2 * time.Hour}) // no nonce is that old
	p.get(rs, "/", access).wantChallenge(t, http.StatusUnauthorized, "use_dpop_nonce")
	p.get(rs, "/", access).wantChallenge(t, http.StatusUnauthorized, "invalid_token") // expired there
	if len(denied) != 5 || denied[4] != holdfast.CodeTokenTimeExpired {
		t.Errorf("denied: %v", denied)
	}
}

func TestResourceTakesTheCertificateFromTLS(t *testing.T) {
	certificate, other := holdfasttest.NewCertificate(t, "client"), holdfasttest.NewCertificate(t, "client")
	s := holdfasttest.NewServer(t, holdfasttest.ServerConfig{})
	rs := holdfasttest.NewResource(t, holdfasttest.ResourceConfig{Server: s})
	p := newParty(t, s, "anybody")
	p.key = nil
	access := s.Issue(holdfasttest.TokenSpec{Certificate: certificate.Leaf})
	p.get(rs, "/", access).wantChallenge(t, http.StatusUnauthorized, "invalid_token")
	p.http = rs.Client(other)
	p.get(rs, "/", access).wantChallenge(t, http.StatusUnauthorized, "invalid_token") // M-3-04
	p.http = rs.Client(certificate)
	if a := p.get(rs, "/", access); a.status != http.StatusOK { // M-3-06
		t.Errorf("status %d", a.status)
	}
}
