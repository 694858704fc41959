package main

import "strings"

var proofCases = []func() *scene{
	proofHeaderDuplicated, proofMalformed, proofTypWrong, proofAlgNotAccepted, proofAlgKeyMismatch,
	proofSignatureInvalid, athMissing, athMismatch, proofHeadersJoined,
}

const (
	chrome     = "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36"
	noStore    = "Cache-Control: no-store"
	acceptJSON = "Accept: application/json"
)

func proofHeaderDuplicated() *scene {
	s := newScene("a01", "Only calls that leave through the mesh are refused", "Ory-like access proxy, app and sidecar both sign", "2026-01-14T08:20:11Z")
	as, app, sidecar := s.newKey("RS256").named("ory-2026-01"), s.newKey("ES256"), s.newKey("ES256")
	target := "https://api.freight.example/v2/shipments/7731"
	token := s.token(as, grant{iss: "https://id.freight.example/", aud: "https://api.freight.example", scope: "shipments.read", issued: s.at(-300), bound: app})
	e := s.resource(0, "GET", target, token, proof{key: app}, "User-Agent: freight-app/3.1", acceptJSON)
	second := s.prove(proof{key: sidecar, htm: "GET", htu: target, iat: s.at(0), token: token})
	e.headers = append(e.headers, header{"DPoP", second})
	e.answer(401, `{"error":{"code":401,"status":"Unauthorized","message":"The request could not be authorized"}}`, noStore,
		`WWW-Authenticate: DPoP error="invalid_token", error_description="token is not bound to the presented key"`)
	s.addRaw("", e)
	s.fails("proof-header-duplicated", "high", 1)
	s.notThese("binding-key-mismatch", "proof-malformed", "bound-token-forwarded")
	s.fact("DPoP")
	s.fact("two", "2 DPoP", "more than one", "duplicate", "twice", "several")
	s.fix("one component", "only one", "exactly one", "a single", "one proof", "once")
	return s
}

func proofMalformed() *scene {
	s := newScene("a02", "A new Python job gets a 500 from the token endpoint", "Ory-like AS, hand-written signer", "2026-02-27T16:44:09Z")
	k := s.newKey("ES256")
	body := form("grant_type", "client_credentials", "client_id", "nightly-sync", "client_secret", s.hide("client_secret", "", 24), "scope", "inventory")
	e := s.grantCall(0, "https://auth.depot.example/oauth2/token", body, proof{key: k, padded: true, jti: s.value(13)}, "User-Agent: python-httpx/0.28.1")
	e.answer(500, `{"error":"error","error_description":"The error is unrecognizable"}`, noStore, "X-Request-Id: "+s.value(9))
	s.addCurl("session.txt", overH2(e)...)
	s.fails("proof-malformed", "high", 1)
	s.notThese("proof-signature-invalid", "client-authentication-failed", "proof-claim-missing", "undetermined")
	s.fact("base64url")
	s.fact("padding", "'='", `"="`, "padded")
	s.fact("header", "segment", "part")
	s.fix("JOSE library", "no padding", "without padding", "unpadded", "remove the padding")
	return s
}

func proofTypWrong() *scene {
	s := newScene("a03", "A .NET worker is told its proof is invalid and nothing more", "Auth0-like AS, generic JWT handler as signer", "2026-03-03T11:05:32Z")
	k := s.newKey("PS256")
	body := form("grant_type", "client_credentials", "client_id", "worker-eu", "client_secret", s.hide("client_secret", "", 32), "audience", "https://billing.example/api")
	meta := call(s.at(-2), "GET", "https://tenant-eu.example/.well-known/openid-configuration", "", acceptJSON).answer(200,
		`{"issuer":"https://tenant-eu.example/","token_endpoint":"https://tenant-eu.example/oauth/token","dpop_signing_alg_values_supported":["ES256","PS256"]}`)
	first := s.grantCall(0, "https://tenant-eu.example/oauth/token", body, proof{key: k, typ: "JWT"}).
		answer(400, `{"error":"invalid_dpop_proof","error_description":"Invalid DPoP proof."}`, noStore)
	again := s.grantCall(5, "https://tenant-eu.example/oauth/token", body, proof{key: k, typ: "JWT"}).
		answer(400, `{"error":"invalid_dpop_proof","error_description":"Invalid DPoP proof."}`, noStore)
	s.addTranscript("wire.txt", meta, first, again)
	s.fails("proof-typ-wrong", "high", 2)
	s.notThese("proof-malformed", "proof-alg-not-accepted", "proof-signature-invalid", "client-authentication-failed")
	s.fact("typ")
	s.fact("JWT")
	s.fix("dpop+jwt")
	return s
}

func proofAlgNotAccepted() *scene {
	s := newScene("a04", "A FAPI pilot fails with a signature error", "PingFederate-like AS, Rust client with Ed25519 keys", "2026-04-20T07:31:00Z")
	k := s.newKey("EdDSA")
	sub := "https://pilot-client.example"
	clientKey := s.newKey("PS256").named("pilot-2")
	assertion := s.jws("client_assertion", clientKey, "JWT", object{
		{"iss", sub},
		{"sub", sub},
		{"aud", "https://sso.fund.example"},
		{"jti", s.value(12)},
		{"iat", s.at(0).Unix()},
		{"exp", s.at(60).Unix()},
	})
	body := form("grant_type", "client_credentials", "scope", "positions", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", assertion)
	e := s.grantCall(0, "https://sso.fund.example/as/token.oauth2", body, proof{key: k}, "User-Agent: reqwest/0.12").
		answer(400, `{"error":"invalid_dpop_proof","error_description":"DPoP proof JWT signature validation failed."}`, noStore, "Referrer-Policy: origin").zipped()
	s.addBundle([]*exchange{e}, member{"authorization_server_metadata", object{
		{"issuer", "https://sso.fund.example"},
		{"token_endpoint", "https://sso.fund.example/as/token.oauth2"},
		{"token_endpoint_auth_methods_supported", []string{"private_key_jwt", "tls_client_auth"}},
		{"dpop_signing_alg_values_supported", []string{"ES256", "PS256"}},
	}})
	s.fails("proof-alg-not-accepted", "high", 1)
	s.notThese("proof-signature-invalid", "proof-alg-key-mismatch", "client-authentication-failed")
	s.fact("EdDSA")
	s.fact("ES256", "PS256")
	s.fact("dpop_signing_alg_values_supported", "metadata", "supported")
	s.fix("choose", "use one of", "intersection", "ES256")
	return s
}

func proofAlgKeyMismatch() *scene {
	s := newScene("a05", "RSA proofs from the new signing service never verify", "Spring-like RS, HSM-backed client", "2026-05-11T14:02:47Z")
	as, k := s.newKey("RS256").named("as-9"), s.newKey("RS256")
	target := "https://claims.insure.example/v1/claims"
	token := s.token(as, grant{iss: "https://login.insure.example", aud: "https://claims.insure.example", scope: "claims.read", issued: s.at(-60), bound: k})
	e := s.resource(0, "GET", target, token, proof{key: k, method: "PS256"}, acceptJSON).
		answer(401, "", `WWW-Authenticate: DPoP error="invalid_dpop_proof", error_description="DPoP proof is invalid", algs="RS256 PS256 ES256"`)
	s.addRaw("", e)
	s.fails("proof-alg-key-mismatch", "high", 1)
	s.notThese("proof-signature-invalid", "proof-signature-der-encoded", "proof-alg-not-accepted", "binding-key-mismatch")
	s.fact("RS256")
	s.fact("PS256", "PSS")
	s.fix("alg", "header")
	return s
}

func proofSignatureInvalid() *scene {
	s := newScene("a06", "All calls fail since the key rotation of the desktop client", "Kong-like gateway, desktop client with two key handles", "2026-06-18T09:15:20Z")
	as, shown, other := s.newKey("ES256").named("k1"), s.newKey("ES384"), s.newKey("ES384")
	target := "https://gw.studio.example/render/jobs?state=open"
	token := s.token(as, grant{iss: "https://accounts.studio.example", aud: "https://gw.studio.example", scope: "render", issued: s.at(-1200), bound: shown})
	e := s.resource(0, "GET", target, token, proof{key: other, shown: shown}).
		answer(401, `{"message":"Unauthorized","request_id":"5ad1f3"}`, `WWW-Authenticate: DPoP error="invalid_dpop_proof"`, "Server: kong/3.9.0", "X-Kong-Response-Latency: 2")
	s.addCurl("session.txt", e)
	s.fails("proof-signature-invalid", "high", 1)
	s.notThese("proof-signature-der-encoded", "proof-alg-key-mismatch", "binding-key-mismatch", "htu-query-or-fragment-included")
	s.fact("signature")
	s.fact("jwk", "embedded key", "public key")
	s.fix("same key", "one key", "after signing", "alter", "matching private key")
	return s
}

func athMissing() *scene {
	s := newScene("a07", "Login works, the first read does not", "Solid-like server, small fetch wrapper", "2026-07-21T18:40:03Z")
	as, k := s.newKey("ES256").named("pod-1"), s.newKey("ES256")
	host, pod := "https://solid.meadow.example", "https://ada.meadow.example"
	code, verifier := s.hide("authorization_code", "", 18), s.hide("code_verifier", "", 32)
	token := s.token(as, grant{iss: host, aud: "solid", scope: "openid webid", issued: s.at(0), bound: k, extra: object{{"webid", pod + "/profile/card#me"}}})
	body := form("grant_type", "authorization_code", "code", code, "code_verifier", verifier, "client_id", "https://notes.example/id", "redirect_uri", "https://notes.example/cb")
	icon := call(s.at(-1), "GET", "https://notes.example/favicon.ico", "", chrome).answer(404, "not found")
	login := s.grantCall(0, host+"/token", body, proof{key: k}, "Origin: https://notes.example", chrome).
		answer(200, tokenReply(token, "DPoP", 3600), noStore, "Access-Control-Allow-Origin: *")
	read := s.resource(1, "GET", pod+"/notes/", token, proof{key: k, bare: true}, "Accept: text/turtle", chrome).
		answer(401, `{"name":"UnauthorizedHttpError","message":"","statusCode":401,"errorCode":"H401"}`, "WWW-Authenticate: DPoP", "Access-Control-Allow-Origin: *")
	s.addHAR("notes.har", "Fiddler Everywhere", "6.1", icon, login, read)
	s.fails("ath-missing", "high", 3)
	s.notThese("proof-claim-missing", "scheme-unsupported-by-rs", "token-malformed", "nonce-challenge-unhandled")
	s.fact("ath")
	s.fact("missing", "no ath", "absent", "without", "lacks")
	s.fix("ath")
	return s
}

func athMismatch() *scene {
	s := newScene("a08", "A gateway with a custom authorizer refuses every call", "AWS-like API gateway, Lambda-style authorizer", "2026-08-02T22:10:55Z")
	as, k := s.newKey("RS256").named("Qx7="), s.newKey("ES256")
	target := "https://x1y2z3.execute.example/prod/devices/44"
	token := s.token(as, grant{iss: "https://idp.home.example/pool-1", aud: "https://x1y2z3.execute.example", scope: "devices/read", issued: s.at(-30), bound: k})
	attempt := func(at float64) *exchange {
		return s.resource(at, "GET", target, token, proof{key: k, ath: ath("DPoP " + token)}, "Accept: */*", "User-Agent: okhttp/5.1.0").
			answer(401, `{"message":"Unauthorized"}`, "x-amzn-RequestId: 0c1d3f0e-1f6e-4b1d-8a77-0c6f3a1e92b4", "x-amzn-ErrorType: UnauthorizedException", "x-amz-apigw-id: "+s.value(9)+"=")
	}
	s.addTranscript("wire.txt", attempt(0), attempt(4))
	s.fails("ath-mismatch", "high", 1)
	s.notThese("ath-mismatch-stale-token", "ath-encoding-wrong", "binding-key-mismatch", "token-expired", "undetermined")
	s.fact("ath")
	s.fact("scheme", "DPoP ", "prefix")
	s.fix("bare token", "token value", "token alone", "without the scheme", "only the token", "access token itself", "bare")
	return s
}

func proofHeadersJoined() *scene {
	s := newScene("a48", "Adding a tracing interceptor broke the token call", "Envoy-like front proxy, Kotlin client", "2026-09-14T05:50:40Z")
	k := s.newKey("ES256")
	target := "https://sts.parcel.example/oauth/token"
	body := form("grant_type", "refresh_token", "client_id", "courier", "refresh_token", s.hide("refresh_token", "rt.", 30))
	e := s.grantCall(0, target, body, proof{key: k}, acceptJSON, "User-Agent: ktor-client")
	other := s.prove(proof{key: k, htm: "POST", htu: target, iat: s.at(0)})
	for i := range e.headers {
		if e.headers[i].name == "DPoP" {
			e.headers[i].value += ", " + other
		}
	}
	e.answer(400, `{"error":"invalid_request","error_description":"Failed to parse JWT: unexpected token"}`, noStore, "Server: envoy")
	ping := call(s.at(-3), "POST", "https://traces.vendor.example/v1/traces", `{"resourceSpans":[]}`, jsonType).answer(401, `{"message":"missing api key"}`)
	s.addHAR("courier.har", "HTTP Toolkit", "1.20", overH2(ping, e)...)
	s.fails("proof-header-duplicated", "high", 2)
	s.notThese("proof-malformed", "grant-invalid", "token-missing", "proof-signature-invalid")
	s.fact("two", "2 proofs", "more than one", "duplicate", "comma", "joined")
	s.fact("DPoP")
	s.fix("one component", "only one", "exactly one", "a single", "one proof", "once")
	if !strings.Contains(lookup(e.headers, "DPoP"), ", ") {
		panic("proofs are not joined")
	}
	return s
}
