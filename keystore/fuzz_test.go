package keystore

import (
	"bytes"
	"crypto/sha256"
	"testing"
)

// Whatever a file holds, reading it neither panics nor demands more of the
// machine than the bounds allow.
func FuzzSealedFile(f *testing.F) {
	k := &sealKey{cost: lightCost(), key: make([]byte, 32)}
	good, err := k.seal([]byte("{}"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		sum := sha256.Sum256(b)
		for _, file := range [][]byte{b, append(bytes.Clone(b), sum[:]...)} { // past the checksum, too
			s, err := parseSealed(file)
			if err != nil {
				continue
			}
			if s.cost.memory > maxMemory || s.cost.time > maxTime || s.cost.threads > maxThreads {
				t.Fatalf("cost %+v", s.cost)
			}
			if plain, err := s.open(k); err == nil && string(plain) != "{}" {
				t.Fatalf("forged contents %q", plain)
			}
		}
	})
}

// What is read is written the same.
func FuzzContents(f *testing.F) {
	f.Add([]byte(`{"generation":1,"keys":[],"values":{"a":"eA=="}}`))
	f.Add([]byte(`{"generation":1,"keys":[{"name":"a","thumbprint":"x","alg":"ES256","created":"2026-01-01T00:00:00Z","pkcs8":"AA=="}],"values":{}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeContents(b)
		if err != nil {
			return
		}
		first, err := c.encode(true)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decodeContents(first)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if second, err := again.encode(true); err != nil || !bytes.Equal(first, second) {
			t.Fatalf("%s became %s (%v)", first, second, err)
		}
	})
}
