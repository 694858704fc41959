package main

import (
	"crypto/ecdsa"
	"encoding/base64"
	"strings"
)

var proofCasesB = []func() *scene{
	bProofMissing, bProofMissingAtPAR, bProofDuplicated, bProofDetached, bProofTyp, bProofWeakKey, bProofCurve, bProofAltered,
	bProofDER,
}

func bProofMissing() *scene {
	s := newScene("b01", "Uploads are unauthorized, listings are fine", "Axum-like Rust API, upload worker with a second HTTP client", "2026-01-19T05:12:40Z")
	as, k := s.newKey("EdDSA").named("vault-ed-1"), s.newKey("EdDSA")
	host := "https://objects.glacier.example"
	token := s.token(as, grant{iss: "https://sts.glacier.example", aud: host, scope: "objects:rw", issued: s.at(-40), bound: k})
	ok := s.resource(0, "GET", host+"/b/photos?max=2", token, proof{key: k}, "User-Agent: glacier-cli/0.9").answer(200, `{"objects":["a.raw","b.raw"]}`)
	bad := call(s.at(3), "PUT", host+"/b/photos/c.raw", "RAW0", "User-Agent: glacier-upload/0.9", "Content-Type: application/octet-stream", auth("DPoP", token)).
		answer(401, `{"type":"about:blank","title":"Unauthorized","status":401,"detail":"token verification failed: confirmation could not be established"}`, problemType)
	s.addRaw("", ok)
	s.addRaw("", bad)
	s.fails("proof-missing", "high", 2)
	s.notThese("binding-key-mismatch", "dpop-header-stripped-by-proxy", "token-signature-invalid", "bound-token-sent-as-bearer")
	s.fact("DPoP")
	s.fact("no DPoP", "missing", "without", "absent", "no proof")
	s.fix("attach", "fresh proof", "send a proof", "add a proof", "every request")
	return s
}

func bProofMissingAtPAR() *scene {
	s := newScene("b02", "A freshly registered client cannot even start a login", "Curity-like AS, dynamic registration, older client library", "2026-02-10T08:41:00Z")
	host := "https://id.theatre.example/oauth/v2"
	secret := s.hide("client_secret", "", 30)
	verifier := s.value(32)
	register := call(s.at(0), "POST", host+"/register", `{"client_name":"Box office","redirect_uris":["https://box.theatre.example/cb"],"dpop_bound_access_tokens":true}`, jsonType).
		answer(201, object{{"client_id", "dyn-61f0"}, {"client_secret", secret}, {"token_endpoint_auth_method", "client_secret_post"}, {"dpop_bound_access_tokens", true}, {"redirect_uris", []string{"https://box.theatre.example/cb"}}}.String(), noStore)
	body := form("client_id", "dyn-61f0", "client_secret", secret, "response_type", "code", "redirect_uri", "https://box.theatre.example/cb", "scope", "openid seats", "code_challenge", pkce(verifier), "code_challenge_method", "S256")
	push := call(s.at(6), "POST", host+"/par", body, formType, "User-Agent: oauth2-proxyish/7").
		answer(400, oauthError("invalid_request", "The request is missing a required parameter"), noStore, "Server: jetty")
	s.addTranscript("par.txt", register, push)
	s.fails("proof-missing-at-token-endpoint", "high", 2)
	s.orElse("proof-missing")
	s.notThese("client-authentication-failed", "grant-invalid", "proof-malformed", "undetermined")
	s.fact("dpop_bound_access_tokens")
	s.fact("PAR", "pushed authorization", "/par")
	s.fix("DPoP", "upgrade", "send a proof")
	return s
}

func bProofDuplicated() *scene {
	s := newScene("b03", "Reads of patient data fail since the audit plug-in is on", "FHIR server behind an access proxy, two client hooks", "2026-03-02T13:00:09Z")
	as, k := s.newKey("PS256").named("smart-2"), s.newKey("ES384")
	target := "https://fhir.ward.example/r4/Observation?patient=17"
	token := s.token(as, grant{iss: "https://launch.ward.example", aud: "https://fhir.ward.example/r4", scope: "patient/Observation.rs", issued: s.at(-77), bound: k})
	e := s.resource(0, "GET", target, token, proof{key: k}, "Accept: application/fhir+json")
	bare := s.prove(proof{key: k, htm: "GET", htu: "https://fhir.ward.example/r4/Observation", iat: s.at(0)})
	e.headers = append([]header{{"dpop", bare}}, e.headers...)
	e.answer(401, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"security","diagnostics":"ath claim is required"}]}`, "Content-Type: application/fhir+json",
		dpopChallenge("invalid_dpop_proof", "ath claim is required"))
	s.addCurl("terminal.txt", e)
	s.fails("proof-header-duplicated", "high", 1)
	s.notThese("ath-missing", "proof-malformed", "proof-claim-missing", "binding-key-mismatch")
	s.fact("two", "2 DPoP", "more than one", "duplicate", "twice", "several")
	s.fact("DPoP")
	s.fix("one component", "only one", "exactly one", "a single", "one proof", "once")
	return s
}

func bProofDetached() *scene {
	s := newScene("b04", "The signing service works for webhooks but not for the API", "Apigee-like gateway, signer that returns detached signatures", "2026-04-01T10:10:00Z")
	as, k := s.newKey("ES256").named("apx"), s.newKey("ES384")
	target := "https://gw.tram.example/v4/lines/9"
	token := s.token(as, grant{iss: "https://gw.tram.example", aud: "tram-api", scope: "lines", issued: s.at(-18), bound: k})
	parts := strings.Split(signed(k, proofHeader(k), append(s.proofClaims(0, "GET", target), member{"ath", ath(token)})), ".")
	detached := parts[0] + ".." + parts[2]
	s.keep("dpop_proof", detached)
	s.keep("dpop_proof_signature", parts[2])
	e := call(s.at(0), "GET", target, "", acceptJSON, auth("DPoP", token), dpop(detached)).
		answer(401, `{"fault":{"faultstring":"Invalid access token","detail":{"errorcode":"oauth.v2.InvalidAccessToken"}}}`, "Server: apigee")
	lines := call(s.at(-9), "GET", "https://www.tram.example/map.svg", "", safari).answer(200, "<svg/>", "Content-Type: image/svg+xml")
	s.addHAR("tram.har", "Charles", "5.1", overH2(lines, e)...)
	s.fails("proof-malformed", "high", 2)
	s.notThese("token-malformed", "token-revoked", "proof-claim-missing", "proof-signature-invalid")
	s.fact("payload", "second part", "claims", "segment 2", "second segment", "empty", "detached")
	s.fact("DPoP", "proof")
	s.fix("JOSE library", "compact", "not detached", "attached", "payload")
	return s
}

func bProofTyp() *scene {
	s := newScene("b05", "A port of the client to Swift is told to use another algorithm", "Keycloak-like UserInfo endpoint, Swift client", "2026-05-14T19:19:19Z")
	as, k := s.newKey("RS256").named("kc-4"), s.newKey("ES512")
	host := "https://sso.canal.example/realms/boats"
	token := s.token(as, grant{iss: host, aud: "account", scope: "openid profile", issued: s.at(-12), bound: k})
	e := s.resource(0, "GET", host+"/protocol/openid-connect/userinfo", token, proof{key: k, typ: "dpop"}, acceptJSON, "User-Agent: Boats/3 CFNetwork/3826 Darwin/25.1.0").
		answer(401, oauthError("invalid_token", "Unsupported DPoP algorithm"), `WWW-Authenticate: DPoP realm="boats", error="invalid_token", error_description="Unsupported DPoP algorithm"`)
	s.addRaw("", e)
	s.note("Same key pair works from the JavaScript build of the app.")
	s.fails("proof-typ-wrong", "high", 1)
	s.notThese("proof-alg-not-accepted", "proof-malformed", "proof-alg-key-mismatch", "binding-key-mismatch")
	s.fact("typ")
	s.fact(`"dpop"`, "'dpop'", "typ dpop", "is dpop", "typ=dpop", "typ: dpop", "`dpop`", "not dpop+jwt", "dpop instead")
	s.fix("dpop+jwt")
	return s
}

func bProofWeakKey() *scene {
	s := newScene("b06", "The smart card of one branch is refused, the others work", "PingAM-like AS and RS, RSA keys on smart cards", "2026-06-22T07:07:00Z")
	as, k := s.newKey("PS256").named("am-sig"), s.newRSAKey("RS256", 1024)
	target := "https://rs.notary.example/deeds/2210"
	meta := call(s.at(-1), "GET", "https://am.notary.example/am/oauth2/.well-known/openid-configuration", "", acceptJSON).
		answer(200, `{"issuer":"https://am.notary.example/am/oauth2","token_endpoint":"https://am.notary.example/am/oauth2/access_token","dpop_signing_alg_values_supported":["RS256","PS256","ES256"]}`)
	token := s.token(as, grant{iss: "https://am.notary.example/am/oauth2", aud: "https://rs.notary.example", scope: "deeds", issued: s.at(-30), bound: k})
	e := s.resource(0, "GET", target, token, proof{key: k}, acceptJSON).
		answer(401, "", `WWW-Authenticate: DPoP error="invalid_dpop_proof", error_description="Signature verification failed", algs="RS256 PS256 ES256"`)
	s.addTranscript("card.txt", meta, e)
	s.fails("proof-alg-not-accepted", "high", 2)
	s.notThese("proof-signature-invalid", "proof-alg-key-mismatch", "binding-key-mismatch")
	s.fact("1024")
	s.fact("2048", "too short", "weak", "too small")
	s.fix("2048", "new key", "EC key", "stronger", "larger", "longer key")
	return s
}

func bProofCurve() *scene {
	s := newScene("b07", "The token endpoint dislikes the key of the new build", "Authlib-like AS, Ruby worker", "2026-07-03T22:40:10Z")
	k := s.newKey("ES384")
	target := "https://accounts.brewery.example/oauth/token"
	claims := s.proofClaims(1, "POST", target)
	v := s.signProof(k, object{{"typ", "dpop+jwt"}, {"alg", "ES256"}, {"jwk", k.jwk()}}, claims)
	body := form("grant_type", "client_credentials", "scope", "kettles")
	e := call(s.at(1), "POST", target, body, formType, "User-Agent: Faraday v2.14", s.basic("mash-worker"), dpop(v)).
		answer(400, oauthError("invalid_request", "bad_signature: "), noStore, "Server: gunicorn")
	beat := call(s.at(0), "POST", "https://apm.vendor.example/v2/events", `{"t":"boot"}`, jsonType).answer(202, "")
	s.addHAR("worker.har", "mitmproxy", "12.2", beat, e)
	s.fails("proof-alg-key-mismatch", "high", 2)
	s.notThese("proof-signature-invalid", "client-authentication-failed", "proof-alg-not-accepted", "proof-malformed", "proof-signature-der-encoded")
	s.fact("ES256")
	s.fact("P-384", "ES384")
	s.fix("ES384", "alg", "P-256")
	return s
}

func bProofAltered() *scene {
	s := newScene("b08", "Set-top boxes cannot finish the pairing", "Device flow, WSO2-like AS, logging plug-in that rewrites JSON", "2026-08-29T20:01:00Z")
	k := s.newKey("EdDSA")
	target := "https://is.cinema.example/oauth2/token"
	device := s.hide("device_code", "", 32)
	body := form("grant_type", "urn:ietf:params:oauth:grant-type:device_code", "device_code", device, "client_id", "stb-4")
	begin := call(s.at(-20), "POST", "https://is.cinema.example/oauth2/device_authorize", form("client_id", "stb-4", "scope", "films"), formType).
		answer(200, object{{"device_code", device}, {"user_code", "BCDF-GHJK"}, {"verification_uri", "https://is.cinema.example/pair"}, {"expires_in", 600}, {"interval", 5}}.String(), noStore)
	claims := s.proofClaims(0, "POST", target)
	parts := strings.Split(signed(k, proofHeader(k), claims), ".")
	// The plug-in parses the claims and writes them again in another order.
	altered := parts[0] + "." + b64(compact(object{claims[3], claims[2], claims[1], claims[0]})) + "." + parts[2]
	s.keep("dpop_proof", altered)
	s.keep("dpop_proof_signature", parts[2])
	e := call(s.at(0), "POST", target, body, formType, dpop(altered)).
		answer(400, oauthError("invalid_client", "A valid OAuth client could not be found for client_id: stb-4"), noStore)
	s.addBundle([]*exchange{begin, e}, member{"client", object{{"key_store", "secure element, one key"}, {"queue", "requests pass through a redaction plug-in that parses and rewrites JWT payloads"}}})
	s.fails("proof-signature-invalid", "high", 2)
	s.notThese("client-authentication-failed", "grant-invalid", "proof-alg-key-mismatch", "proof-signature-der-encoded")
	s.fact("signature")
	s.fact("jwk", "embedded key", "public key", "EdDSA")
	s.fix("after signing", "alter", "same key", "one key")
	return s
}

func bProofDER() *scene {
	s := newScene("b09", "The shop module cannot get a token with the stronger curve", "IBM-like AS, PHP module calling openssl_sign", "2026-09-17T12:00:31Z")
	k := s.newKey("ES384")
	target := "https://isva.mall.example/mga/sps/oauth/oauth20/token"
	input := b64(compact(proofHeader(k))) + "." + b64(compact(s.proofClaims(0, "POST", target)))
	v := input + "." + b64(k.signDER([]byte(input)))
	s.keep("dpop_proof", v)
	s.keep("dpop_proof_signature", signatureOf(v))
	body := form("grant_type", "client_credentials", "client_id", "php-shop", "client_secret", s.hide("client_secret", "", 18))
	e := call(s.at(0), "POST", target, body, formType, dpop(v), "User-Agent: GuzzleHttp/7").
		answer(500, "<html><head><title>Error</title></head><body><h1>FBTOAU204E</h1><p>An unexpected error occurred while the request was processed.</p></body></html>", "Server: WebSEAL")
	s.addTranscript("shop.txt", e)
	s.fails("proof-signature-der-encoded", "high", 1)
	s.notThese("proof-signature-invalid", "proof-malformed", "client-authentication-failed", "undetermined")
	s.fact("DER", "ASN.1")
	s.fact("96", "length")
	s.fix("r and s", "r || s", "r||s", "IEEE", "P1363", "fixed-length", "raw")
	return s
}

// paddedHash is a hash in the standard alphabet with padding.
func paddedHash(token string) string {
	return base64.StdEncoding.EncodeToString(must(base64.RawURLEncoding.DecodeString(ath(token))))
}

// signDER signs and leaves the signature in ASN.1, as most libraries return it.
func (k *key) signDER(input []byte) []byte {
	return must(k.signer.(*ecdsa.PrivateKey).Sign(nil, digestFor(k.alg, input), hashFor(k.alg)))
}
