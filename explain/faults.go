package explain

import (
	"fmt"
	"slices"
	"strings"
)

// Faults says in words what is wrong with the form of a DPoP proof, read
// leniently: padding, the wrong base64 alphabet, duplicate members, an ASN.1
// signature, a neighbouring algorithm, a misspelled claim, milliseconds, private
// members. It is empty if nothing was recognised, which does not mean that the
// proof is sound: the check table decides that. No text in it holds a value of
// the proof other than names, alg and iat.
func Faults(proof string) []string {
	p := readLooseProof(strings.TrimSpace(proof))
	if p.hidden {
		return nil
	}
	p.examine()
	var out []string
	say := func(format string, args ...any) { out = append(out, clean(fmt.Sprintf(format, args...), maxText)) }
	if strings.Contains(proof, ",") {
		say("there is a comma: two proofs were joined into one value")
	}
	if p.strict != nil {
		say("it is not a well-formed compact JWS: %s", faultOf(p))
	}
	for _, m := range privateMembers {
		if _, ok := p.jwk[m]; ok {
			say("jwk holds the private member %s: the key is compromised", m)
		}
	}
	if jwk, ok := p.header["jwk"]; p.header != nil && !ok && p.header["kid"] != nil {
		say("there is a kid in place of jwk")
	} else if _, isText := jwk.(string); isText {
		say("jwk is a string instead of an object")
	}
	if p.der {
		say("the signature is ASN.1 DER instead of raw R||S; in that form it verifies")
	}
	if p.neighbour != "" {
		say("the signature verifies as %s, not as alg %s", p.neighbour, p.alg)
	}
	for _, name := range [...]string{"jti", "htm", "htu", "iat"} {
		if _, ok := p.claims[name]; ok || p.claims == nil {
			continue
		}
		if near := nearName(p.claims, name); near != "" {
			say("there is no claim %s, but a claim %s, which looks like a misspelling", name, near)
		}
	}
	if p.hasIat && p.iat > 1e11 {
		say("iat (%d) is in milliseconds instead of seconds", p.iat)
	}
	if strings.ContainsAny(p.htu, "?#") {
		say("htu includes the query or fragment of the URL")
	}
	return slices.Compact(out)
}
