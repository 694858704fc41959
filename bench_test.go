package holdfast

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// The figures that matter are ratios to a bare ecdsa.VerifyASN1 of the standard
// library, measured in the same run and in turns, so that a change of the
// processor's clock meets both:
//
//	go test -run xxx -bench Verify .
//
// A proof with a key never seen is to cost at most 1.10 of it and 30
// allocations; a refusal for shape, typ or alg under 0.03, one for htm, htu,
// nonce or iat under 0.06.

// bareVerify returns one verification of the standard library.
func bareVerify(b *testing.B) func() {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	h := sha256.Sum256([]byte("x"))
	sig, err := ecdsa.SignASN1(rand.Reader, k, h[:])
	if err != nil {
		b.Fatal(err)
	}
	return func() {
		if !ecdsa.VerifyASN1(&k.PublicKey, h[:], sig) {
			b.Fatal("a good signature is refused")
		}
	}
}

// against runs op, times repetitions in a row, in turns with the bare
// verification, and reports the ratio of their median times: a mean would count
// what else the machine does.
func against(b *testing.B, times int, op func()) {
	b.Helper()
	bare := bareVerify(b)
	allocs := testing.AllocsPerRun(100, op)
	ours, theirs := make([]time.Duration, b.N), make([]time.Duration, b.N)
	b.ResetTimer()
	for i := range b.N {
		t0 := time.Now()
		for range times {
			op()
		}
		t1 := time.Now()
		bare()
		ours[i], theirs[i] = t1.Sub(t0)/time.Duration(times), time.Since(t1)
	}
	b.StopTimer()
	slices.Sort(ours)
	slices.Sort(theirs)
	mine, bareTime := ours[b.N/2], theirs[b.N/2]
	b.ReportMetric(float64(mine)/float64(bareTime), "x-verify")
	b.ReportMetric(float64(mine.Nanoseconds()), "ns/op")
	b.ReportMetric(allocs, "allocs")
}

// benchVerifier judges at testTime, was started an hour earlier and asks for no
// nonce, unless the policy says something else.
func benchVerifier(b *testing.B, p ProofPolicy) *ProofVerifier {
	b.Helper()
	clock := testTime.Add(-time.Hour)
	p.Now = func() time.Time { return clock }
	if p.Nonces == nil {
		p.Nonce = NonceOptional
	}
	v, err := NewProofVerifier(p)
	if err != nil {
		b.Fatal(err)
	}
	clock = testTime
	return v
}

// BenchmarkVerifyNeverSeenKey is the whole path of a proof whose key the
// verifier has never seen, each used once.
func BenchmarkVerifyNeverSeenKey(b *testing.B) {
	const n = 2048
	f := newFixture(b, nil)
	ps := make([]*Presentation, n)
	for i := range ps {
		f.key, _ = GenerateKey()
		ps[i] = f.present(b, f.claims())
	}
	var v *ProofVerifier
	i := 0
	against(b, 1, func() {
		if i%n == 0 { // replays are refused: begin with an empty cache
			v = benchVerifier(b, ProofPolicy{})
		}
		if _, err := v.Verify(b.Context(), ps[i%n], ProofNeed{Required: true}); err != nil {
			b.Fatal(err)
		}
		i++
	})
}

// BenchmarkVerifyResource is the same at a resource, token checks included; the
// reader of the token costs nothing.
func BenchmarkVerifyResource(b *testing.B) {
	f := newFixture(b, func(c *Config) { c.Proof.Replays = stubReplays{} })
	p := f.present(b, f.claims())
	need := Requirement{Scope: []string{"read"}}
	against(b, 1, func() {
		if _, err := f.v.Verify(b.Context(), p, need); err != nil {
			b.Fatal(err)
		}
	})
}

// BenchmarkVerifyRefuses is what a stranger's rubbish costs.
func BenchmarkVerifyRefuses(b *testing.B) {
	g := &generator{t: b, now: testTime}
	nonces, err := NewNonces(NonceConfig{Now: func() time.Time { return testTime }})
	if err != nil {
		b.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		want   Code
		nonces bool
		change func(*draft)
	}{
		{"shape", CodeProofJWTMalformed, false, func(d *draft) { d.payload = "[]" }},
		{"shape-duplicate", CodeProofJWTMalformed, false, func(d *draft) { d.claims.add("htu", `"x"`) }},
		{"typ", CodeProofTypWrong, false, header("typ", `"JWT"`)},
		{"alg", CodeProofAlgSymmetric, false, header("alg", `"HS256"`)},
		{"htm", CodeProofHTMMismatch, false, claim("htm", `"PUT"`)},
		{"htu", CodeProofHTUMismatch, false, claim("htu", `"https://as.example/other"`)},
		{"nonce", CodeProofNonceForeign, true, claim("nonce", quote(strings.Repeat("A", 48)))},
		{"iat", CodeProofIatOld, false, claim("iat", "1")},
	} {
		b.Run(tt.name, func(b *testing.B) {
			pol := ProofPolicy{}
			if tt.nonces {
				pol.Nonces, pol.Nonce = nonces, NonceRequired
			}
			v := benchVerifier(b, pol)
			p := &Presentation{Method: "POST", URL: "https://as.example/token", Proofs: []Secret{NewSecret(g.proof(toServer, tt.change))}}
			against(b, 20, func() {
				if _, err := v.Verify(b.Context(), p, ProofNeed{}); err != tt.want {
					b.Fatalf("got %v, want %v", err, tt.want)
				}
			})
		})
	}
}

// BenchmarkVerifyHostile is refused input of unusual size.
func BenchmarkVerifyHostile(b *testing.B) {
	g := &generator{t: b, now: testTime}
	v := benchVerifier(b, ProofPolicy{})
	many := g.proof(toServer, func(d *draft) {
		for i := range 300 {
			d.claims.add(string(rune('A'+i%26))+string(rune('a'+i/26)), "1")
		}
	})
	for name, value := range map[string]string{
		"64KiB": strings.Repeat("a", 64<<10), "dots": strings.Repeat(".", 4<<10), "commas": strings.Repeat(",", 64<<10), "many-claims": many,
	} {
		b.Run(name, func(b *testing.B) {
			p := &Presentation{Method: "GET", URL: "https://as.example/token", Proofs: []Secret{NewSecret(value)}}
			against(b, 20, func() {
				if _, err := v.Verify(b.Context(), p, ProofNeed{}); err == nil {
					b.Fatal("accepted")
				}
			})
		})
	}
}

// BenchmarkVerifyReplayInsert is one insertion of a new id, as a share of a
// verification.
func BenchmarkVerifyReplayInsert(b *testing.B) {
	now := testTime
	r, err := NewReplays(ReplayConfig{Max: 1 << 24, Window: time.Minute, Now: func() time.Time { return now }})
	if err != nil {
		b.Fatal(err)
	}
	n := uint64(0)
	against(b, 100, func() {
		if n++; n%1000 == 0 {
			now = now.Add(10 * time.Millisecond)
		}
		if first, err := r.Use(b.Context(), replayIDOf(n), now.Add(50*time.Second)); !first || err != nil {
			b.Fatalf("%v, %v", first, err)
		}
	})
}

// BenchmarkReplayMemory10M fills the cache with ten million live ids while as
// many expire, and reports the heap per live id and the replays that it missed
// among a million. Takes some seconds; run it with -benchtime 1x.
func BenchmarkReplayMemory10M(b *testing.B) {
	const (
		live     = 10_000_000
		lifetime = 61 * time.Second // the default policy: 60 s of age, and one
		probes   = 1_000_000
	)
	for range b.N {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		now := testTime
		r, err := NewReplays(ReplayConfig{Max: 14_000_000, Window: 72 * time.Second, Now: func() time.Time { return now }})
		if err != nil {
			b.Fatal(err)
		}
		const total = 2 * live // every stretch of time comes round once
		for n := range uint64(total) {
			now = testTime.Add(time.Duration(float64(lifetime) * float64(n) / live))
			if first, err := r.Use(b.Context(), replayIDOf(n), now.Add(lifetime)); !first || err != nil {
				b.Fatalf("id %d: %v, %v", n, first, err)
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		missed := 0
		for n := range uint64(probes) {
			id := total - 1 - n*(live/probes)
			until := testTime.Add(time.Duration(float64(lifetime) * float64(id) / live)).Add(lifetime)
			first, err := r.Use(b.Context(), replayIDOf(id), until)
			if err != nil && !errors.Is(err, CodeServerReplayFull) {
				b.Fatal(err)
			}
			if first {
				missed++
			}
		}
		if missed != 0 {
			b.Errorf("%d replays were missed", missed)
		}
		b.ReportMetric(float64(after.HeapInuse-before.HeapInuse)/live, "B/live-id")
		b.ReportMetric(float64(missed), "missed")
		runtime.KeepAlive(r)
	}
}
