package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
)

func TestFailureSaysWhatTheServerSaid(t *testing.T) {
	a := newAPI(t, nil)
	a.before = func(w http.ResponseWriter, r *http.Request, _ int) bool {
		// A hostile server repeats what it was sent and speaks to terminals.
		h := w.Header()
		h.Set("WWW-Authenticate", fmt.Sprintf("DPoP error=\"insufficient_scope\", scope=\"write %s\", error_description=\"%s~[31m%s\"",
			tokenValue, strings.TrimPrefix(r.Header.Get("Authorization"), "DPoP "), strings.Repeat("z", 500)))
		h.Set("Server", r.Header.Get("DPoP"))
		h.Set("Set-Cookie", "a="+tokenValue)
		w.WriteHeader(403)
		return true
	}
	tr := a.transport()
	base := tr.Base
	tr.Base = roundTripper(func(r *http.Request) (*http.Response, error) { // which may be less careful than net/http
		resp, err := base.RoundTrip(r)
		for i, v := range resp.Header["Www-Authenticate"] {
			resp.Header["Www-Authenticate"][i] = strings.ReplaceAll(v, "~[", "\x1b[")
		}
		return resp, err
	})
	resp, err := (&http.Client{Transport: tr}).Get(a.URL + "/orders?code=secret-code")
	if err != nil {
		t.Fatal(err)
	}
	read(t, resp)
	f := client.Failure(resp)
	if f.Op != "call" || f.Code != "insufficient_scope" || f.Status != 403 || f.Err != nil || !strings.Contains(f.Hint, "write") {
		t.Fatalf("failure %+v", f)
	}
	if len(f.Description) > client.MaxDescription || strings.ContainsRune(f.Description, '\x1b') || !strings.HasPrefix(f.Description, "[redacted]") {
		t.Errorf("description %q", f.Description)
	}
	x := f.Exchange
	if x.Request.Method != "GET" || x.Request.URL != a.URL+"/orders" || x.Status != 403 || !x.Sent.Equal(callTime) || x.Request.Hidden&holdfast.FactProof == 0 {
		t.Errorf("exchange %+v", x.Request)
	}
	for _, secret := range []string{tokenValue, a.sights()[0].Proofs[0], "secret-code"} {
		if text := fmt.Sprintf("%v %+v %q %v %v", f, *f, f.Hint, x.Header, x.RequestHeader); strings.Contains(text, secret) {
			t.Error("the failure holds a secret")
		}
		if text := fmt.Sprint(resp.Request.Header); strings.Contains(text, secret) {
			t.Error("the request of the answer holds a secret")
		}
	}
	f.Hint = "changed"
	if again := client.Failure(resp); again.Hint == "changed" || again.Err != nil {
		t.Error("one caller's error was changed by another")
	}
	if !errors.As(error(f), new(*client.Error)) {
		t.Error("it is no *Error")
	}
}

func TestFailureOfOtherAnswers(t *testing.T) {
	at, _ := url.Parse("https://api.example/a?code=c")
	for _, tt := range []struct {
		name string
		r    *http.Response
		want *client.Error
	}{
		{"none", nil, nil},
		{"a good one", &http.Response{StatusCode: 204}, nil},
		{"a redirect", &http.Response{StatusCode: 302}, nil},
		{"one without a request", &http.Response{StatusCode: 500}, &client.Error{Op: "call", Status: 500}},
		{
			"one that no Transport brought",
			&http.Response{
				StatusCode: 401, Request: &http.Request{Method: "PUT", URL: at},
				Header: http.Header{"Www-Authenticate": {`Bearer error="invalid_token", error_description="spent"`}},
			},
			&client.Error{Op: "call", Status: 401, Code: "invalid_token", Description: "spent"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := client.Failure(tt.r)
			if got == nil || tt.want == nil {
				if got != tt.want {
					t.Errorf("failure %v, want %v", got, tt.want)
				}
				return
			}
			if tt.r.Request != nil && (got.Exchange.Request.URL != "https://api.example/a" || got.Exchange.Request.Method != "PUT") {
				t.Errorf("exchange %v", got.Exchange.Request)
			}
			got.Exchange = nil
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// D-8-13, B-5.3-01: every attempt is there as evidence, for whoever asked for it.
func TestOnExchangeGetsEveryAttempt(t *testing.T) {
	a := newAPI(t, needNonce)
	a.problem = true
	tr := a.transport()
	tick := callTime
	tr.Now = func() time.Time { tick = tick.Add(time.Millisecond); return tick }
	var got []*holdfast.Exchange
	tr.OnExchange = func(x *holdfast.Exchange) { got = append(got, x) }
	get(t, tr, a.URL+"/a/b?x=1")
	if len(got) != 2 {
		t.Fatalf("%d exchanges", len(got))
	}
	for i, x := range got {
		s := a.sights()[i]
		if x.ID != i+1 || x.Origin != "client" || x.Request.URL != a.URL+"/a/b" || x.Request.Method != "GET" || !x.Received.After(x.Sent) {
			t.Errorf("exchange %d: %v", i, x)
		}
		if x.Request.Proofs[0].Reveal() != s.Proofs[0] || x.Request.Authorization[0].Reveal() != s.Authorization[0] || x.RequestHeader.Get("DPoP") != s.Proofs[0] {
			t.Errorf("exchange %d has other credentials than were sent", i)
		}
		if strings.Contains(fmt.Sprintf("%v %+v %#v", x, *x, x), tokenValue) {
			t.Error("it prints its token")
		}
		// The engine judges the evidence as the server did.
		p := x.Request
		p.At = a.now()
		if r := a.verifier.Explain(t.Context(), &p, holdfast.Requirement{}); i == 0 && r.Code != holdfast.CodeProofNonceRequired {
			t.Errorf("explained as %v", r.Code)
		}
	}
	if got[0].Status != 401 || !strings.Contains(string(got[0].Body), "proof.nonce.required") || got[1].Status != 200 || got[1].Body != nil {
		t.Errorf("statuses %d %d", got[0].Status, got[1].Status)
	}
}

func TestOnExchangeGetsAnAttemptWithoutAnAnswer(t *testing.T) {
	a := newAPI(t, nil)
	tr := a.transport()
	tr.Base = &http.Transport{} // does not trust the server
	var got *holdfast.Exchange
	tr.OnExchange = func(x *holdfast.Exchange) { got = x }
	r, _ := http.NewRequest("", a.URL, nil)
	r.Method = ""
	if _, err := tr.RoundTrip(r); err == nil || got == nil || got.Status != 0 || got.Err != err.Error() || got.Request.Method != "GET" {
		t.Errorf("error %v, exchange %v", err, got)
	}
}
