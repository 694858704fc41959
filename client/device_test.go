package client_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
)

// timesOf returns when the polls came, in seconds after begun.
func timesOf(s *authServer, begun time.Time) []float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []float64
	for _, at := range s.polls {
		out = append(out, at.Sub(begun).Seconds())
	}
	return out
}

func shown(client.DeviceCode) error { return nil }

// DEV-3.5-01, DEV-3.5-02
func TestPollsComeAtTheIntervalOfTheServer(t *testing.T) {
	repeat := func(n int, code string) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = code
		}
		return out
	}
	for _, row := range []struct {
		name     string
		interval any // nil: left out
		pending  []string
		want     []float64
		err      string
	}{
		{"five seconds if the server says nothing", nil, repeat(2, "authorization_pending"), []float64{5, 10, 15}, ""},
		{"the server's interval", 2, repeat(2, "authorization_pending"), []float64{2, 4, 6}, ""},
		{"five more from every slow_down on", nil, []string{"slow_down", "slow_down", "authorization_pending"}, []float64{5, 15, 30, 45}, ""},
		{"never faster than the server says, however slow that is", 600, []string{"slow_down"}, []float64{600, 1205}, ""},
		{"a refusal ends it", nil, []string{"authorization_pending", "access_denied"}, []float64{5, 10}, "access_denied"},
		{"an expired code ends it", nil, []string{"expired_token"}, []float64{5}, "expired_token"},
		{"the end of the code ends it", 600, repeat(9, "authorization_pending"), []float64{600, 1200}, "expired before the user answered"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := inMemory(t, func(s *authServer, p *holdfast.ProofPolicy) {
					withoutNonces(t, p)
					s.pending = row.pending
					s.override = deviceAnswer(map[string]any{"interval": row.interval})
				})
				begun := time.Now()
				g, err := s.client(t, nil).Device(t.Context(), shown)
				if d := cmp.Diff(row.want, timesOf(s, begun)); d != "" {
					t.Errorf("polls (-want +got):\n%s", d)
				}
				if row.err != "" {
					wantError(t, err, "device authorization", row.err)
				} else if err != nil || g.Token.Key == nil || g.Type != "urn:ietf:params:oauth:grant-type:device_code" {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

// deviceAnswer answers /device with some members changed; nil takes one out.
func deviceAnswer(change map[string]any) func(http.ResponseWriter, *http.Request, int) bool {
	return func(w http.ResponseWriter, r *http.Request, _ int) bool {
		if r.URL.Path != "/device" {
			return false
		}
		out := map[string]any{
			"device_code": "device-code-1", "user_code": "WDJB-MJHT", "verification_uri": "https://as.example/device", "expires_in": 1800,
		}
		for name, v := range change {
			out[name] = v
		}
		answer(w, http.StatusOK, out)
		return true
	}
}

// DEV-3.4-01, DEV-3.5-02: the nonce is no poll, and every poll has its own proof.
func TestEveryPollHasItsOwnProofByTheSameKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, func(s *authServer, _ *holdfast.ProofPolicy) {
			for range 9 {
				s.pending = append(s.pending, "authorization_pending")
			}
		})
		begun := time.Now()
		var code client.DeviceCode
		c := s.client(t, func(conf *client.Config) { conf.Resource = []string{"https://api.example"} })
		g, err := c.Device(t.Context(), func(d client.DeviceCode) error { code = d; return nil })
		if err != nil {
			t.Fatal(err)
		}
		got := s.requests("/token")
		if len(got) != 11 || time.Since(begun) != 50*time.Second {
			t.Errorf("%d requests in %v, want 11 in 50s: the nonce challenge is answered at once", len(got), time.Since(begun))
		}
		if !distinct(collect(got, func(r asked) string { return r.jti })) {
			t.Error("a proof was sent twice")
		}
		for _, r := range got[1:] {
			if r.jkt != g.Key.Thumbprint() || r.form.Get("device_code") != "device-code-1" || r.form.Get("resource") != "https://api.example" {
				t.Errorf("a poll by %v", r.jkt)
			}
		}
		want := client.DeviceCode{UserCode: "WDJB-MJHT", VerificationURI: "https://as.example/device", Expires: begun.Add(30 * time.Minute)}
		if d := cmp.Diff(want, code); d != "" {
			t.Errorf("shown (-want +got):\n%s", d)
		}
		if ask := s.requests("/device"); len(ask) != 1 || ask[0].form.Get("client_id") != "app" || ask[0].form.Get("scope") != "read write" {
			t.Error("the device authorization request lacks something")
		}
	})
}

// timeout is an error of the network.
type timeout struct{}

func (timeout) Error() string   { return "i/o timeout" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }

// DEV-3.5-02: RFC 8628 section 3.5 wants fewer polls after a timeout.
func TestATimeoutDoublesTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, func(_ *authServer, p *holdfast.ProofPolicy) { withoutNonces(t, p) })
		begun := time.Now()
		fails := 2
		c := s.client(t, func(conf *client.Config) {
			conf.HTTP = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				if r.URL.Path == "/token" && fails > 0 {
					fails--
					return nil, timeout{}
				}
				return s.RoundTrip(r)
			})}
		})
		if _, err := c.Device(t.Context(), shown); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]float64{5 + 10 + 20}, timesOf(s, begun)); d != "" {
			t.Errorf("polls (-want +got):\n%s", d)
		}
	})
}

func TestDeviceAnswersThatAreRefused(t *testing.T) {
	for _, row := range []struct {
		name   string
		change map[string]any
		want   []string
	}{
		{"nothing in it", map[string]any{"device_code": nil, "user_code": nil, "verification_uri": nil, "expires_in": nil}, []string{
			"device_code has 0 bytes", "user_code has 0 bytes", "verification_uri is not", "expires_in is not",
		}},
		{"a user code with terminal escapes", map[string]any{"user_code": "\x1b[2JAB"}, []string{"user_code has 6 bytes"}},
		{"a user code that fills the screen", map[string]any{"user_code": string(make([]byte, 65))}, []string{"user_code has 65 bytes"}},
		{"an address without TLS", map[string]any{"verification_uri": "http://as.example/device"}, []string{"verification_uri is not an https address"}},
		{"an address that is a script", map[string]any{"verification_uri_complete": "javascript:alert(1)"}, []string{"verification_uri_complete is not"}},
		{"an interval that is no number", map[string]any{"interval": "5"}, []string{"interval is not a positive number"}},
		{"an interval of nothing", map[string]any{"interval": 0}, []string{"interval is not a positive number"}},
		{"an interval that the code does not live for", map[string]any{"interval": 1800}, []string{"interval is 30m0s, which has to be shorter than expires_in, 30m0s"}},
		{"a code that has expired", map[string]any{"expires_in": -1}, []string{"expires_in is not a positive number"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newAuthServer(t, func(s *authServer, _ *holdfast.ProofPolicy) { s.override = deviceAnswer(row.change) })
			_, err := s.client(t, nil).Device(t.Context(), func(client.DeviceCode) error { t.Error("it was shown"); return nil })
			wantError(t, err, row.want...)
			if len(s.requests("/token")) != 0 {
				t.Error("it was polled")
			}
		})
	}
}

func TestADeviceFlowThatIsGivenUp(t *testing.T) {
	s := newAuthServer(t, nil)
	c := s.client(t, nil)
	broken := errors.New("no screen")
	if _, err := c.Device(t.Context(), func(client.DeviceCode) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := c.Device(ctx, func(client.DeviceCode) error { cancel(); return nil })
	wantError(t, err, "wait for the user")
	if !errors.Is(err, context.Canceled) || len(s.requests("/token")) != 0 {
		t.Errorf("got %v", err)
	}
}
