package main

import "fmt"

var proofClaimCasesB = []func() *scene{
	bProofKid, bProofPrivate, bProofClaimName, bHtmCase, bAthMissing, bAthStale, bAthPadded, bAthOfIDToken,
}

func bProofKid() *scene {
	s := newScene("b10", "A Java service registers its key and still nobody finds it", "Nimbus-like RS, client that sends a key id", "2026-01-31T16:00:00Z")
	as, k := s.newKey("ES256").named("c2id-1"), s.newKey("PS256")
	target := "https://api.quarry.example/v1/loads"
	token := s.token(as, grant{iss: "https://c2id.quarry.example", aud: "https://api.quarry.example", scope: "loads", issued: s.at(-66), bound: k})
	claims := append(s.proofClaims(0, "GET", target), member{"ath", ath(token)})
	v := s.signProof(k, object{{"typ", "dpop+jwt"}, {"alg", "PS256"}, {"kid", k.jkt()}}, claims)
	e := call(s.at(0), "GET", target, "", auth("DPoP", token), dpop(v), "Accept: application/vnd.api+json").
		answer(401, `{"errors":[{"status":"401","code":"0007","title":"Unauthorized","detail":"No matching key(s) found"}]}`, "Content-Type: application/vnd.api+json",
			dpopChallenge("invalid_token", "No matching key(s) found"))
	s.addCurl("loads.txt", overH2(e)...)
	s.fails("proof-jwk-malformed", "high", 1)
	s.notThese("token-key-unknown", "proof-signature-invalid", "binding-key-mismatch", "proof-malformed")
	s.fact("jwk")
	s.fact("kid")
	s.fix("embed", "public key", "jwk")
	return s
}

func bProofPrivate() *scene {
	s := newScene("b11", "Token requests of the command line tool are bad requests", "Authentik-like AS, Python tool that dumps its whole key", "2026-02-16T11:11:11Z")
	k := s.newKey("EdDSA")
	d := k.private()
	s.keep("private_key_member", d)
	target := "https://auth.harvest.example/application/o/token/"
	v := s.signProof(k, object{{"typ", "dpop+jwt"}, {"alg", "EdDSA"}, {"jwk", append(k.jwk(), member{"d", d})}}, s.proofClaims(0, "POST", target))
	body := form("grant_type", "client_credentials", "client_id", "fieldctl", "client_secret", s.hide("client_secret", "ak-", 40), "scope", "plots")
	e := call(s.at(0), "POST", target, body, formType, "User-Agent: python-requests/2.32.5", dpop(v)).
		answer(400, oauthError("invalid_request", "The request is otherwise malformed"), noStore, "X-Powered-By: authentik")
	s.addRaw("", e)
	s.fails("proof-jwk-contains-private-key", "high", 1)
	s.notThese("proof-malformed", "client-authentication-failed", "proof-signature-invalid", "undetermined")
	s.fact("private")
	s.fact("jwk")
	s.fix("rotate", "new key", "replace the key", "compromis", "discard")
	return s
}

func bProofClaimName() *scene {
	s := newScene("b12", "A model server refuses the agent for a missing address", "Tyk-like gateway, hand-written proof builder", "2026-03-27T03:33:00Z")
	as, k := s.newKey("RS256").named("tyk-1"), s.newKey("EdDSA")
	target := "https://llm.forge.example/v1/models"
	token := s.token(as, grant{iss: "https://id.forge.example", aud: "https://llm.forge.example", scope: "models", issued: s.at(-20), bound: k})
	claims := object{{"jti", s.value(16)}, {"htm", "GET"}, {"hru", target}, {"iat", s.at(0).Unix()}, {"ath", ath(token)}}
	v := s.signProof(k, proofHeader(k), claims)
	e := call(s.at(0), "GET", target, "", auth("DPoP", token), dpop(v)).answer(403, `{"error": "Access to this API has been disallowed"}`, "X-Generator: tyk.example")
	s.addBundle([]*exchange{e}, member{"server_log", []string{`time="Mar 27 03:33:00" level=warning msg="proof rejected" prefix=dpop-mw reason="url claim is empty"`}})
	s.fails("proof-claim-missing", "high", 1)
	s.notThese("htu-wrong-endpoint", "insufficient-scope", "ath-missing", "proof-malformed")
	s.fact("htu")
	s.fact("hru")
	s.fix("htu", "builder")
	return s
}

func bHtmCase() *scene {
	s := newScene("b13", "A C# library sends what the documentation says and is refused", "OpenIddict-like AS, device with a tiny HTTP stack", "2026-04-19T14:45:00Z")
	k := s.newKey("ES384")
	target := "https://login.lift.example/connect/token"
	body := form("grant_type", "refresh_token", "client_id", "lift-panel") + "&refresh_token=[REDACTED]"
	e := s.grantCall(0, target, body, proof{key: k, htm: "post"}).
		answer(400, `{"error":"invalid_dpop_proof","error_description":"The specified proof is not valid.","error_uri":"https://docs.lift.example/errors/ID2173"}`, noStore, "Server: Kestrel")
	ping := call(s.at(-4), "HEAD", "https://time.lift.example/", "").answer(200, "")
	s.addHAR("panel.har", "Proxyman", "5.20", ping, e)
	s.fails("htm-mismatch", "high", 2)
	s.notThese("grant-invalid", "refresh-key-mismatch", "htu-wrong-endpoint", "undetermined")
	s.fact("htm")
	s.fact(`"post"`, "'post'", "htm post", "lower", "case")
	s.fact("POST")
	s.fix("upper", "POST", "method")
	return s
}

func bAthMissing() *scene {
	s := newScene("b14", "The lab import gets a structured refusal that says nothing", "HAPI-like FHIR server, backend service with ES384", "2026-05-29T06:20:00Z")
	as, k := s.newKey("ES384").named("bulk-2"), s.newKey("ES384")
	base := "https://lab.hospital.example/fhir"
	token := s.token(as, grant{iss: "https://lab.hospital.example/auth", aud: base, scope: "system/DiagnosticReport.cud", issued: s.at(-15), bound: k})
	e := s.resource(0, "POST", base+"/DiagnosticReport", token, proof{key: k, bare: true}, "Content-Type: application/fhir+json").
		with(`{"resourceType":"DiagnosticReport","status":"final"}`).
		answer(401, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"processing","diagnostics":"HAPI-0333: Malformed or incomplete proof"}]}`, "X-Powered-By: HAPI FHIR 8.4.0").zipped()
	s.addRaw("", e)
	s.fails("ath-missing", "high", 1)
	s.notThese("proof-malformed", "proof-claim-missing", "insufficient-scope", "scheme-unsupported-by-rs")
	s.fact("ath")
	s.fact("missing", "no ath", "absent", "without", "lacks")
	s.fix("ath")
	return s
}

func bAthStale() *scene {
	s := newScene("b15", "Two minutes of failures after each refresh", "Duende-like API and AS, proof cache keyed by URL", "2026-06-11T09:00:00Z")
	as, k := s.newKey("PS256").named("D-7"), s.newKey("PS256")
	host, api := "https://identity.fleet.example", "https://fleet-api.example/vehicles"
	mint := func(at float64) string {
		return s.token(as, grant{iss: host, aud: "urn:fleet", scope: "vehicles", issued: s.at(at), life: 900, bound: k})
	}
	old, next := mint(-880), mint(10)
	refresh := s.hide("refresh_token", "", 32)
	rotated := s.hide("refresh_token", "", 32)
	a := s.resource(0, "GET", api, old, proof{key: k}).answer(200, `[{"id":1}]`)
	b := s.grantCall(10, host+"/connect/token", form("grant_type", "refresh_token", "refresh_token", refresh), proof{key: k}, s.basic("dispatch")).
		answer(200, tokenReply(next, "DPoP", 900, member{"refresh_token", rotated}), noStore)
	c := s.resource(12, "GET", api, next, proof{key: k, ath: ath(old)}).
		answer(401, "", dpopChallenge("invalid_token", "Invalid DPoP key binding"), "Server: Kestrel")
	s.addBundle([]*exchange{a, b, c}, member{"token_response", object{{"captured_at", stamp(s.at(10.1))}, {"body", object{{"access_token", next}, {"token_type", "DPoP"}, {"expires_in", 900}}}}})
	s.fails("ath-mismatch-stale-token", "high", 3)
	s.orElse("ath-mismatch")
	s.notThese("binding-key-mismatch", "token-expired", "key-regenerated-token-cached", "refresh-key-mismatch")
	s.fact("ath")
	s.fact("previous", "earlier", "old token", "another token", "exchange 1", "stale", "before")
	s.fix("token being sent", "same token", "token that is sent", "current token", "from the token")
	return s
}

func bAthPadded() *scene {
	s := newScene("b16", "A Delphi client is the only one that is refused", "Spring-like RS with problem details, old component library", "2026-07-28T15:30:00Z")
	as, k := s.newKey("RS256").named("spring-as"), s.newKey("RS256")
	target := "https://erp.mill.example/api/stock/77"
	token := s.token(as, grant{iss: "https://auth.mill.example", aud: "erp", scope: "stock", issued: s.at(-50), bound: k})
	e := s.resource(0, "GET", target, token, proof{key: k, ath: paddedHash(token)}, "User-Agent: Indy Library").
		answer(401, `{"type":"about:blank","title":"Unauthorized","status":401,"instance":"/api/stock/77"}`, problemType, `WWW-Authenticate: DPoP error="invalid_dpop_proof", error_description="ath claim is invalid.", algs="RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512"`)
	page := call(s.at(-2), "GET", "https://erp.mill.example/actuator/health", "").answer(200, `{"status":"UP"}`)
	s.addHAR("erp.har", "Fiddler Classic", "5.0.20253", page, e)
	s.fails("ath-encoding-wrong", "high", 2)
	s.orElse("ath-mismatch")
	s.notThese("ath-mismatch-stale-token", "ath-missing", "token-expired", "proof-malformed")
	s.fact("ath")
	s.fact("base64url")
	s.fact("padding", "padded", "standard", "'='", `"="`)
	s.fix("no padding", "without padding", "unpadded", "base64url")
	return s
}

func bAthOfIDToken() *scene {
	s := newScene("b17", "Sign-in works and the first call says the token is unknown", "Zitadel-like AS, Flutter app", "2026-08-16T17:00:00Z")
	as, k := s.newKey("RS256").named("z-331"), s.newKey("ES384")
	host := "https://login.choir.example"
	code, verifier := s.hide("authorization_code", "", 24), s.hide("code_verifier", "", 48)
	access := s.token(as, grant{iss: host, aud: "2311@choir", scope: "openid scores", issued: s.at(0), bound: k})
	id := s.jws("id_token", as, "JWT", object{{"iss", host}, {"sub", "2311"}, {"aud", "choir-app"}, {"iat", s.at(0).Unix()}, {"exp", s.at(3600).Unix()}, {"nonce", s.value(12)}})
	login := s.grantCall(0, host+"/oauth/v2/token", form("grant_type", "authorization_code", "client_id", "choir-app", "code", code, "code_verifier", verifier, "redirect_uri", "com.choir:/cb"), proof{key: k}).
		answer(200, object{{"access_token", access}, {"id_token", id}, {"token_type", "DPoP"}, {"expires_in", 3600}}.String(), noStore)
	read := s.resource(1, "GET", "https://scores.choir.example/v1/parts", access, proof{key: k, ath: ath(id)}, "User-Agent: Dart/3.10 (dart:io)").
		answer(401, `{"code":16,"message":"invalid token (AUTH-7fs1e)","details":[{"id":"AUTH-7fs1e"}]}`)
	s.addBundle([]*exchange{login, read})
	s.fails("ath-mismatch", "high", 2)
	s.notThese("ath-mismatch-stale-token", "ath-encoding-wrong", "token-revoked", "token-wrong-type", "binding-key-mismatch")
	s.fact("ath")
	s.fact("ID token", "id_token", "identity token")
	s.fix("access token", "bare token", "token value")
	return s
}

// private is the private member of an Ed25519 key.
func (k *key) private() string {
	type seeder interface{ Seed() []byte }
	signer, ok := k.signer.(seeder)
	if !ok {
		panic(fmt.Sprintf("no seed in %T", k.signer))
	}
	return b64(signer.Seed())
}
