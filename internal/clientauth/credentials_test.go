package clientauth

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/holdfast-oauth/holdfast"
)

// wantRefusal stops unless err is a refusal for the reason, fit for the peer.
func wantRefusal(t testing.TB, err error, want Reason) {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) || r.Reason != want {
		t.Fatalf("got %v, want %v", err, want)
	}
	if strings.ContainsFunc(r.Public(), func(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' }) || r.Public() == "" {
		t.Errorf("%q is not an error_description (RFC 6749 section 5.2)", r.Public())
	}
	if r.InvalidRequest() != (want == Malformed || want == Several) {
		t.Errorf("%v is the wrong OAuth error", want)
	}
}

func basic(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }

func request(form url.Values, authorization ...string) *http.Request {
	r := &http.Request{Method: http.MethodPost, Header: http.Header{}}
	for _, a := range authorization {
		r.Header.Add("Authorization", a)
	}
	return r
}

func TestCredentialsFindTheOneMethod(t *testing.T) {
	jwt := newPerson(t).assert(nil)
	assertion := func(more ...string) url.Values {
		f := url.Values{"client_assertion_type": {AssertionType}, "client_assertion": {jwt}}
		for i := 0; i < len(more); i += 2 {
			f.Add(more[i], more[i+1])
		}
		return f
	}
	for _, tt := range []struct {
		name          string
		form          url.Values
		authorization []string
		method        Method
		id            string
		reason        Reason // 0: fine
	}{
		{"a public client", url.Values{"client_id": {"app"}}, nil, None, "app", 0},
		{"basic", nil, []string{basic("app:s3cr3t")}, SecretBasic, "app", 0},
		{"basic in other letters", nil, []string{"bAsIc" + basic("app:s3cr3t")[5:]}, SecretBasic, "app", 0},
		{"basic, form-encoded", nil, []string{basic("a%3Ab+c:p%25%3A%2B+w")}, SecretBasic, "a:b c", 0},
		{"basic with the same client_id", url.Values{"client_id": {"app"}}, []string{basic("app:s3cr3t")}, SecretBasic, "app", 0},
		{"post", url.Values{"client_id": {"app"}, "client_secret": {"s3cr3t"}}, nil, SecretPost, "app", 0},
		{"an assertion", assertion(), nil, PrivateKeyJWT, "app", 0},
		{"an assertion with client_id", assertion("client_id", "app"), nil, PrivateKeyJWT, "app", 0},

		{"nothing", nil, nil, "", "", Missing},
		{"an empty client_id", url.Values{"client_id": {""}}, nil, "", "", Missing},
		{"a secret of nobody", url.Values{"client_secret": {"s3cr3t"}}, nil, "", "", Missing},
		{"another scheme", nil, []string{"Bearer s3cr3t"}, "", "", Missing},
		{"a token of a bound client", nil, []string{"DPoP s3cr3t"}, "", "", Missing},
		{"an empty field", url.Values{"client_id": {"app"}}, []string{""}, "", "", Missing},

		{"basic twice", nil, []string{basic("app:s3cr3t"), basic("app:s3cr3t")}, "", "", Several},
		{"basic of another client", url.Values{"client_id": {"other"}}, []string{basic("app:s3cr3t")}, "", "", Several},
		{"basic and post", url.Values{"client_secret": {"s3cr3t"}}, []string{basic("app:s3cr3t")}, "", "", Several},
		{"basic and an assertion", assertion(), []string{basic("app:s3cr3t")}, "", "", Several},
		{"an assertion and a secret", assertion("client_secret", "s3cr3t"), nil, "", "", Several}, // PKJ-3-04
		{"an assertion twice", assertion("client_assertion", jwt), nil, "", "", Several},          // PKJ-3-04
		{"its type twice", assertion("client_assertion_type", AssertionType), nil, "", "", Several},
		{"a secret twice", url.Values{"client_id": {"app"}, "client_secret": {"s3cr3t", "s3cr3t"}}, nil, "", "", Several},
		{"client_id twice", url.Values{"client_id": {"app", "app"}}, nil, "", "", Several},

		{"no base64", nil, []string{"Basic app:s3cr3t"}, "", "", Malformed},
		{"no colon", nil, []string{basic("app")}, "", "", Malformed},
		{"no secret", nil, []string{basic("app:")}, "", "", Malformed},
		{"no id", nil, []string{basic(":s3cr3t")}, "", "", Malformed},
		{"a broken escape", nil, []string{basic("app:%zz")}, "", "", Malformed},
		{"a control character", nil, []string{basic("app:s3%00cr3t")}, "", "", Malformed},
		{"a long secret", nil, []string{basic("app:" + strings.Repeat("x", MaxSecretBytes+1))}, "", "", Malformed},
		{"a field without end", nil, []string{"Basic " + strings.Repeat("A", 1<<20)}, "", "", Malformed},
		{"a long secret in the form", url.Values{"client_id": {"app"}, "client_secret": {strings.Repeat("x", MaxSecretBytes+1)}}, nil, "", "", Malformed},
		{"a long client_id", url.Values{"client_id": {strings.Repeat("x", MaxClientIDBytes+1)}}, nil, "", "", Malformed},
		{"a client_id with a line break", url.Values{"client_id": {"a\nb"}}, nil, "", "", Malformed},
		{"another type of assertion", url.Values{"client_assertion_type": {"saml"}, "client_assertion": {jwt}}, nil, "", "", Malformed},
		{"an assertion without type", url.Values{"client_assertion": {jwt}}, nil, "", "", Malformed},
		{"a type without assertion", url.Values{"client_assertion_type": {AssertionType}}, nil, "", "", BadAssertion},
		{"an assertion of another client", assertion("client_id", "other"), nil, "", "", BadAssertion},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Credentials(request(tt.form, tt.authorization...), tt.form)
			if tt.reason != 0 {
				wantRefusal(t, err, tt.reason)
				if strings.Contains(err.Error(), "s3cr3t") || p.Method != "" || p.ClientID != "" {
					t.Errorf("too much is said: %v %v", err, p)
				}
				return
			}
			if err != nil || p.Method != tt.method || p.ClientID != tt.id {
				t.Fatalf("got %v, %v", p, err)
			}
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
				if got := fmt.Sprintf(verb, p); got != fmt.Sprintf("%s of %q", tt.method, tt.id) {
					t.Errorf("%s prints %q", verb, got)
				}
			}
		})
	}
}

// What an Authenticator sends, Credentials read.
func TestCredentialsReadWhatApplyWrites(t *testing.T) {
	for _, c := range []Config{
		{Method: None, ClientID: "app"},
		{Method: SecretBasic, ClientID: "https://app.example/?a:b+c%", Secret: holdfast.NewSecret("s3c r3t+%:")},
		{Method: SecretPost, ClientID: "app", Secret: holdfast.NewSecret("s3c r3t+%:")},
		{Method: PrivateKeyJWT, ClientID: "app", Signer: ecKey(t), Issuer: issuer},
	} {
		a, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		r, form := request(nil), url.Values{}
		if err := a.Apply(form, r.Header, at); err != nil {
			t.Fatal(err)
		}
		p, err := Credentials(r, form)
		if err != nil || p.Method != c.Method || p.ClientID != c.ClientID || p.secret.Reveal() != c.Secret.Reveal() {
			t.Errorf("%s: got %v, %v", c.Method, p, err)
		}
	}
}

func TestACertificateComesFromTheConnection(t *testing.T) {
	leaf := &x509.Certificate{Raw: []byte{1}}
	r := request(nil)
	r.Header.Set("Client-Cert", ":AQ==:")
	p, err := Credentials(r, url.Values{"client_id": {"app"}})
	if err != nil || len(p.chain) != 0 {
		t.Errorf("a header field gives %d certificates, %v", len(p.chain), err)
	}
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}}
	p, err = Credentials(r, url.Values{"client_id": {"app"}})
	if err != nil || len(p.chain) != 1 || p.Method != None {
		t.Errorf("got %v, %v", p, err)
	}
	_, err = Credentials(r, nil) // M-2-04
	wantRefusal(t, err, Missing)
}
