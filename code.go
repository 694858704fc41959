package holdfast

import "fmt"

// Code is the stable identifier of one reason for a refusal, such as
// proof.htu.mismatch: the id of the check (check.go) and a suffix. A Code is an
// error that is returned without allocation, so errors.Is(err,
// CodeProofHTUMismatch) works through wrapping. The text of a code never
// changes; its number may.
//
// The zero value is CodeOK, which is not an error. Codes are safe for
// concurrent use.
type Code uint8

// The codes, in the order of the check table. server.* codes say that a check
// could not be made, which is never the fault of the peer.
const (
	CodeOK                               Code = iota
	CodeRequestAuthMissing                    // request.auth.missing
	CodeRequestAuthMalformed                  // request.auth.malformed
	CodeRequestAuthSeveral                    // request.auth.several
	CodeRequestSchemeUnsupported              // request.scheme.unsupported
	CodeProofSingleMissing                    // proof.single.missing
	CodeProofSingleSeveral                    // proof.single.several
	CodeProofJWTMalformed                     // proof.jwt.malformed
	CodeProofJWTCrit                          // proof.jwt.crit
	CodeProofJWTTooLarge                      // proof.jwt.too_large
	CodeProofClaimsMissing                    // proof.claims.missing_claim
	CodeProofClaimsBad                        // proof.claims.bad_claim
	CodeProofTypWrong                         // proof.typ.wrong
	CodeProofAlgUnknown                       // proof.alg.unknown
	CodeProofAlgSymmetric                     // proof.alg.symmetric
	CodeProofAlgRefused                       // proof.alg.refused
	CodeProofAlgKeyMismatch                   // proof.alg.key_mismatch
	CodeProofJWKMissing                       // proof.jwk.missing
	CodeProofJWKInvalid                       // proof.jwk.invalid
	CodeProofJWKPrivate                       // proof.jwk.private
	CodeProofJWKSymmetric                     // proof.jwk.symmetric
	CodeProofJWKWeak                          // proof.jwk.weak
	CodeProofHTMMismatch                      // proof.htm.mismatch
	CodeProofHTUMismatch                      // proof.htu.mismatch
	CodeProofNonceRequired                    // proof.nonce.required
	CodeProofNonceExpired                     // proof.nonce.expired
	CodeProofNonceForeign                     // proof.nonce.foreign
	CodeProofIatOld                           // proof.iat.old
	CodeProofIatFuture                        // proof.iat.future
	CodeProofAthMissing                       // proof.ath.missing
	CodeProofAthMismatch                      // proof.ath.mismatch
	CodeProofSignatureInvalid                 // proof.signature.invalid
	CodeProofBoundKeyCode                     // proof.bound_key.code
	CodeProofBoundKeyRefresh                  // proof.bound_key.refresh
	CodeProofBoundKeyPushed                   // proof.bound_key.pushed
	CodeTokenFormMalformed                    // token.form.malformed
	CodeTokenTypWrong                         // token.typ.wrong
	CodeTokenSignatureUnknownKey              // token.signature.unknown_key
	CodeTokenSignatureInvalid                 // token.signature.invalid
	CodeTokenActiveInactive                   // token.active.inactive
	CodeTokenIssuerMismatch                   // token.issuer.mismatch
	CodeTokenAudienceMismatch                 // token.audience.mismatch
	CodeTokenTimeExpired                      // token.time.expired
	CodeTokenTimeEarly                        // token.time.early
	CodeBindingSchemeDowngrade                // binding.scheme.downgrade
	CodeBindingSchemeNotBound                 // binding.scheme.not_bound_to_key
	CodeBindingPresentUnbound                 // binding.present.unbound
	CodeBindingPresentUnsupported             // binding.present.unsupported
	CodeBindingJKTMismatch                    // binding.jkt.mismatch
	CodeBindingX5TMissing                     // binding.x5t.missing
	CodeBindingX5TMismatch                    // binding.x5t.mismatch
	CodeAccessBlockedBlocked                  // access.blocked.blocked
	CodeAccessScopeInsufficient               // access.scope.insufficient
	CodeAccessAuthenticationInsufficient      // access.authentication.insufficient
	CodeReplayJTIReplayed                     // replay.jti.replayed
	CodeServerToken                           // server.token
	CodeServerNonce                           // server.nonce
	CodeServerReplay                          // server.replay
	CodeServerReplayFull                      // server.replay_full
	CodeServerBlocks                          // server.blocks
	CodeServerEvidence                        // server.evidence

	codeCount // not a code: how many there are
)

// Area is what a code is about.
type Area string

// The areas.
const (
	AreaRequest Area = "request"
	AreaProof   Area = "proof"
	AreaTarget  Area = "target"
	AreaKey     Area = "key"
	AreaClock   Area = "clock"
	AreaNonce   Area = "nonce"
	AreaReplay  Area = "replay"
	AreaBinding Area = "binding"
	AreaToken   Area = "token"
	AreaAccess  Area = "access"
	AreaServer  Area = "server"
)

// Family answers the first question of a diagnosis: would the call have failed
// with any token of this kind (bearer), did the proof of possession fail (pop),
// or could the server not decide (server)?
type Family string

// The families.
const (
	FamilyBearer Family = "bearer"
	FamilyPoP    Family = "pop"
	FamilyServer Family = "server"
)

// codeInfo is one row of the code table.
type codeInfo struct {
	text   string
	area   Area
	oauth  string // error code on the wire (RFC 6750 3.1, RFC 9449 12.2, RFC 6749 5.2, RFC 9470 3); empty: none is given
	status int    // HTTP status at a resource; at an authorization server a client's fault is 400
	public string // what the peer may read: a constant, printable, without quotes
	remedy string // what an operator or developer can do
}

// codes maps each Code to its meaning. It is the only place where a code
// becomes a status, an OAuth error or a text.
var codes = [codeCount]codeInfo{
	CodeOK: {"ok", "", "", 200, "accepted", ""},
	CodeRequestAuthMissing: {
		"request.auth.missing", AreaRequest, "", 401,
		"no access token was presented",
		"send Authorization: DPoP with the token and a DPoP header with a proof",
	},
	CodeRequestAuthMalformed: {
		"request.auth.malformed", AreaRequest, "invalid_request", 400,
		"the Authorization field is malformed",
		"send the scheme, one space and the bare token, without quotes or blanks in it",
	},
	CodeRequestAuthSeveral: {
		"request.auth.several", AreaRequest, "invalid_request", 400,
		"the access token was presented more than once",
		"send the token once, in the Authorization field only",
	},
	CodeRequestSchemeUnsupported: {
		"request.scheme.unsupported", AreaRequest, "", 401,
		"the authentication scheme is not supported here",
		"use the scheme DPoP, or Bearer where it is offered",
	},
	CodeProofSingleMissing: {
		"proof.single.missing", AreaProof, "invalid_dpop_proof", 401,
		"the DPoP header is missing",
		"attach a fresh proof to every request; if the client did, find the proxy that drops the DPoP header",
	},
	CodeProofSingleSeveral: {
		"proof.single.several", AreaProof, "invalid_dpop_proof", 401,
		"more than one DPoP proof was sent",
		"let one component of the client sign; send one DPoP header with one proof",
	},
	CodeProofJWTMalformed: {
		"proof.jwt.malformed", AreaProof, "invalid_dpop_proof", 401,
		"the DPoP header is not a well-formed compact JWS",
		"build the proof with a JOSE library: three unpadded base64url parts, JSON objects without duplicate members",
	},
	CodeProofJWTCrit: {
		"proof.jwt.crit", AreaProof, "invalid_dpop_proof", 401,
		"the proof has a critical header parameter that is not understood",
		"remove crit from the JOSE header",
	},
	CodeProofJWTTooLarge: {
		"proof.jwt.too_large", AreaProof, "invalid_dpop_proof", 401,
		"the proof is too large",
		"use an EC or Ed25519 key and short claims",
	},
	CodeProofClaimsMissing: {
		"proof.claims.missing_claim", AreaProof, "invalid_dpop_proof", 401,
		"the proof lacks one of the claims jti, htm, htu, iat",
		"put jti, htm, htu and iat into every proof, with exactly these names",
	},
	CodeProofClaimsBad: {
		"proof.claims.bad_claim", AreaProof, "invalid_dpop_proof", 401,
		"a claim of the proof has the wrong type or form",
		"jti, htm and htu are non-empty strings, iat is a number of seconds, ath and nonce are strings",
	},
	CodeProofTypWrong: {
		"proof.typ.wrong", AreaProof, "invalid_dpop_proof", 401,
		"typ of the proof is not dpop+jwt",
		"set typ to dpop+jwt explicitly",
	},
	CodeProofAlgUnknown: {
		"proof.alg.unknown", AreaProof, "invalid_dpop_proof", 401,
		"alg of the proof is not a known signature algorithm",
		"use an algorithm that the server lists, spelled as registered, such as ES256",
	},
	CodeProofAlgSymmetric: {
		"proof.alg.symmetric", AreaProof, "invalid_dpop_proof", 401,
		"alg of the proof is none or symmetric",
		"sign with an asymmetric key; none and HMAC are never accepted",
	},
	CodeProofAlgRefused: {
		"proof.alg.refused", AreaProof, "invalid_dpop_proof", 401,
		"alg of the proof is not accepted here",
		"choose from the algs of the challenge or of the metadata",
	},
	CodeProofAlgKeyMismatch: {
		"proof.alg.key_mismatch", AreaProof, "invalid_dpop_proof", 401,
		"alg of the proof does not fit the key in jwk",
		"derive alg from the key: P-256 with ES256, Ed25519 with EdDSA, RSA with PS256 or RS256",
	},
	CodeProofJWKMissing: {
		"proof.jwk.missing", AreaKey, "invalid_dpop_proof", 401,
		"the proof has no jwk",
		"embed the public key as a JSON object in the header member jwk; kid does not replace it",
	},
	CodeProofJWKInvalid: {
		"proof.jwk.invalid", AreaKey, "invalid_dpop_proof", 401,
		"jwk of the proof is not a valid public key",
		"export the public key as a JWK object with its required members in their canonical encoding",
	},
	CodeProofJWKPrivate: {
		"proof.jwk.private", AreaKey, "invalid_dpop_proof", 401,
		"jwk of the proof contains a private key",
		"treat the key as compromised: make a new one, revoke its tokens, and export the public part only",
	},
	CodeProofJWKSymmetric: {
		"proof.jwk.symmetric", AreaKey, "invalid_dpop_proof", 401,
		"jwk of the proof is a symmetric key",
		"use an asymmetric key and embed its public part",
	},
	CodeProofJWKWeak: {
		"proof.jwk.weak", AreaKey, "invalid_dpop_proof", 401,
		"the key of the proof is too weak or too large",
		"use P-256, Ed25519 or RSA of 2048 to 4096 bits",
	},
	CodeProofHTMMismatch: {
		"proof.htm.mismatch", AreaTarget, "invalid_dpop_proof", 401,
		"htm of the proof is not the request method",
		"sign after the method is known; methods are case-sensitive",
	},
	CodeProofHTUMismatch: {
		"proof.htu.mismatch", AreaTarget, "invalid_dpop_proof", 401,
		"htu of the proof is not the URL of this request",
		"client: sign the URL that is sent; server: configure the public URL that clients use",
	},
	CodeProofNonceRequired: {
		"proof.nonce.required", AreaNonce, "use_dpop_nonce", 401,
		"a nonce is required in the proof",
		"repeat the request with a new proof that carries the DPoP-Nonce of this answer",
	},
	CodeProofNonceExpired: {
		"proof.nonce.expired", AreaNonce, "use_dpop_nonce", 401,
		"the nonce of the proof has expired",
		"repeat the request with a new proof that carries the DPoP-Nonce of this answer",
	},
	CodeProofNonceForeign: {
		"proof.nonce.foreign", AreaNonce, "use_dpop_nonce", 401,
		"the nonce of the proof was not issued by this server",
		"keep nonces per origin; on servers with replicas share the nonce key",
	},
	CodeProofIatOld: {
		"proof.iat.old", AreaClock, "invalid_dpop_proof", 401,
		"the proof was made too long ago",
		"sign at send time and check the clock of the client; Date of this answer tells the time of the server",
	},
	CodeProofIatFuture: {
		"proof.iat.future", AreaClock, "invalid_dpop_proof", 401,
		"the proof was made in the future",
		"check the clock of the client, and that iat is in seconds; Date of this answer tells the time of the server",
	},
	CodeProofAthMissing: {
		"proof.ath.missing", AreaProof, "invalid_dpop_proof", 401,
		"the proof has no ath",
		"add ath, the base64url SHA-256 of the access token, whenever a token is sent",
	},
	CodeProofAthMismatch: {
		"proof.ath.mismatch", AreaProof, "invalid_dpop_proof", 401,
		"ath of the proof is not the hash of the presented token",
		"compute ath from the token that is being sent: base64url of SHA-256, no padding",
	},
	CodeProofSignatureInvalid: {
		"proof.signature.invalid", AreaProof, "invalid_dpop_proof", 401,
		"the signature of the proof does not verify with its jwk",
		"sign with the key that is in jwk; ECDSA signatures are R and S of fixed length, not DER",
	},
	CodeProofBoundKeyCode: {
		"proof.bound_key.code", AreaBinding, "invalid_grant", 400,
		"the authorization code is bound to another key",
		"use one key per login, from dpop_jkt or the pushed request to the token request",
	},
	CodeProofBoundKeyRefresh: {
		"proof.bound_key.refresh", AreaBinding, "invalid_grant", 400,
		"the refresh token is bound to another key",
		"keep the key together with the refresh token, or log in again",
	},
	CodeProofBoundKeyPushed: {
		"proof.bound_key.pushed", AreaBinding, "invalid_request", 400,
		"dpop_jkt and the proof name different keys",
		"send dpop_jkt of the key that signs the proof",
	},
	CodeTokenFormMalformed: {
		"token.form.malformed", AreaToken, "invalid_token", 401,
		"the access token is malformed",
		"send the token exactly as it was issued",
	},
	CodeTokenTypWrong: {
		"token.typ.wrong", AreaToken, "invalid_token", 401,
		"the token is not an access token",
		"send the access token, not an ID token or refresh token; an issuer that writes another typ has to be named in the configuration",
	},
	CodeTokenSignatureUnknownKey: {
		"token.signature.unknown_key", AreaToken, "invalid_token", 401,
		"the key that signed the token is not known",
		"fetch the key set of the issuer again; the issuer has to publish new keys before it uses them",
	},
	CodeTokenSignatureInvalid: {
		"token.signature.invalid", AreaToken, "invalid_token", 401,
		"the signature of the token does not verify",
		"find out who altered the token, or whether two issuers use one key id",
	},
	CodeTokenActiveInactive: {
		"token.active.inactive", AreaToken, "invalid_token", 401,
		"the token is not active",
		"get a new token: this one was revoked, has expired or is unknown to its issuer",
	},
	CodeTokenIssuerMismatch: {
		"token.issuer.mismatch", AreaToken, "invalid_token", 401,
		"the issuer of the token is not accepted here",
		"expect the public name of the issuer, the same as in its metadata",
	},
	CodeTokenAudienceMismatch: {
		"token.audience.mismatch", AreaToken, "invalid_token", 401,
		"the token is for another resource",
		"ask for the token with resource (RFC 8707) naming this API",
	},
	CodeTokenTimeExpired: {
		"token.time.expired", AreaToken, "invalid_token", 401,
		"the token has expired",
		"refresh the token",
	},
	CodeTokenTimeEarly: {
		"token.time.early", AreaToken, "invalid_token", 401,
		"the token is not valid yet",
		"compare the clocks of issuer and resource server",
	},
	CodeBindingSchemeDowngrade: {
		"binding.scheme.downgrade", AreaBinding, "invalid_token", 401,
		"a token bound to a proof key was presented as Bearer",
		"send the token under the scheme DPoP, with a proof",
	},
	CodeBindingSchemeNotBound: {
		"binding.scheme.not_bound_to_key", AreaBinding, "invalid_token", 401,
		"the token is not bound to a proof key",
		"ask for a bound token: send a proof with the token request and check token_type",
	},
	CodeBindingPresentUnbound: {
		"binding.present.unbound", AreaBinding, "invalid_token", 401,
		"the token is not sender-constrained",
		"ask for a bound token: send a proof, or a client certificate, with the token request",
	},
	CodeBindingPresentUnsupported: {
		"binding.present.unsupported", AreaBinding, "invalid_token", 401,
		"the confirmation of the token is not supported",
		"the issuer has to write cnf as an object with jkt or x5t#S256",
	},
	CodeBindingJKTMismatch: {
		"binding.jkt.mismatch", AreaBinding, "invalid_token", 401,
		"the token is bound to another key",
		"use the key the token was issued for, or get a new token with the present key",
	},
	CodeBindingX5TMissing: {
		"binding.x5t.missing", AreaBinding, "invalid_token", 401,
		"the token is bound to a client certificate and none was presented",
		"call the mTLS endpoint with the certificate; behind a proxy take it from the trusted edge",
	},
	CodeBindingX5TMismatch: {
		"binding.x5t.mismatch", AreaBinding, "invalid_token", 401,
		"the token is bound to another client certificate",
		"get a new token after a certificate was renewed",
	},
	CodeAccessBlockedBlocked: {
		"access.blocked.blocked", AreaAccess, "invalid_token", 401,
		"the holder of this token is blocked",
		"ask the operator; the key or the client is on the block list",
	},
	CodeAccessScopeInsufficient: {
		"access.scope.insufficient", AreaAccess, "insufficient_scope", 403,
		"the token lacks a required scope",
		"ask for the scope that the challenge names",
	},
	CodeAccessAuthenticationInsufficient: {
		"access.authentication.insufficient", AreaAccess, "insufficient_user_authentication", 401,
		"the user authentication is not sufficient",
		"authorize again with the acr_values or max_age of the challenge",
	},
	CodeReplayJTIReplayed: {
		"replay.jti.replayed", AreaReplay, "invalid_dpop_proof", 401,
		"the proof was used before",
		"sign a new proof for every attempt, inside the retry loop",
	},
	CodeServerToken: {
		"server.token", AreaServer, "", 503,
		"the token could not be checked",
		"look at the key set or introspection endpoint of the issuer",
	},
	CodeServerNonce: {
		"server.nonce", AreaServer, "", 503,
		"the nonce could not be checked",
		"look at the nonce source",
	},
	CodeServerReplay: {
		"server.replay", AreaServer, "", 503,
		"the proof could not be checked for replay",
		"look at the replay store",
	},
	CodeServerReplayFull: {
		"server.replay_full", AreaServer, "", 503,
		"the proof could not be checked for replay",
		"the replay store is full: raise its limit or shorten the proof window",
	},
	CodeServerBlocks: {
		"server.blocks", AreaServer, "", 503,
		"the block list could not be read",
		"look at the block list",
	},
	CodeServerEvidence: {
		"server.evidence", AreaServer, "", 503,
		"a fact that the check needs is not known",
		"only a diagnosis sees this: it names the evidence that is missing",
	},
}

// Codes returns every code except CodeOK, in table order.
func Codes() []Code {
	out := make([]Code, 0, codeCount-1)
	for c := CodeOK + 1; c < codeCount; c++ {
		out = append(out, c)
	}
	return out
}

// ParseCode returns the code with the given text.
func ParseCode(text string) (Code, bool) {
	for c := range codes {
		if codes[c].text == text {
			return Code(c), true
		}
	}
	return CodeOK, false
}

func (c Code) info() *codeInfo {
	if c >= codeCount {
		return &codeInfo{text: "unknown", area: AreaServer, status: 503, public: "refused"}
	}
	return &codes[c]
}

// String returns the stable text, such as "proof.htu.mismatch".
func (c Code) String() string { return c.info().text }

// Error implements error; the text is that of String.
func (c Code) Error() string { return c.info().text }

// MarshalText implements [encoding.TextMarshaler].
func (c Code) MarshalText() ([]byte, error) { return []byte(c.info().text), nil }

// Area returns what the code is about.
func (c Code) Area() Area { return c.info().area }

// Family follows from the area, and from nothing else.
func (c Code) Family() Family {
	switch c.info().area {
	case AreaServer:
		return FamilyServer
	case AreaRequest, AreaToken, AreaAccess:
		return FamilyBearer
	default:
		return FamilyPoP
	}
}

// OAuthError returns the error code on the wire, or "" where the RFCs give
// none: without credentials (RFC 6750 section 3.1) and for server faults.
func (c Code) OAuthError() string { return c.info().oauth }

// Status returns the HTTP status at a protected resource. An authorization
// server answers a client's fault with 400 (RFC 6749 section 5.2, RFC 9449
// section 5).
func (c Code) Status() int { return c.info().status }

// Public returns the sentence that the peer may read: constant, printable
// ASCII, without anything that the peer sent or that the operator configured.
func (c Code) Public() string { return c.info().public }

// Remedy returns what a developer or operator can do about it.
func (c Code) Remedy() string { return c.info().remedy }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (c *Code) UnmarshalText(b []byte) error {
	v, ok := ParseCode(string(b))
	if !ok {
		return fmt.Errorf("code %q is not known", clip(string(b)))
	}
	*c = v
	return nil
}
