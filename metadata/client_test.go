package metadata

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// everyMember is client metadata with every member that is known.
const everyMember = `{
	"client_id": "app", "redirect_uris": ["https://app.example/cb"],
	"token_endpoint_auth_method": "tls_client_auth", "token_endpoint_auth_signing_alg": "ES256",
	"grant_types": ["authorization_code"], "response_types": ["code"],
	"client_name": "App", "client_uri": "https://app.example", "logo_uri": "https://app.example/logo",
	"scope": "read write", "contacts": ["alice@app.example"],
	"tos_uri": "https://app.example/tos", "policy_uri": "https://app.example/policy",
	"jwks_uri": "https://app.example/jwks", "jwks": {"keys": []},
	"software_id": "s", "software_version": "1",
	"tls_client_certificate_bound_access_tokens": true,
	"tls_client_auth_subject_dn": "CN=a", "tls_client_auth_san_dns": "a.example",
	"tls_client_auth_san_uri": "https://a.example", "tls_client_auth_san_ip": "192.0.2.1",
	"tls_client_auth_san_email": "a@a.example",
	"dpop_bound_access_tokens": true, "require_pushed_authorization_requests": true
}`

func TestParseClientReadsEveryMember(t *testing.T) {
	c, err := ParseClient([]byte(everyMember))
	if err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var got, want map[string]any
	if err := errors.Join(json.Unmarshal(again, &got), json.Unmarshal([]byte(everyMember), &want)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("written again (-want +got):\n%s", d)
	}
}

func TestParseClientNamesEveryMemberOfAWrongType(t *testing.T) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(everyMember), &members); err != nil {
		t.Fatal(err)
	}
	for name, right := range members {
		for _, wrong := range []string{`"yes"`, `true`, `["a"]`, `[1]`, `{}`, `5`} {
			if (wrong[0] == right[0] || wrong == "true" && right[0] == 't') && wrong != `[1]` {
				continue
			}
			_, err := ParseClient([]byte(`{"` + name + `": ` + wrong + `}`))
			if err == nil || !strings.HasPrefix(err.Error(), name+" is ") { // DCR-3.2.2-01: also dpop_bound_access_tokens "yes"
				t.Errorf("%s: %s gives %v", name, wrong, err)
			}
			if errors.Is(err, ErrRedirectURI) != (name == "redirect_uris") {
				t.Errorf("%s: %s counts as the wrong error: %v", name, wrong, err)
			}
		}
	}
}

func TestParseClientForm(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"an empty object", `{}`, ""},
		{"unknown members are ignored", `{"client_name#de": "App", "software_statement": 5}`, ""},
		{"null counts as absent", `{"redirect_uris": null, "jwks": null, "dpop_bound_access_tokens": null}`, ""},
		{"two wrong members", `{"scope": 1, "contacts": "a"}`, "scope is number, which it must not be\ncontacts is string"},
		{"no JSON", `redirect_uris=x`, "client metadata"},
		{"a list", `[]`, "not an object"},
		{"a member twice", `{"scope": "a", "scope": "b"}`, "duplicate member"},
		{"too much", `{"a": "` + strings.Repeat("x", MaxClientBytes) + `"}`, "too large"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := ParseClient([]byte(tt.text))
			if (tt.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.want) || (err != nil) == (c != nil) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// valid is a client that Check accepts.
func valid() Client {
	return Client{RedirectURIs: []string{"https://app.example/cb"}, AuthMethod: "none"}
}

func TestCheckClient(t *testing.T) {
	long := strings.Repeat("x", MaxClientTextBytes+1)
	many := strings.Split(strings.Repeat("x ", MaxClientItems), " ")
	for _, tt := range []struct {
		name string
		edit func(*Client)
		want string // part of the error, "" if it is fine
	}{
		{"a public client", func(*Client) {}, ""},
		{"a client without people", func(c *Client) {
			c.RedirectURIs, c.GrantTypes = nil, []string{"client_credentials"}
		}, ""},
		{"response types without their grant", func(c *Client) {
			c.GrantTypes, c.ResponseTypes = []string{"client_credentials"}, []string{"code"}
		}, "contradict"},
		{"the grant without its response type", func(c *Client) {
			c.GrantTypes, c.ResponseTypes = []string{"authorization_code"}, []string{"token"}
		}, "contradict"},
		{"a code without an address to send it to", func(c *Client) { c.RedirectURIs = nil }, "redirect_uris is needed"},
		{"keys at both places", func(c *Client) { // DCR-5-01
			c.JWKS, c.JWKSURI = json.RawMessage(`{"keys":[]}`), "https://app.example/jwks"
		}, "jwks and jwks_uri"},
		{"assertions without keys", func(c *Client) { c.AuthMethod = "private_key_jwt" }, "jwks or jwks_uri is needed"},
		{"assertions with keys elsewhere", func(c *Client) {
			c.AuthMethod, c.JWKSURI, c.AuthAlg = "private_key_jwt", "https://app.example/jwks", "ES256"
		}, ""},
		{"a self-signed certificate without keys", func(c *Client) { c.AuthMethod = "self_signed_tls_client_auth" }, "jwks or jwks_uri is needed"},
		{"an algorithm that nothing uses", func(c *Client) { c.AuthAlg = "ES256" }, "token_endpoint_auth_signing_alg"},
		{"a certificate without a subject", func(c *Client) { c.AuthMethod = "tls_client_auth" }, "0 of the members"}, // M-2.1.2-01
		{"a certificate with one subject", func(c *Client) {
			c.AuthMethod, c.SubjectIP = "tls_client_auth", "192.0.2.1"
		}, ""},
		{"a certificate with two subjects", func(c *Client) { // M-2.1.2-01
			c.AuthMethod, c.SubjectDN, c.SubjectDNS = "tls_client_auth", "CN=a", "a.example"
		}, "2 of the members"},
		{"a subject that nothing uses", func(c *Client) { c.SubjectEmail = "a@a.example" }, "only tls_client_auth uses"},
		{"a page that is a script", func(c *Client) { c.URI = "javascript:alert(1)" }, "client_uri"},
		{"a logo over http", func(c *Client) { c.LogoURI = "http://app.example/logo" }, "logo_uri"},
		{"terms that are no URL", func(c *Client) { c.TermsURI = "x" }, "tos_uri"},
		{"a policy with user information", func(c *Client) { c.PolicyURI = "https://u:p@app.example/" }, "policy_uri"},
		{"keys over http", func(c *Client) { c.JWKSURI = "http://app.example/jwks" }, "jwks_uri"},
		{"a long name", func(c *Client) { c.Name = long }, "client_name has 2049 bytes"},
		{"a name with a control character", func(c *Client) { c.Name = "App\x1b[31m" }, "client_name"},
		{"a name that turns the writing round", func(c *Client) { c.Name = "App\u202e" }, "client_name"},
		{"a name in any script", func(c *Client) { c.Name = "Übung 試験" }, ""},
		{"many contacts", func(c *Client) { c.Contacts = many }, "contacts has 33 items"},
		{"many redirect URIs", func(c *Client) { c.RedirectURIs = many }, "redirect_uris has 33 items"},
		{"scopes", func(c *Client) { c.Scope = "read write:all" }, ""},
		{"scopes with two spaces", func(c *Client) { c.Scope = "read  write" }, "scope"},
		{"a scope with a quote", func(c *Client) { c.Scope = `re"ad` }, "scope"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := valid()
			tt.edit(&c)
			err := c.Check()
			if (tt.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestCheckClientReportsEverything(t *testing.T) {
	c := Client{RedirectURIs: []string{"http://app.example/cb"}, LogoURI: "x", Scope: "\x00", SubjectDN: "CN=a"}
	err := c.Check()
	if err == nil || !errors.Is(err, ErrRedirectURI) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"redirect_uris[0]", "logo_uri", "scope", "tls_client_auth"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %q", want, err)
		}
	}
}
