package cli

import (
	"fmt"
	"slices"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// privateMembers are those of RFC 7518 section 6 that are secret: named, never
// shown.
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"}

// decodeJWK shows a key or a set of keys.
func decodeJWK(text string) (*decoded, error) {
	o, err := strictjson.Parse(text, maxDecode)
	if err != nil {
		return nil, advise(fmt.Errorf("not a strict JSON object: %w", err), "decode reads one JWK or one JWK set")
	}
	d := &decoded{Kind: "jwk"}
	list := []strictjson.Object{o}
	if keys, ok := o.Get("keys"); ok {
		d.Kind, list = "jwk-set", nil
		values, _ := keys.Array()
		for _, v := range values {
			key, _ := v.Object() // anything else shows as a key without kty
			list = append(list, key)
		}
	}
	for _, key := range list {
		k := describeKey(key)
		d.wrong = d.wrong || k.Problem != ""
		d.Keys = append(d.Keys, k)
	}
	if d.Kind == "jwk" && len(d.Keys[0].Members) == 0 {
		return nil, advise(fmt.Errorf("a JSON object that is no JWK"), "a JWK has the member kty; holdfast explain reads whole captures")
	}
	return d, nil
}

func describeKey(o strictjson.Object) decodedKey {
	k := decodedKey{Members: keyMembers(o), Thumbprint: thumbprintText(o)}
	if _, err := jose.ParseKey(o); err != nil {
		k.Problem = limited(err.Error())
	}
	return k
}

// keyMembers shows what identifies a key; of private members the name only.
func keyMembers(o strictjson.Object) []member {
	var out []member
	for name, v := range o.All() {
		switch {
		case slices.Contains(privateMembers, name):
			out = append(out, member{name, "[redacted] PRIVATE: whoever has seen this can use the key"})
		case slices.Contains([]string{"kty", "crv", "kid", "use", "alg", "key_ops"}, name):
			out = append(out, member{name, shown(v)})
		}
	}
	return out
}

// thumbprintText is the RFC 7638 thumbprint, "" if there is none. A symmetric
// key has none here: its hash might leak it (RFC 7638 section 7).
func thumbprintText(o strictjson.Object) string {
	t, err := jose.Thumbprint(o)
	if err != nil {
		return ""
	}
	return holdfast.Thumbprint(t).String()
}
