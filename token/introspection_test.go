package token

import (
	"strings"
	"testing"

	"github.com/holdfast-oauth/holdfast"
)

func TestIntrospected(t *testing.T) {
	const jkt = `{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}`
	tests := []struct {
		name, response string
		check          func(*holdfast.Token) bool // nil: an error is wanted
	}{
		{"INT-2.2-01: inactive", `{"active":false}`, func(t *holdfast.Token) bool { return t.State == holdfast.TokenInactive }},
		{"INT-2.2-01: of an inactive token nothing is believed", `{"active":false,"sub":"u1","cnf":` + jkt + `}`, func(t *holdfast.Token) bool {
			return t.State == holdfast.TokenInactive && t.Subject == "" && !t.Confirmation.Bound() && t.Claims == nil
		}},
		{"INT-2.2-02: active, and typ is not judged", `{"active":true,"iss":"a","aud":"b","scope":"x y","client_id":"c","exp":1700000000}`, func(t *holdfast.Token) bool {
			return t.State == holdfast.TokenAuthentic && !t.Typed && t.Issuer == "a" && len(t.Scope) == 2 && t.Expires.Unix() == 1700000000
		}},
		{"no exp", `{"active":true}`, func(t *holdfast.Token) bool { return t.Expires.IsZero() }},
		{"a bound token", `{"active":true,"token_type":"DPoP","cnf":` + jkt + `}`, func(t *holdfast.Token) bool {
			return !t.Confirmation.JKT.IsZero() && !t.Confirmation.Unsupported
		}},
		{"a bound token that is called Bearer is bound", `{"active":true,"token_type":"Bearer","cnf":` + jkt + `}`, func(t *holdfast.Token) bool {
			return !t.Confirmation.JKT.IsZero() && !t.Confirmation.Unsupported
		}},
		{"token_type DPoP without cnf is not unbound", `{"active":true,"token_type":"dpop"}`, func(t *holdfast.Token) bool { return t.Confirmation.Unsupported }},
		{"token_type DPoP with a certificate only", `{"active":true,"token_type":"DPoP","cnf":{"x5t#S256":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}`, func(t *holdfast.Token) bool {
			return t.Confirmation.Unsupported
		}},
		{"a bearer token", `{"active":true,"token_type":"Bearer"}`, func(t *holdfast.Token) bool { return !t.Confirmation.Bound() }},
		{"C-3.1-02: cnf null", `{"active":true,"cnf":null}`, func(t *holdfast.Token) bool { return t.Confirmation.Unsupported }},
		{"active as text", `{"active":"true"}`, nil},
		{"active absent", `{"sub":"u1"}`, nil},
		{"active twice", `{"active":false,"active":true}`, nil},
		{"a claim of a wrong type", `{"active":true,"exp":"soon"}`, nil},
		{"token_type of a wrong type", `{"active":true,"token_type":1}`, nil},
		{"not JSON", `eyJhbGciOiJSUzI1NiJ9.e30.c2ln`, nil},
		{"too long", `{"active":true}` + strings.Repeat(" ", MaxIntrospectionBytes), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Introspected([]byte(tt.response))
			switch {
			case tt.check == nil && err == nil:
				t.Errorf("no error, got %+v", got)
			case tt.check != nil && err != nil:
				t.Error(err)
			case tt.check != nil && !tt.check(got):
				t.Errorf("facts are wrong: %+v", got)
			}
		})
	}
}
