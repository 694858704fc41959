package e2e_test

import (
	"net/http"
	"testing"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/explain"
	"github.com/holdfast-oauth/holdfast/holdfasttest"
)

// A proxy changes the path, and the client has done everything right: its own
// evidence cannot decide, but it names what may have happened and whom to ask.
func TestProxyThatChangesThePath(t *testing.T) {
	w := newWorld(t, holdfasttest.ServerConfig{}, holdfasttest.ResourceConfig{
		Around: func(guarded http.Handler) http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				r.RequestURI = "/internal" + r.RequestURI
				guarded.ServeHTTP(rw, r)
			})
		},
	})
	c := &http.Client{Transport: w.transport(given{w.token(holdfasttest.TokenSpec{})})}
	wantStatus(t, w.get(c, "/orders"), http.StatusUnauthorized)

	d, err := explain.Explain(t.Context(), &explain.Evidence{Exchanges: w.tape.all()}, explain.Knowledge{})
	if err != nil {
		t.Fatal(err)
	}
	prefix := false
	for _, c := range d.Causes {
		prefix = prefix || c.Code == "htu-path-prefix-mismatch" && c.Rank == explain.Candidate && c.Confidence == explain.Medium
	}
	if d.Verdict != explain.Undetermined || d.Family != explain.FamilyPoP || !prefix || len(d.Missing) == 0 {
		t.Errorf("verdict %v, family %v, causes %+v", d.Verdict, d.Family, d.Causes)
	}
	if last := w.tape.all()[len(w.tape.all())-1]; last.Request.Hidden != 0 || holdfast.ParseChallenges(last.Header["Www-Authenticate"])[0].Error != "invalid_dpop_proof" {
		t.Errorf("the last answer is %v", last)
	}
}
