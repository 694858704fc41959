package client

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/strictjson"
	"github.com/holdfast-oauth/holdfast/metadata"
)

// What a server answers ends in a usable grant or in an error, whose text is
// short, printable and without the token.
func FuzzTokenResponse(f *testing.F) {
	for _, s := range []string{
		`{"access_token":"tok-secret-123","token_type":"DPoP","expires_in":300,"refresh_token":"r","scope":"a b"}`,
		`{"access_token":"tok-secret-123","token_type":"Bearer"}`,
		`{"access_token":"tok-secret-123","token_type":"tok-secret-123","expires_in":"5"}`,
		`{"error":"invalid_grant","error_description":"\u001b[31m"}`, `{"access_token":null,"token_type":1}`,
	} {
		f.Add(s, true)
	}
	key, err := holdfast.GenerateKey()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string, bearer bool) {
		o, err := strictjson.Parse(body, 1<<20)
		if err != nil {
			return
		}
		c := &Client{meta: metadata.Server{}, bearer: bearer}
		g := &Grant{Key: key, Obtained: time.Unix(1_700_000_000, 0)}
		hint, err := c.read(o, g, tokenCall{key: key})
		if err != nil {
			text := err.Error() + hint
			if token := said(o, "access_token"); len(token) > 8 && strings.Contains(text, token) && said(o, "token_type") != token && said(o, "issued_token_type") != token {
				t.Fatalf("the error shows the token: %q", text)
			}
			if !printable(text) || len(text) > 2000 {
				t.Fatalf("error %q", text)
			}
			return
		}
		bound := g.Token.Key == key
		if g.Token.Value.IsZero() || bound != strings.EqualFold(g.Token.Type, "DPoP") || !bound && !bearer {
			t.Fatalf("grant %+v of %q", g, body)
		}
		for _, w := range g.Warnings {
			if !printable(w) {
				t.Fatalf("warning %q", w)
			}
		}
	})
}

// A stored grant that can be read is stored as the same again.
func FuzzParseGrant(f *testing.F) {
	f.Add(`{"format":"holdfast.grant/1","issuer":"https://as.example","client_id":"a","grant_type":"x","access_token":"t","token_type":"Bearer","token_bound":false}`)
	f.Fuzz(func(t *testing.T, text string) {
		g, err := ParseGrant(holdfast.NewSecret(text), nil)
		if err != nil {
			return
		}
		first, err := g.Seal()
		if err != nil {
			return
		}
		again, err := ParseGrant(first, nil)
		if err != nil {
			t.Fatalf("what was stored cannot be read: %v", err)
		}
		if second, err := again.Seal(); err != nil || second != first {
			t.Fatalf("%q became %q (%v)", first.Reveal(), second.Reveal(), err)
		}
	})
}

func FuzzDeviceCode(f *testing.F) {
	f.Add(`{"device_code":"d","user_code":"AB-CD","verification_uri":"https://as.example/device","expires_in":600,"interval":5}`)
	f.Fuzz(func(t *testing.T, body string) {
		o, err := strictjson.Parse(body, 1<<20)
		if err != nil {
			return
		}
		d, interval, err := readDeviceCode(o, time.Unix(1_700_000_000, 0))
		if err == nil && (!printable(d.UserCode+d.VerificationURI+d.VerificationURIComplete) || interval <= 0 || !strings.HasPrefix(strings.ToLower(d.VerificationURI), "http")) {
			t.Fatalf("%+v every %v", d, interval)
		}
		if err != nil && !printable(strings.ReplaceAll(err.Error(), "\n", " ")) {
			t.Fatalf("error %q", err)
		}
	})
}
