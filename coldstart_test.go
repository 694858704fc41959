package holdfast

import (
	"context"
	"testing"
	"time"
)

// forgetfulReplays loses its memory between the question since when it
// remembers and the use.
type forgetfulReplays struct {
	stubReplays
	asked int
}

func (f *forgetfulReplays) Since(context.Context) (time.Time, error) {
	f.asked++
	return testTime.Add(-time.Hour + time.Duration(f.asked)*time.Second), nil
}

func TestALossDuringARequestIsAFaultOfTheServer(t *testing.T) { // D-7.1-04
	f := newFixture(t, func(c *Config) { c.Proof.Replays = &forgetfulReplays{} })
	p := f.present(t, f.claims())
	if _, err := f.v.Verify(t.Context(), p, Requirement{}); CodeOf(err) != CodeServerReplay {
		t.Errorf("Verify: %v, want server.replay", err)
	}
	if r := f.v.Explain(t.Context(), p, Requirement{}); r.Code != CodeServerReplay {
		t.Errorf("Explain: %v, want server.replay", r.Code)
	}
}

// A proof that could have been accepted before the cache began to remember is
// challenged, whatever its iat says.
func TestColdStartSeesProofsOfClocksThatAreAhead(t *testing.T) { // D-11.1-03
	since := testTime.Add(-20 * time.Second)
	for _, tt := range []struct {
		name   string
		mode   NonceMode
		iat    time.Time
		issued time.Time // of the nonce; zero: no nonce
		want   Code
	}{
		{"made before", NonceOptional, since.Add(-time.Second), time.Time{}, CodeProofNonceRequired},
		{"made by a clock that was as far ahead as is accepted", NonceOptional, since.Add(DefaultSkew), time.Time{}, CodeProofNonceRequired},
		{"made after anything that could be accepted then", NonceOptional, since.Add(DefaultSkew + time.Second), time.Time{}, CodeOK},
		{"a nonce of before does not help", NonceOptional, since, since.Add(-time.Second), CodeProofNonceRequired},
		{"a nonce of after shows that it is new", NonceOptional, since, since.Add(time.Second), CodeOK},
		{"where the nonce tells the time, an iat of tomorrow says nothing", NonceRequired, testTime.Add(24 * time.Hour), since.Add(-time.Second), CodeProofNonceRequired},
		{"nor does it where stale proofs need a nonce", NonceForStale, testTime.Add(24 * time.Hour), since.Add(-time.Second), CodeProofNonceRequired},
		{"an iat of tomorrow with a nonce of after", NonceRequired, testTime.Add(24 * time.Hour), since.Add(time.Second), CodeOK},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, func(c *Config) {
				c.Proof.Replays = stubReplays{since: since}
				c.Proof.Nonce = tt.mode
				n := Nonce{State: NonceForeign}
				if !tt.issued.IsZero() {
					n = Nonce{State: NonceCurrent, Issued: tt.issued, Expires: testTime.Add(time.Minute)}
				}
				c.Proof.Nonces = stubNonces{nonce: n}
			})
			c := f.claims()
			c.Time = tt.iat
			if !tt.issued.IsZero() {
				c.Nonce = "issued"
			}
			if _, err := f.v.Verify(t.Context(), f.present(t, c), Requirement{}); CodeOf(err) != tt.want {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}
