package main

import "crypto/sha256"

var proofCasesC = []func() *scene{cHalfKey, cCurveMismatch, cOtherSigner, cAlgUnlisted}

// hash256 is SHA-256 as a slice.
func hash256(v string) []byte {
	sum := sha256.Sum256([]byte(v))
	return sum[:]
}

func cHalfKey() *scene {
	s := newScene("c36", "The server cannot decode proofs of the embedded client", "Zephyr-like firmware that sends half of the public key, Nim RS", "2026-06-07T07:16:00Z")
	as, k := s.newKey("EdDSA").named("fw-1"), s.newKey("ES256")
	target := "https://hub.beacon.example/events"
	token := s.token(as, grant{iss: "https://id.beacon.example", aud: "https://hub.beacon.example", scope: "events", issued: s.at(-6), bound: k})
	h := object{{"typ", "dpop+jwt"}, {"alg", "ES256"}, {"jwk", k.jwk().without("y")}}
	v := s.signProof(k, h, append(s.proofClaims(0, "POST", target), member{"ath", ath(token)}))
	e := call(s.at(0), "POST", target, `{"lit":true}`, jsonType, auth("DPoP", token), dpop(v)).answer(400, `{"error":"malformed_jws","hint":"could not decode the DPoP header"}`)
	s.addCurl("beacon.txt", e)
	s.fails("proof-jwk-malformed", "high", 1)
	s.notThese("proof-malformed", "proof-signature-invalid", "binding-key-mismatch", "thumbprint-computed-wrong")
	s.fact("jwk")
	s.fact("missing", "incomplete", "lacks", "without", "absent", "required member", "no y", "y coordinate")
	s.fix("public key", "both coordinates", "complete", "required members", "object", "x and y")
	return s
}

func cCurveMismatch() *scene {
	s := newScene("c37", "A client with a stronger key is told to use ES256, which it says it does", "Scala client with a fixed header, AS that names its list", "2026-06-20T16:12:00Z")
	k := s.newKey("ES384")
	target := "https://sts.anvil.example/token"
	v := s.signProof(k, object{{"typ", "dpop+jwt"}, {"alg", "ES256"}, {"jwk", k.jwk()}}, s.proofClaims(0, "POST", target))
	e := call(s.at(0), "POST", target, form("grant_type", "client_credentials", "scope", "forge"), s.basic("smith"), formType, dpop(v)).
		answer(400, oauthError("invalid_dpop_proof", "Unsupported algorithm. Supported: ES256, ES384, EdDSA"), noStore)
	s.addRaw("", e)
	s.fails("proof-alg-key-mismatch", "high", 1)
	s.notThese("proof-alg-not-accepted", "proof-signature-invalid", "proof-signature-der-encoded", "client-authentication-failed")
	s.fact("ES256")
	s.fact("P-384", "ES384")
	s.fix("derive", "from the header", "from the key", "ES384", "match", "fit")
	return s
}

func cOtherSigner() *scene {
	s := newScene("c38", "A rolling restart leaves one node with refused proofs", "Node.js cluster, public key from one worker and private key from another", "2026-07-08T08:38:00Z")
	as, shown, signer := s.newKey("ES256").named("nc-1"), s.newKey("ES256"), s.newKey("ES256")
	api := "https://feed.heron.example"
	token := s.token(as, grant{iss: "https://id.heron.example", aud: api, scope: "feed", issued: s.at(-18), bound: shown})
	a := s.resource(0, "GET", api+"/feed?p=1", token, proof{key: shown}).answer(200, "[]")
	b := s.resource(1, "GET", api+"/feed?p=2", token, proof{key: signer, shown: shown}).answer(401, `{"error":"unsupported_key","error_description":"The algorithm of the key is not supported"}`, `WWW-Authenticate: DPoP error="invalid_dpop_proof", algs="ES256"`)
	s.addTranscript("feed.txt", a, b)
	s.fails("proof-signature-invalid", "high", 2)
	s.notThese("proof-alg-not-accepted", "proof-alg-key-mismatch", "proof-signature-der-encoded", "binding-key-mismatch")
	s.fact("signature")
	s.fact("does not verify", "fails", "not verif", "invalid", "failed")
	s.fix("one key object", "same key", "one key", "alter", "key pair")
	return s
}

func cAlgUnlisted() *scene {
	s := newScene("c39", "A post-upgrade API calls all signatures of our phones wrong", "Ktor-like RS that dropped an algorithm, Flutter client with Ed25519", "2026-07-24T04:14:00Z")
	as, k := s.newKey("ES256").named("kt-6"), s.newKey("EdDSA")
	target := "https://lodge.ranger.example/trails"
	token := s.token(as, grant{iss: "https://id.ranger.example", aud: "https://lodge.ranger.example", scope: "trails", issued: s.at(-27), bound: k})
	e := s.resource(0, "GET", target, token, proof{key: k}, "User-Agent: Dart/3.11 (dart:io)").
		answer(401, `{"title":"Unauthorized","detail":"Signature of the proof could not be verified"}`, problemType, `WWW-Authenticate: DPoP error="invalid_dpop_proof", error_description="signature check failed", algs="ES256 ES384 RS256"`)
	s.addHAR("ranger.har", "Proxyman", "5.30", e)
	s.fails("proof-alg-not-accepted", "high", 1)
	s.notThese("proof-signature-invalid", "proof-alg-key-mismatch", "proof-signature-der-encoded", "binding-key-mismatch")
	s.fact("EdDSA")
	s.fact("ES384", "ES256 ES384 RS256", "algs")
	s.fix("ES256", "intersection", "listed", "supported", "accepted algorithm")
	return s
}
