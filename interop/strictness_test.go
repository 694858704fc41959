package interop

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/cryptotest"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// strictness is one input on which implementations may differ. reason and code
// are what ours refuses it with: jose, and the whole verifier. A zero reason is
// accepted by jose, CodeOK by the verifier.
type strictness struct {
	name   string
	alg    string // the algorithm of the forge; ES256 if empty
	fault  func(f *forge)
	reason jose.Reason
	code   holdfast.Code

	// accepted names the libraries that accept it, as seen with the versions in
	// go.mod. It is no promise: correct it after an update, and look why. Keys
	// of golang-jwt are read by keyOfHeader, because it has no JWK.
	accepted string
}

const (
	bothGolangJWT = golangJWT + " " + golangJWTTight
	all           = goJose + " " + jwx + " " + bothGolangJWT
)

var faults = slices.Concat(encodingFaults, reencodedFaults, formFaults, jsonFaults, headerFaults, algFaults, signatureFaults, keyFaults)

// forgedKeys are made once: every row starts from one of them.
var forgedKeys = sync.OnceValue(func() map[string]crypto.Signer {
	return map[string]crypto.Signer{
		"ES256": newEC(elliptic.P256(), func(p []byte) bool { return p[1] != 0 && differs(p[1:33]) }),
		"ES384": newEC(elliptic.P384(), nil),
		"ES512": newEC(elliptic.P521(), nil),
		"EdDSA": newEd25519(),
		"RS256": must(rsa.GenerateKey(rand.Reader, 2048)),
	}
})

func forged(row strictness) string {
	alg := row.alg
	if alg == "" {
		alg = "ES256"
	}
	keys := forgedKeys()
	key := keys[alg]
	if alg == "PS256" {
		key = keys["RS256"]
	}
	f := newForge(key, alg)
	row.fault(f)
	return f.compact()
}

func TestStrictness(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1)
	parties := append(others(), party{name: golangJWTTight, verify: verifyGolangJWTTight})
	seen := map[string]bool{}
	for _, row := range faults {
		t.Run(row.name, func(t *testing.T) {
			if seen[row.name] {
				t.Error("two rows have this name")
			}
			seen[row.name] = true
			compact := forged(row)
			var reason jose.Reason
			if err := verifyOurs(compact); err != nil {
				var e *jose.Error
				if !errors.As(err, &e) {
					t.Fatalf("%v is no *jose.Error", err)
				}
				reason = e.Reason
			}
			if reason != row.reason {
				t.Errorf("jose: %v, want %v: %q", reason, row.reason, compact)
			}
			_, err := judge(newProofVerifier(t), compact)
			if got := holdfast.CodeOf(err); got != row.code {
				t.Errorf("Verify: %q, want %q: %q", got, row.code, compact)
			}
			var accepted []string
			for _, p := range parties {
				if p.verify(compact) == nil {
					accepted = append(accepted, p.name)
				}
			}
			if got := strings.Join(accepted, " "); got != row.accepted {
				t.Errorf("a library changed: accepted by %q, the table says %q: %q", got, row.accepted, compact)
			}
		})
	}
}

// The forge itself is right: without a fault everybody accepts.
func TestForgeWithoutFault(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1)
	for alg := range signers {
		compact := forged(strictness{alg: alg, fault: func(*forge) {}})
		for _, p := range everybody() {
			if err := p.verify(compact); err != nil {
				t.Errorf("%s refuses %s: %v: %s", p.name, alg, err, compact)
			}
		}
		if _, err := judge(newProofVerifier(t), compact); err != nil {
			t.Errorf("Verify refuses %s: %v: %s", alg, err, compact)
		}
	}
}
