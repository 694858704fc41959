package authserver

import (
	"bytes"
	"strings"
	"testing"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
	"pgregory.net/rapid"
)

func sealingKey(letter string) holdfast.Secret {
	return holdfast.NewSecret(strings.Repeat(letter, sealingKeyBytes))
}

func newTestSealer(t testing.TB, keys ...holdfast.Secret) *sealer {
	t.Helper()
	s, err := newSealer(keys)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWhatIsSealedOpensForItsPurposeOnly(t *testing.T) {
	t.Parallel()
	s := newTestSealer(t, sealingKey("a"))
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		purpose := rapid.StringMatching(`[a-z ]{1,10}`).Draw(t, "purpose")
		sealed := s.seal(purpose, plain)
		if got, ok := s.open(purpose, sealed); !ok || !bytes.Equal(got, plain) {
			t.Fatalf("opened %x, %v, want %x", got, ok, plain)
		}
		if _, ok := s.open(purpose+" x", sealed); ok {
			t.Fatal("it opens for another purpose")
		}
		raw, err := jose.DecodeSegment(sealed)
		if err != nil {
			t.Fatal(err)
		}
		bit := rapid.IntRange(0, len(raw)*8-1).Draw(t, "bit")
		raw[bit/8] ^= 1 << (bit % 8)
		if _, ok := s.open(purpose, jose.EncodeSegment(raw)); ok {
			t.Fatalf("it opens with bit %d changed", bit)
		}
	})
}

func TestASealerOpensWhatOlderKeysSealed(t *testing.T) {
	t.Parallel()
	before := newTestSealer(t, sealingKey("a"))
	after := newTestSealer(t, sealingKey("b"), sealingKey("a"))
	other := newTestSealer(t, sealingKey("c"))
	sealed := before.seal("ticket", []byte("text"))
	if got, ok := after.open("ticket", sealed); !ok || string(got) != "text" {
		t.Errorf("with a newer key before it, the key opens %q, %v", got, ok)
	}
	if _, ok := other.open("ticket", sealed); ok {
		t.Error("a key opens what another sealed")
	}
	if one, two := after.seal("ticket", []byte("text")), after.seal("ticket", []byte("text")); one == two {
		t.Error("equal texts give equal seals")
	}
	hash := before.hash("user code", "BCDFGHJK")
	if all := after.hashes("user code", "BCDFGHJK"); all[0] == hash || all[1] != hash || all[0] != after.hash("user code", "BCDFGHJK") {
		t.Error("the hashes are not those of each key, newest first")
	}
	if before.hash("known browser", "BCDFGHJK") == hash {
		t.Error("the hash is the same for another purpose")
	}
}

func TestASealerNeedsKeysOfTheRightSize(t *testing.T) {
	t.Parallel()
	_, err := newSealer([]holdfast.Secret{holdfast.NewSecret("short"), holdfast.NewSecret(strings.Repeat("x", 33))})
	if err == nil || !strings.Contains(err.Error(), "key 1 has 5 bytes") || !strings.Contains(err.Error(), "key 2 has 33 bytes") {
		t.Errorf("error is %v, want both keys named", err)
	}
	if strings.Contains(err.Error(), "short") {
		t.Error("the error holds a key")
	}
	if _, err := newSealer(nil); err == nil {
		t.Error("no key is accepted")
	}
	if _, err := newSealer(make([]holdfast.Secret, maxSealingKeys+1)); err == nil {
		t.Error("any number of keys is accepted")
	}
}

func FuzzSealerOpen(f *testing.F) {
	s := newTestSealer(f, sealingKey("a"), sealingKey("b"))
	f.Add("")
	f.Add(s.seal("other", []byte("text")))
	f.Add(strings.Repeat("A", maxSealedBytes+4))
	f.Fuzz(func(t *testing.T, sealed string) {
		if plain, ok := s.open("ticket", sealed); ok {
			t.Errorf("a text of nobody opens: %q", plain)
		}
	})
}
