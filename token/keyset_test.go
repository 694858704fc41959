package token

import (
	"fmt"
	"strings"
	"testing"
)

func TestParseJWKS(t *testing.T) {
	good := jwk(t, "es", `,"kid":"k1","use":"sig","x5c":["AAAA"]`)
	tests := []struct {
		name, text string
		keys       int
		skipped    string // part of the reason, "" if none is skipped
		err        string // part of the error, "" if none
	}{
		{"one key", `{"keys":[` + good + `]}`, 1, "", ""},
		{"members that are not known", `{"keys":[` + good + `],"other":1}`, 1, "", ""},
		{"no keys yet", `{"keys":[]}`, 0, "", ""},
		{"a type that is not known", `{"keys":[{"kty":"AKP","alg":"ML-DSA-44","pub":"AAAA"},` + good + `]}`, 1, "keys[0]", ""},
		{"a key for encryption", `{"keys":[` + jwk(t, "rs", `,"use":"enc"`) + `]}`, 0, "use is not sig", ""},
		{"key_ops without verify", `{"keys":[` + jwk(t, "rs", `,"key_ops":["encrypt"]`) + `]}`, 0, "key_ops", ""},
		{"key_ops with verify", `{"keys":[` + jwk(t, "rs", `,"key_ops":["verify"]`) + `]}`, 1, "", ""},
		{"a private key", `{"keys":[` + jwk(t, "es", `,"d":"c2VjcmV0LXNlY3JldA"`) + `]}`, 0, "private", ""},
		{"a symmetric key", `{"keys":[{"kty":"oct","k":"c2VjcmV0LXNlY3JldA"}]}`, 0, "symmetric", ""},
		{"kid of a wrong type", `{"keys":[` + jwk(t, "es", `,"kid":7`) + `]}`, 0, "kid is number", ""},
		{"not an object", `{"keys":["x"]}`, 0, "want an object", ""},
		{"keys is no array", `{"keys":{}}`, 0, "", "want an array"},
		{"a bare key", good, 0, "", "keys is missing"},
		{"not JSON", `<html>`, 0, "", "key set"},
		{"keys twice", `{"keys":[],"keys":[` + good + `]}`, 0, "", "duplicate"},
		{"too many", `{"keys":[` + strings.Repeat("1,", MaxKeys) + `1]}`, 0, "", fmt.Sprintf("at most %d", MaxKeys)},
		{"too long", `{"keys":[]}` + strings.Repeat(" ", MaxJWKSBytes), 0, "", "too"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := ParseJWKS([]byte(tt.text))
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error %v, want one with %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if s.Len() != tt.keys {
				t.Errorf("%d keys, want %d", s.Len(), tt.keys)
			}
			why := strings.Join(s.Skipped(), "\n")
			if !strings.Contains(why, tt.skipped) || tt.skipped == "" && why != "" {
				t.Errorf("skipped %q, want %q", why, tt.skipped)
			}
			if strings.Contains(why, "c2VjcmV0") {
				t.Errorf("the reason quotes a private member: %q", why)
			}
		})
	}
}
