package client_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
)

// unplugged is a hardware key that is gone.
type unplugged struct {
	crypto.Signer
	err error
}

func (u unplugged) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return nil, u.err }

// What fails on our side ends the call with its cause, and no request without
// credentials takes the place of one with.
func TestWhatFailsHereIsReported(t *testing.T) {
	cause := errors.New("it is gone")
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	broken, err := holdfast.NewKey(unplugged{private, cause})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name     string
		key      *holdfast.Key
		change   func(*http.Request)
		attempts int
		want     string
	}{
		{"signing a proof", broken, func(*http.Request) {}, 0, "prove"},
		{"a method that is none", newKey(t), func(r *http.Request) { r.Method = "G T" }, 0, "method is empty or not a token"},
		{"getting the body again", newKey(t), func(r *http.Request) {
			r.GetBody = func() (io.ReadCloser, error) { return nil, cause }
		}, 1, "get the request body again: it is gone"},
		{"reading a form", newKey(t), func(r *http.Request) {
			r.GetBody, r.Body = nil, io.NopCloser(iotest.ErrReader(cause))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}, 0, "read the request body: it is gone"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			attempts := 0
			tr := &client.Transport{
				Tokens:  tokens{&client.Token{Value: holdfast.NewSecret(tokenValue), Key: tt.key}},
				Origins: []string{"https://api.example"},
				Base: roundTripper(func(r *http.Request) (*http.Response, error) {
					attempts++
					_ = r.Body.Close()
					h := http.Header{"Www-Authenticate": {`DPoP error="use_dpop_nonce"`}, "Dpop-Nonce": {"n1"}}
					return &http.Response{StatusCode: 401, Header: h, Body: http.NoBody}, nil
				}),
			}
			body := &closing{Reader: strings.NewReader("b")}
			r, _ := http.NewRequest("POST", "https://api.example/", strings.NewReader("b"))
			r.Body = body
			tt.change(r)
			_, err := tr.RoundTrip(r)
			var e *client.Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), tt.want) || attempts != tt.attempts {
				t.Fatalf("error %v after %d attempts, want %q after %d", err, attempts, tt.want, tt.attempts)
			}
			if strings.Contains(err.Error(), tokenValue) {
				t.Error("the error holds the token")
			}
			if n := body.closed.Load(); r.Body == body && n != 1 {
				t.Errorf("the body was closed %d times", n)
			}
		})
	}
}

func TestARequestWithoutAHeaderMapIsSent(t *testing.T) {
	a := newAPI(t, nil)
	r, _ := http.NewRequest("GET", a.URL, nil)
	r.Header = nil
	resp, err := a.transport().RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := read(t, resp); status != 200 || r.Header != nil {
		t.Errorf("status %d", status)
	}
}
