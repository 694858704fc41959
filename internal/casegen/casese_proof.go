package main

import (
	"crypto/sha256"
	"strconv"
)

var proofCasesE = []func() *scene{eTwoProofs, eQuotedClaims, eWalletTyp, eRS256, eFixedES256, eHashedTwice, eUserInfoAth, eIDTokenHash}

func eTwoProofs() *scene {
	s := newScene("e01", "Calls fail since the SDK signs requests by itself", "Zitadel-like API, Node client with a fetch wrapper and an SDK interceptor", "2026-03-17T08:22:14Z")
	as, k := s.newKey("RS256").named("243118"), s.newKey("ES256")
	target := "https://iam.acorn.example/management/v1/orgs/me"
	token := s.token(as, grant{iss: "https://iam.acorn.example", aud: "https://iam.acorn.example", scope: "openid orgs", issued: s.at(-60), bound: k})
	e := s.resource(0, "GET", target, token, proof{key: k}, acceptJSON)
	second := s.prove(proof{key: k, htm: "GET", htu: target, iat: s.at(0), token: token})
	e.set("DPoP", lookup(e.headers, "DPoP")+", "+second)
	e.answer(401, `{"code":16,"message":"invalid token (AUTH-7fs1e)"}`, noStore, `WWW-Authenticate: DPoP error="invalid_dpop_proof", error_description="failed to parse proof: compact JWS format must have three parts"`)
	s.addHAR("orgs.har", "mitmproxy", "11.1", e)
	s.fails("proof-header-duplicated", "high", 1)
	s.notThese("proof-malformed", "token-malformed", "binding-key-mismatch")
	s.fact("two proofs", "two", "more than one", "comma", "2 proofs", "duplicate")
	s.fact("DPoP")
	s.fix("one component", "only one", "exactly one", "single", "one proof")
	return s
}

func eQuotedClaims() *scene {
	s := newScene("e02", "A Python agent gets 500 from every tool call", "MCP server in TypeScript, agent with a home-made signer", "2026-06-24T16:05:30Z")
	as, k := s.newKey("ES256").named("mcp-1"), s.newKey("ES256")
	target := "https://mcp.parcel.example/mcp"
	token := s.token(as, grant{iss: "https://auth.parcel.example", aud: target, scope: "mcp:tools", issued: s.at(-12), bound: k})
	claims := "{'jti': '" + s.value(12) + "', 'htm': 'POST', 'htu': '" + target + "', 'iat': " + strconv.FormatInt(s.at(0).Unix(), 10) + ", 'ath': '" + ath(token) + "'}"
	input := b64(compact(proofHeader(k))) + "." + b64([]byte(claims))
	value := input + "." + b64(k.sign("ES256", []byte(input)))
	s.keep("dpop_proof", value)
	s.keep("dpop_proof_signature", signatureOf(value))
	e := call(s.at(0), "POST", target, `{"jsonrpc":"2.0","id":3,"method":"tools/list"}`, jsonType, "Accept: application/json, text/event-stream", auth("DPoP", token), dpop(value)).
		answer(500, `{"jsonrpc":"2.0","error":{"code":-32603,"message":"Internal server error"},"id":null}`)
	s.raw(e)
	s.seenAfter(60)
	s.fails("proof-malformed", "high", 1)
	s.notThese("proof-signature-invalid", "proof-claim-missing", "undetermined", "token-malformed")
	s.fact("JSON")
	s.fact("payload", "claims", "second part", "segment 2", "second segment", "body of the proof")
	s.fix("JOSE library", "JSON", "JWT library")
	return s
}

func eWalletTyp() *scene {
	s := newScene("e03", "The issuer refuses a wallet before any credential is asked for", "OpenID4VCI issuer in Kotlin, web wallet", "2026-05-19T12:44:01Z")
	k := s.newKey("ES256")
	code := s.hide("authorization_code", "", 24)
	body := form("grant_type", "urn:ietf:params:oauth:grant-type:pre-authorized_code", "pre-authorized_code", code, "tx_code", "4417")
	e := s.grantCall(0, "https://issuer.portal.example/draft13/token", body, proof{key: k, typ: "openid4vci-proof+jwt"}).
		answer(400, oauthError("invalid_request", "DPoP proof verification failed"), noStore)
	s.addBundle([]*exchange{e}, member{"authorization_server_metadata", object{{"issuer", "https://issuer.portal.example/draft13"}, {"token_endpoint", "https://issuer.portal.example/draft13/token"}, {"dpop_signing_alg_values_supported", []string{"ES256"}}}})
	s.fails("proof-typ-wrong", "high", 1)
	s.notThese("grant-invalid", "proof-malformed", "proof-signature-invalid")
	s.fact("typ")
	s.fact("openid4vci-proof+jwt")
	s.fix("dpop+jwt")
	return s
}

func eRS256() *scene {
	s := newScene("e04", "The sandbox accepts the client, the certified profile does not", "FAPI 2.0 AS, Java client with RSA keys", "2026-02-12T10:31:20Z")
	k := s.newKey("RS256")
	host := "https://fapi.treasury.example"
	meta := call(s.at(-1), "GET", host+"/.well-known/openid-configuration", "", acceptJSON).
		answer(200, `{"issuer":"`+host+`","token_endpoint":"`+host+`/api/token","pushed_authorization_request_endpoint":"`+host+`/api/par","dpop_signing_alg_values_supported":["PS256","ES256","EdDSA"]}`)
	e := s.grantCall(0, host+"/api/token", form("grant_type", "client_credentials", "scope", "payments"), proof{key: k}, s.basic("3041882")).
		answer(400, `{"error":"invalid_request","error_description":"[A203306] The DPoP proof JWT is invalid.","error_uri":"`+host+`/docs/result/A203306"}`, noStore)
	s.addTranscript("wire.txt", meta, e)
	s.fails("proof-alg-not-accepted", "high", 2)
	s.notThese("proof-signature-invalid", "client-authentication-failed", "proof-alg-key-mismatch")
	s.fact("RS256")
	s.fact("PS256")
	s.fix("PS256", "ES256", "supported alg", "from the list", "intersection")
	return s
}

func eFixedES256() *scene {
	s := newScene("e05", "A pod refuses everyone who moved to the new key service", "Solid-like pod server, client with Ed25519 keys and a fixed header", "2025-10-28T19:10:45Z")
	as, k := s.newKey("ES256").named("tjXu"), s.newKey("EdDSA")
	k.alg = "ES256"
	target := "https://carol.pods.example/private/notes.ttl"
	token := s.token(as, grant{iss: "https://login.pods.example", aud: "solid", scope: "openid webid", issued: s.at(-90), life: 600, bound: k, extra: object{{"webid", "https://carol.pods.example/profile/card#me"}}})
	e := s.resource(0, "GET", target, token, proof{key: k}, "Accept: text/turtle").
		answer(401, `{"name":"UnauthorizedHttpError","message":"","statusCode":401,"errorCode":"H401","details":{}}`, `WWW-Authenticate: DPoP error="invalid_dpop_proof", algs="ES256 RS256"`)
	s.addCurl("session.txt", e)
	s.fails("proof-alg-key-mismatch", "high", 1)
	s.orElse("proof-signature-invalid")
	s.notThese("proof-alg-not-accepted", "binding-key-mismatch", "token-expired")
	s.fact("ES256")
	s.fact("Ed25519", "OKP")
	s.fix("EdDSA", "from the key", "fits the key", "fit the key", "match the key", "matches the key", "derive", "P-256")
	return s
}

func eHashedTwice() *scene {
	s := newScene("e06", "Signing with a cloud key never verifies", "Ory-like AS, Go worker using a cloud KMS", "2026-04-08T06:14:00Z")
	k := s.newKey("ES256")
	target := "https://ory.quarry.example/oauth2/token"
	input := b64(compact(proofHeader(k))) + "." + b64(compact(s.proofClaims(0, "POST", target)))
	sum := sha256.Sum256([]byte(input))
	value := input + "." + b64(k.sign("ES256", sum[:]))
	s.keep("dpop_proof", value)
	s.keep("dpop_proof_signature", signatureOf(value))
	e := call(s.at(0), "POST", target, form("grant_type", "client_credentials", "scope", "blocks"), s.basic("7b1e6a52"), formType, dpop(value)).
		answer(400, oauthError("invalid_dpop_proof", "The provided DPoP proof is malformed or could not be verified."), noStore)
	s.raw(e)
	s.seenAfter(120)
	s.fails("proof-signature-invalid", "high", 1)
	s.notThese("proof-malformed", "proof-signature-der-encoded", "proof-alg-key-mismatch", "client-authentication-failed")
	s.fact("signature")
	s.fact("does not verify", "not verify", "fails", "invalid", "not valid")
	s.fix("same key", "one key", "after signing", "hash", "digest", "sign again", "JOSE library")
	return s
}

func eUserInfoAth() *scene {
	s := newScene("e07", "Login completes, the profile page stays empty", "Keycloak-like realm, Angular application", "2026-01-15T14:02:08Z")
	as, k := s.newKey("RS256").named("FJ86GcF3"), s.newKey("ES256")
	realm := "https://sso.library.example/realms/readers"
	token := s.token(as, grant{iss: realm, aud: "account", scope: "openid profile email", issued: s.at(0), life: 300, bound: k})
	code, verifier := s.hide("authorization_code", "", 24), s.hide("code_verifier", "", 32)
	a := s.grantCall(0, realm+"/protocol/openid-connect/token", form("grant_type", "authorization_code", "client_id", "catalogue", "code", code, "code_verifier", verifier, "redirect_uri", "https://read.library.example/"), proof{key: k}, chrome).
		answer(200, tokenReply(token, "DPoP", 300), noStore)
	b := s.resource(1, "GET", realm+"/protocol/openid-connect/userinfo", token, proof{key: k, bare: true}, chrome).
		answer(401, oauthError("invalid_token", "Token verification failed"), noStore, `WWW-Authenticate: DPoP realm="readers", error="invalid_token", error_description="DPoP proof and token binding verification failed"`)
	s.addHAR("login.har", "WebInspector", "537.36", a, b)
	s.fails("ath-missing", "high", 2)
	s.notThese("binding-key-mismatch", "token-expired", "proof-claim-missing")
	s.fact("ath")
	s.fact("missing", "absent", "no ath", "without", "lacks")
	s.fix("ath")
	return s
}

func eIDTokenHash() *scene {
	s := newScene("e08", "The token is accepted by the debugger and by no API", "Curity-like AS, React Native client", "2026-07-21T11:36:50Z")
	as, k := s.newKey("PS256").named("-1620283118"), s.newKey("ES256")
	host, api := "https://id.ferry.example/oauth/v2", "https://api.ferry.example"
	token := s.token(as, grant{iss: host + "/oauth-anonymous", aud: api, scope: "openid tickets", issued: s.at(0), life: 600, bound: k})
	id := s.jws("id_token", as, "JWT", object{{"iss", host + "/oauth-anonymous"}, {"sub", "u-" + s.value(5)}, {"aud", "ferry-app"}, {"iat", s.at(0).Unix()}, {"exp", s.at(600).Unix()}, {"at_hash", b64(hash256(token)[:16])}})
	code, verifier := s.hide("authorization_code", "", 24), s.hide("code_verifier", "", 32)
	a := s.grantCall(0, host+"/oauth-token", form("grant_type", "authorization_code", "client_id", "ferry-app", "code", code, "code_verifier", verifier, "redirect_uri", "ferry://cb"), proof{key: k}).
		answer(200, tokenReply(token, "DPoP", 600, member{"scope", "openid tickets"}, member{"id_token", id}), noStore)
	b := s.resource(2, "GET", api+"/tickets", token, proof{key: k, ath: ath(id)}, acceptJSON).
		answer(401, "", `WWW-Authenticate: DPoP error="invalid_token", error_description="The access token is invalid", algs="ES256 PS256"`)
	s.addHAR("ferry.har", "Proxyman", "5.9", a, b)
	s.fails("ath-mismatch", "high", 2)
	s.notThese("ath-mismatch-stale-token", "token-expired", "token-wrong-type", "ath-encoding-wrong")
	s.fact("ath")
	s.fact("ID token", "id_token")
	s.fix("access token", "bare token", "token being sent", "token that is sent")
	return s
}
