package clientauth

import (
	"net/url"
	"testing"

	"github.com/holdfast-oauth/holdfast/internal/jose"
)

func FuzzCredentials(f *testing.F) {
	jwt := newPerson(f).assert(nil)
	f.Add(basic("app:s3cr3t"), "client_id=app")
	f.Add("", "client_id=app&client_secret=s3cr3t")
	f.Add("", url.Values{"client_assertion_type": {AssertionType}, "client_assertion": {jwt}}.Encode())
	f.Add("Bearer x", "client_id=a&client_id=b")
	f.Fuzz(func(t *testing.T, authorization, body string) {
		form, err := url.ParseQuery(body)
		if err != nil {
			return
		}
		r := request(form)
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		p, err := Credentials(r, form)
		if err != nil {
			if p.Method != "" || p.ClientID != "" {
				t.Errorf("half of %v", p)
			}
			return
		}
		if !printable(p.ClientID, MaxClientIDBytes) {
			t.Errorf("client_id %q", p.ClientID)
		}
		if form.Has("client_id") && form.Get("client_id") != "" && form.Get("client_id") != p.ClientID {
			t.Errorf("client_id is %q in the form and %q", form.Get("client_id"), p.ClientID)
		}
	})
}

func FuzzReadClaimed(f *testing.F) {
	f.Add(`{"alg":"ES256"}`, `{"iss":"app","sub":"app","aud":"https://as.example","jti":"1","exp":1700000060}`)
	f.Add(`{"alg":"ES256","typ":"dpop+jwt"}`, `{"exp":1e999}`)
	f.Fuzz(func(t *testing.T, header, payload string) {
		c, err := readClaimed(jose.EncodeSegment([]byte(header)) + "." + jose.EncodeSegment([]byte(payload)) + ".AAAA")
		if err != nil {
			return
		}
		if c.subject == "" || c.id == "" || len(c.audience) == 0 {
			t.Errorf("accepted: %+v", c)
		}
		_ = c.judge([]string{issuer}, at)
	})
}

// A name that was read equals itself and is read from the certificate's side.
func FuzzParseName(f *testing.F) {
	f.Add("CN=a,O=b")
	f.Add(`CN=a\,b+UID=\C3\84 , DC=#0C0141`)
	f.Fuzz(func(t *testing.T, text string) {
		n, err := parseName(text)
		if err != nil {
			return
		}
		again, err := parseName(text)
		if err != nil || !n.equal(again) || len(n) == 0 {
			t.Errorf("%q: %v, then %v, %v", text, n, again, err)
		}
		if longer, err := parseName(text + ",OU=x"); err == nil && n.equal(longer) {
			t.Errorf("%q equals a longer name", text)
		}
	})
}

func FuzzCertificateName(f *testing.F) {
	f.Add(newAuthority(f).cert.RawSubject)
	f.Fuzz(func(_ *testing.T, der []byte) { _, _ = certificateName(der) })
}

func FuzzReadKeys(f *testing.F) {
	f.Add(newPerson(f).jwks())
	f.Add(certified(f, selfSigned(f, 1)[0]))
	f.Fuzz(func(t *testing.T, text []byte) {
		set, faults, err := readKeys(text)
		if err == nil && len(set.keys)+len(faults) > MaxKeys {
			t.Errorf("%d keys", len(set.keys))
		}
	})
}
