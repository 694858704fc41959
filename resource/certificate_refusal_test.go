package resource

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-oauth/holdfast"
)

// M-3-04, M-3-06: the refusal of a token that is bound to a certificate is that
// of RFC 8705 section 3, under the scheme that such tokens are sent with.
func TestCertificateMismatchIsABearerChallenge(t *testing.T) {
	own, other := selfSigned(t), selfSigned(t)
	for _, tt := range []struct {
		name   string
		client func(*world) *http.Client
		want   holdfast.Code
	}{
		{"another certificate", func(w *world) *http.Client { return w.clientWith(other) }, holdfast.CodeBindingX5TMismatch},
		{"no certificate", func(*world) *http.Client { return nil }, holdfast.CodeBindingX5TMissing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			c := w.good()
			c.scheme, c.bare, c.client = "Bearer", true, tt.client(w)
			c.token = w.token(with("cnf", map[string]any{"x5t#S256": x5t(own)}))
			a := w.do(c)
			w.refused(a, tt.want)
			if diff := cmp.Diff(map[string]string{"DPoP": "-", "Bearer": "invalid_token"}, errorsOf(t, a)); diff != "" || a.StatusCode != http.StatusUnauthorized {
				t.Errorf("status %d, challenges (-want +got):\n%s", a.StatusCode, diff)
			}
		})
	}
}
