package jose

import "crypto"

// Alg is a signature algorithm that this package verifies. The zero value, AlgUnknown, verifies nothing.
type Alg uint8

// The algorithms of RFC 7518 3.1, RFC 8037 3.1 and RFC 9864. EdDSA and Ed25519 are two names for one algorithm here,
// because no other Edwards curve is supported.
const (
	AlgUnknown Alg = iota
	ES256
	ES384
	ES512
	PS256
	PS384
	PS512
	RS256
	RS384
	RS512
	EdDSA
	Ed25519
)

type family uint8

const (
	familyECDSA family = iota + 1
	familyPSS
	familyPKCS1
	familyEd25519
)

// algs has one row per Alg. It is never written to.
var algs = [...]struct {
	name   string
	family family
	hash   crypto.Hash
	crv    string // the curve that fits; empty for RSA
}{
	AlgUnknown: {name: "unknown"},
	ES256:      {"ES256", familyECDSA, crypto.SHA256, "P-256"},
	ES384:      {"ES384", familyECDSA, crypto.SHA384, "P-384"},
	ES512:      {"ES512", familyECDSA, crypto.SHA512, "P-521"},
	PS256:      {"PS256", familyPSS, crypto.SHA256, ""},
	PS384:      {"PS384", familyPSS, crypto.SHA384, ""},
	PS512:      {"PS512", familyPSS, crypto.SHA512, ""},
	RS256:      {"RS256", familyPKCS1, crypto.SHA256, ""},
	RS384:      {"RS384", familyPKCS1, crypto.SHA384, ""},
	RS512:      {"RS512", familyPKCS1, crypto.SHA512, ""},
	EdDSA:      {"EdDSA", familyEd25519, 0, "Ed25519"},
	Ed25519:    {"Ed25519", familyEd25519, 0, "Ed25519"},
}

// String returns the registered name.
func (a Alg) String() string {
	if int(a) < len(algs) {
		return algs[a].name
	}
	return algs[AlgUnknown].name
}

// family is 0 for an Alg that does not exist.
func (a Alg) family() family {
	if int(a) < len(algs) {
		return algs[a].family
	}
	return 0
}

// AlgClass says what kind of algorithm a name stands for, so that a refusal can be precise.
type AlgClass uint8

// The classes. ClassAsymmetric with AlgUnknown is a registered signature algorithm that is not implemented.
const (
	ClassUnknown     AlgClass = iota // not a registered name, which includes a registered one in other letter case
	ClassAsymmetric                  // signatures
	ClassSymmetric                   // HMAC, and key management with a shared key
	ClassNone                        // "none", exactly
	ClassEncryption                  // key management with a public key
	ClassPostQuantum                 // ML-DSA (RFC 9964): known, not implemented
)

// ParseAlg looks up an alg name of the JOSE registry. Names are case-sensitive (RFC 7515 4.1.1).
func ParseAlg(name string) (Alg, AlgClass) {
	for a := ES256; int(a) < len(algs); a++ {
		if algs[a].name == name {
			return a, ClassAsymmetric
		}
	}
	switch name {
	case "ES256K", "Ed448":
		return AlgUnknown, ClassAsymmetric
	case "none":
		return AlgUnknown, ClassNone
	case "HS256", "HS384", "HS512", "A128KW", "A192KW", "A256KW", "dir", "A128GCMKW", "A192GCMKW", "A256GCMKW",
		"PBES2-HS256+A128KW", "PBES2-HS384+A192KW", "PBES2-HS512+A256KW":
		return AlgUnknown, ClassSymmetric
	case "RSA1_5", "RSA-OAEP", "RSA-OAEP-256", "RSA-OAEP-384", "RSA-OAEP-512", "ECDH-ES", "ECDH-ES+A128KW",
		"ECDH-ES+A192KW", "ECDH-ES+A256KW":
		return AlgUnknown, ClassEncryption
	case "ML-DSA-44", "ML-DSA-65", "ML-DSA-87":
		return AlgUnknown, ClassPostQuantum
	}
	return AlgUnknown, ClassUnknown
}
