package metadata

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const serverText = `{
  "issuer": "https://as.example.com",
  "authorization_endpoint": "https://as.example.com/authorize",
  "token_endpoint": "https://as.example.com/token",
  "jwks_uri": "https://as.example.com/jwks",
  "response_types_supported": ["code"],
  "dpop_signing_alg_values_supported": ["ES256", "EdDSA"],
  "pushed_authorization_request_endpoint": "https://as.example.com/par",
  "require_pushed_authorization_requests": true,
  "tls_client_certificate_bound_access_tokens": true,
  "mtls_endpoint_aliases": {"token_endpoint": "https://mtls.as.example.com/token"},
  "x_new": {}
}`

const resourceText = `{
  "resource": "https://api.example.com",
  "authorization_servers": ["https://as.example.com"],
  "bearer_methods_supported": ["header"],
  "dpop_signing_alg_values_supported": ["ES256"],
  "dpop_bound_access_tokens_required": true,
  "x_new": {}
}`

func TestParseServer(t *testing.T) {
	got, err := ParseServer([]byte(serverText))
	if err != nil {
		t.Fatal(err)
	}
	want := &Server{
		Issuer: "https://as.example.com", AuthorizationEndpoint: "https://as.example.com/authorize",
		TokenEndpoint: "https://as.example.com/token", JWKSURI: "https://as.example.com/jwks",
		ResponseTypesSupported: []string{"code"}, DPoPSigningAlgs: []string{"ES256", "EdDSA"},
		PAREndpoint: "https://as.example.com/par", RequirePAR: true, CertificateBoundTokens: true,
		MTLSEndpointAliases: map[string]string{"token_endpoint": "https://mtls.as.example.com/token"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ASM-2-01 (-want +got):\n%s", diff)
	}
}

func TestParseResource(t *testing.T) {
	got, err := ParseResource([]byte(resourceText))
	if err != nil {
		t.Fatal(err) // PRM-3.2-02: what is not understood is ignored
	}
	want := &Resource{
		Resource: "https://api.example.com", AuthorizationServers: []string{"https://as.example.com"},
		BearerMethodsSupported: []string{"header"}, DPoPSigningAlgs: []string{"ES256"}, DPoPBoundRequired: true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("PRM-2-02 (-want +got):\n%s", diff)
	}
}

func TestParseRefuses(t *testing.T) {
	server := func(b []byte) error { _, err := ParseServer(b); return err }
	resource := func(b []byte) error { _, err := ParseResource(b); return err }
	for _, tt := range []struct {
		name  string
		parse func([]byte) error
		text  string
		want  []string // parts of the error
	}{
		{"no issuer", server, `{"token_endpoint":"x"}`, []string{"issuer is required"}},
		{"an empty issuer", server, `{"issuer":""}`, []string{"issuer is required"}},
		{"ASM-4-01: a name in other letters is another name", server, `{"Issuer":"x"}`, []string{"issuer is required"}},
		{"issuer twice", server, `{"issuer":"a","issuer":"b"}`, []string{"duplicate"}},
		{"every wrong type at once", server, `{"issuer":"a","token_endpoint":1,"scopes_supported":"x"}`, []string{"token_endpoint is number", "scopes_supported is string"}},
		{"no resource", resource, `{"authorization_servers":[]}`, []string{"resource is required"}},
		{"a flag as text", resource, `{"resource":"x","dpop_bound_access_tokens_required":"true"}`, []string{"dpop_bound_access_tokens_required is string"}},
		{"a page", resource, `<html>`, []string{"protected resource metadata"}},
		{"too long", server, `{"issuer":"a"}` + strings.Repeat(" ", MaxBytes), []string{"too"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.parse([]byte(tt.text))
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q lacks %q", err, part)
				}
			}
		})
	}
}

func TestClassify(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       Kind
	}{
		{"authorization server", serverText, KindServer},
		{"protected resource", resourceText, KindResource},
		{"OpenID Connect discovery", `{"issuer":"a","jwks_uri":"b","userinfo_endpoint":"c"}`, KindServer},
		{"a resource that names its keys", `{"resource":"a","jwks_uri":"b"}`, KindResource},
		{"a key set", `{"keys":[]}`, Unknown},
		{"claims of a token", `{"iss":"a","aud":"b"}`, Unknown},
		{"a token response", `{"access_token":"a","token_type":"DPoP"}`, Unknown},
		{"a page", `<html>`, Unknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Classify([]byte(tt.text)); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// Every field is read from the member that its JSON tag names.
func TestEveryFieldIsRead(t *testing.T) {
	full := func(typ reflect.Type) []byte {
		m := map[string]any{}
		for i := range typ.NumField() {
			name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			switch typ.Field(i).Type.Kind() {
			case reflect.String:
				m[name] = "v"
			case reflect.Bool:
				m[name] = true
			case reflect.Slice:
				m[name] = []string{"v"}
			default:
				m[name] = map[string]string{"k": "v"}
			}
		}
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	s, err := ParseServer(full(reflect.TypeFor[Server]()))
	if err != nil {
		t.Fatal(err)
	}
	r, err := ParseResource(full(reflect.TypeFor[Resource]()))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []reflect.Value{reflect.ValueOf(*s), reflect.ValueOf(*r)} {
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("%s.%s is not read", v.Type().Name(), v.Type().Field(i).Name)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(serverText))
	f.Add([]byte(resourceText))
	f.Fuzz(func(t *testing.T, text []byte) {
		if s, err := ParseServer(text); err == nil && s.Issuer == "" {
			t.Fatal("a server without issuer")
		}
		if r, err := ParseResource(text); err == nil && r.Resource == "" {
			t.Fatal("a resource without name")
		}
		Classify(text)
	})
}
