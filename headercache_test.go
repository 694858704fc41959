package holdfast

import (
	"strings"
	"testing"

	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// warm remembers the header of a proof as if a request with it had been
// accepted, wherever a key can be read from it, and reports whether it could.
func warm(v *engine, proof string) bool {
	segment, _, _ := strings.Cut(proof, ".")
	header, err := jose.ParseProtected(segment)
	if err != nil {
		return false
	}
	jwk, _ := header.Header.Get("jwk")
	o, ok := jwk.Object()
	if !ok {
		return false
	}
	key, err := jose.ParseKey(o)
	if err != nil {
		return false
	}
	v.headers.remember(segment, key)
	return v.headers.known(proof) != nil
}

func TestAKnownHeaderChangesNoVerdict(t *testing.T) {
	warmed := 0
	for _, v := range readVectors(t) {
		s := v.build(t, nil)
		if len(s.p.Proofs) != 1 || !warm(s.engine(), s.p.Proofs[0].Reveal()) {
			continue
		}
		warmed++
		want, _ := ParseCode(v.get("expect"))
		if got := CodeOf(s.verify(t.Context())); got != want {
			t.Errorf("%s: with a known header %v, want %v", v.name, got, want)
		}
	}
	if warmed < 40 {
		t.Errorf("only %d vectors have a header to remember", warmed)
	}
}

func TestHeadersOfAcceptedProofsOnlyAreRemembered(t *testing.T) {
	f := newFixture(t, nil)
	good := f.present(t, f.claims())
	f.tokens.token.State = TokenBadSignature
	if _, err := f.v.Verify(t.Context(), good, Requirement{}); err == nil {
		t.Fatal("a forged token is accepted")
	}
	f.v.Explain(t.Context(), good, Requirement{})
	if n := len(f.v.headers.headers); n != 0 {
		t.Fatalf("%d headers of refused requests are remembered", n)
	}
	f.tokens.token.State = TokenAuthentic
	for want := range 2 {
		if n := len(f.v.headers.headers); n != 0 {
			t.Fatalf("%d headers are remembered after %d accepted requests, want none", n, want)
		}
		if _, err := f.v.Verify(t.Context(), f.present(t, f.claims()), Requirement{}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(f.v.headers.headers); n != 1 {
		t.Fatalf("%d headers are remembered, want 1", n)
	}
	known := f.v.headers.known(good.Proofs[0].Reveal())
	if known == nil || known.key.Thumbprint() != f.key.Thumbprint() {
		t.Fatalf("the header of the key is not known: %v", known)
	}
	// A known header vouches for nobody: the signature is verified as ever.
	proof := f.present(t, f.claims()).Proofs[0].Reveal()
	cut := strings.LastIndexByte(proof, '.')
	bad := f.present(t, f.claims())
	bad.Proofs = []Secret{NewSecret(proof[:cut] + bad.Proofs[0].Reveal()[strings.LastIndexByte(bad.Proofs[0].Reveal(), '.'):])}
	if _, err := f.v.Verify(t.Context(), bad, Requirement{}); CodeOf(err) != CodeProofSignatureInvalid {
		t.Errorf("another proof's signature under a known header: %v", err)
	}
}

func TestTheMemoryForHeadersIsBounded(t *testing.T) {
	c := newHeaderCache()
	key, err := jose.NewPublicKey(readTestSigner(t, "k1").Public())
	if err != nil {
		t.Fatal(err)
	}
	segment := func(kid string) string {
		return jose.EncodeSegment([]byte(`{"kid":"` + kid + `"}`))
	}
	for i := range maxKnownHeaders + 100 {
		c.remember(segment(strings.Repeat("x", i%500)+string(rune('a'+i/500))), key)
	}
	if n := len(c.headers); n != maxKnownHeaders {
		t.Errorf("%d headers are remembered, want %d", n, maxKnownHeaders)
	}
	long := segment(strings.Repeat("x", maxKnownHeaderBytes))
	c.remember(long, key)
	if c.known(long) != nil {
		t.Error("a header beyond the limit is remembered")
	}
	if c.known("never seen") != nil {
		t.Error("a header that was never remembered is known")
	}
}
