package main

import "time"

var doubleCasesB = []func() *scene{
	bTypAndAth, bExpiredAndBinding, bSkewAndMethod, bPrivateAndMilliseconds,
	bMountedPath, bBackendClock, bNonceInLog,
	bSlowRecorder, bFastRecorder, bSlowClient,
}

func bTypAndAth() *scene {
	s := newScene("b89", "A first attempt with a general JWT library", "Nimbus-like RS, Elixir client", "2026-01-24T10:24:00Z")
	as, k := s.newKey("ES256").named("nb-1"), s.newKey("EdDSA")
	target := "https://api.aviary.example/nests"
	token := s.token(as, grant{iss: "https://id.aviary.example", aud: "https://api.aviary.example", scope: "nests", issued: s.at(-30), bound: k})
	e := s.resource(0, "GET", target, token, proof{key: k, typ: "JWT", bare: true}, "User-Agent: mint/1.7").
		answer(401, "", dpopChallenge("invalid_dpop_proof", "Invalid DPoP proof: JOSE header typ (type) JWT not allowed"))
	s.addRaw("", e)
	s.fails("proof-typ-wrong", "high", 1)
	s.also("ath-missing")
	s.notThese("proof-malformed", "proof-claim-missing", "proof-alg-not-accepted")
	s.fact("typ")
	s.fact("ath")
	s.fix("dpop+jwt")
	return s
}

func bExpiredAndBinding() *scene {
	s := newScene("b90", "An old token from the wiki page", "Envoy-like gateway, shared example request", "2026-03-14T15:09:00Z")
	as, bound, used := s.newKey("ES384").named("wk-1"), s.newKey("ES256"), s.newKey("ES256")
	token := s.token(as, grant{iss: "https://id.cellars.example", aud: "https://api.cellars.example", scope: "casks", issued: s.at(-90000), bound: bound})
	e := s.resource(0, "GET", "https://api.cellars.example/casks", token, proof{key: used}).
		answer(401, "Jwt is expired", `WWW-Authenticate: Bearer realm="https://api.cellars.example/casks", error="invalid_token"`, "Server: envoy")
	s.addTranscript("wiki.txt", e)
	s.fails("token-expired", "high", 1)
	s.also("binding-key-mismatch")
	s.notThese("client-clock-skew", "scheme-unsupported-by-rs", "token-revoked", "key-regenerated-token-cached")
	s.fact("expired")
	s.fact(bound.jkt(), used.jkt())
	s.fix("refresh", "new token", "obtain")
	return s
}

func bSkewAndMethod() *scene {
	s := newScene("b91", "A field tablet fails with a time error, and would fail with another after that", "Duende-like API, tablet with a flat clock battery", "2026-05-20T06:50:00Z")
	as, k := s.newKey("PS256").named("tab-1"), s.newKey("ES256")
	host, target := "https://ids.forestry.example", "https://trees.forestry.example/api/plots?region=7"
	behind := -815.0
	token := s.token(as, grant{iss: host, aud: "https://trees.forestry.example", scope: "plots", issued: s.at(-100), bound: k})
	meta := call(s.at(behind-2), "GET", host+"/.well-known/openid-configuration", "").answer(200, `{"issuer":"`+host+`","token_endpoint":"`+host+`/connect/token"}`, "Date: "+httpDate(s.at(-2)))
	a := s.resource(behind, "PATCH", target, token, proof{key: k, htm: "GET"}, jsonType).with(`{"n":3}`).
		answer(401, "", dpopChallenge("invalid_dpop_proof", "Invalid 'iat' value."), "Date: "+httpDate(s.at(0)), "Server: Kestrel")
	b := s.resource(behind+4, "PATCH", target, token, proof{key: k, htm: "GET"}, jsonType).with(`{"n":3}`).
		answer(401, "", dpopChallenge("invalid_dpop_proof", "Invalid 'iat' value."), "Date: "+httpDate(s.at(4)), "Server: Kestrel")
	c := call(s.at(behind+5), "GET", "https://maps.vendor.example/t/1", "").answer(200, "PNG", "Content-Type: image/png", "Date: "+httpDate(s.at(5)))
	s.addTranscript("tablet.txt", meta, a, b, c)
	s.fails("client-clock-skew", "high", 2)
	s.also("htm-mismatch")
	s.notThese("proof-stale-when-sent", "server-clock-wrong", "htu-query-or-fragment-included", "token-not-yet-valid")
	s.fact("815", "13m35", "13 min", "814", "816")
	s.fact("PATCH")
	s.fix("clock", "NTP", "time sync", "Date header")
	return s
}

func bPrivateAndMilliseconds() *scene {
	s := newScene("b92", "A browser game cannot get its first token", "Duende-like AS, hand-written TypeScript", "2026-07-30T13:37:00Z")
	k := s.newKey("EdDSA")
	d := k.private()
	s.keep("private_key_member", d)
	target := "https://id.arcade.example/connect/token"
	code, verifier := s.hide("authorization_code", "", 32), s.hide("code_verifier", "", 32)
	v := s.signProof(k, object{{"typ", "dpop+jwt"}, {"alg", "EdDSA"}, {"jwk", append(k.jwk(), member{"d", d}, member{"key_ops", []string{"sign"}}, member{"ext", true})}},
		object{{"jti", s.value(16)}, {"htm", "POST"}, {"htu", target}, {"iat", s.at(0.25).UnixMilli()}})
	e := call(s.at(0.25), "POST", target, form("grant_type", "authorization_code", "client_id", "game", "code", code, "code_verifier", verifier, "redirect_uri", "https://arcade.example/cb"), formType, "Origin: https://arcade.example", chrome, dpop(v)).
		answer(400, oauthError("invalid_dpop_proof", "'jwk' value contains a private key."), noStore, "Access-Control-Allow-Origin: https://arcade.example")
	js := call(s.at(-1), "GET", "https://arcade.example/game.js", "", chrome).answer(200, "0", "Content-Type: text/javascript")
	s.addHAR("arcade.har", "WebInspector", "537.36", overH2(js, e)...)
	s.fails("proof-jwk-contains-private-key", "high", 2)
	s.also("iat-in-milliseconds")
	s.notThese("client-clock-skew", "grant-invalid", "proof-signature-invalid")
	s.fact("private")
	s.fact("millisecond")
	s.fix("rotate", "new key", "replace the key", "compromis", "discard")
	return s
}

func bMountedPath() *scene {
	s := newScene("b93", "Logins fail since the provider moved under a path", "node-oidc-provider-like AS mounted in another application", "2026-02-18T07:20:00Z")
	s.vantage = "client+backend"
	k := s.newKey("ES384")
	target := "https://portal.abbey.example/oidc/token"
	e := s.grantCall(0, target, form("grant_type", "client_credentials", "scope", "bells"), proof{key: k}, s.basic("bells")).
		answer(400, oauthError("invalid_dpop_proof", "DPoP proof is not valid for this request"), noStore, "X-Powered-By: Express")
	inside := seen("POST", "https://portal.abbey.example/token", append([]header{{"Host", "portal.abbey.example"}, {"X-Forwarded-Proto", "https"}}, e.headers...))
	s.addBundle([]*exchange{e}, s.backend(0.01, 1, inside), member{"topology", []string{"client -> proxy (TLS) -> portal app, mounts provider at /oidc"}})
	s.fails("htu-path-prefix-mismatch", "high", 1)
	s.notThese("htu-wrong-endpoint", "client-authentication-failed", "htu-host-mismatch-behind-proxy", "htu-scheme-mismatch-behind-proxy")
	s.fact("/oidc")
	s.fact("https://portal.abbey.example/token")
	s.fix("X-Forwarded-Prefix", "prefix", "external URL", "public URL", "public base URL", "original URL", "mount")
	return s
}

func bBackendClock() *scene {
	s := newScene("b94", "Calls are refused although every clock we own is right", "Edge with a right clock, service in a paused virtual machine", "2026-06-03T16:30:00Z")
	s.vantage = "client+backend"
	as, k := s.newKey("EdDSA").named("vm-1"), s.newKey("ES256")
	target := "https://ledger.mint.example/coins"
	token := s.token(as, grant{iss: "https://id.mint.example", aud: "https://ledger.mint.example", scope: "coins", issued: s.at(-5000), life: 9000, bound: k})
	out := s.resource(0, "GET", target, token, proof{key: k}).answer(401, "", dpopChallenge("invalid_dpop_proof", "proof rejected"), "Server: edge")
	in := call(s.at(0.01), "GET", target, "", "X-Forwarded-Proto: https", "X-Forwarded-Host: ledger.mint.example", auth("DPoP", token), dpop(lookup(out.headers, "DPoP"))).
		answer(401, "", "Date: "+httpDate(s.at(-2411)), dpopChallenge("invalid_dpop_proof", "proof rejected"))
	s.addRaw("edge-", out)
	s.addRaw("vm-", in)
	s.log("vm-log.txt", target, "2026-06-03T15:49:49.020Z WARN  iat is 2411 s in the future, limit 60 s")
	s.fails("server-clock-wrong", "high", 1)
	s.notThese("client-clock-skew", "proof-stale-when-sent", "proof-reused-on-retry", "token-not-yet-valid", "undetermined")
	s.fact("2411", "40m11", "40 min", "2410", "2412")
	s.fact("behind", "slow", "in the past", "late")
	s.fix("NTP", "server's clock", "server clock", "synchroni")
	return s
}

func bNonceInLog() *scene {
	s := newScene("b95", "The API asks for a nonce, gets it, and asks again", "Duende-like API in two containers, data protection keys not shared", "2026-08-12T08:12:00Z")
	s.vantage = "client+backend"
	as, k := s.newKey("ES256").named("dp-1"), s.newKey("ES384")
	target := "https://orders.tea.example/api/leaves"
	token := s.token(as, grant{iss: "https://ids.tea.example", aud: "https://orders.tea.example", scope: "leaves", issued: s.at(-6), bound: k})
	n1, n2, n3 := s.value(20), s.value(20), s.value(20)
	ask := dpopChallenge("use_dpop_nonce", "Invalid 'nonce' value.")
	list := []*exchange{
		s.resource(0, "GET", target, token, proof{key: k}).answer(401, "", ask, "DPoP-Nonce: "+n1),
		s.resource(0.2, "GET", target, token, proof{key: k, nonce: n1}).answer(401, "", ask, "DPoP-Nonce: "+n2),
		s.resource(0.4, "GET", target, token, proof{key: k, nonce: n2}).answer(401, "", ask, "DPoP-Nonce: "+n3),
	}
	s.addBundle(list, member{"server_log", []string{
		"orders-5f-x1 | 08:12:00.020 issued nonce " + n1,
		"orders-5f-x2 | 08:12:00.221 nonce " + n1 + " cannot be unprotected: key {7b1c} not found in the key ring, issued nonce " + n2,
		"orders-5f-x1 | 08:12:00.423 nonce " + n2 + " cannot be unprotected: key {90aa} not found in the key ring, issued nonce " + n3,
	}},
		member{"topology", []string{"client -> ingress (round robin) -> orders-5f-x1, orders-5f-x2"}})
	s.fails("nonce-not-shared-across-replicas", "high", 2)
	s.notThese("nonce-expired", "nonce-challenge-unhandled", "nonce-from-other-server", "no-failure")
	s.fact("orders-5f-x1")
	s.fact("orders-5f-x2")
	s.fact("replica", "instance", "container")
	s.fix("shared key", "stateless", "share")
	return s
}

// recordedAt moves the capture times, as a recorder with a wrong clock does.
// Date fields and proofs stay as they were.
func recordedAt(seconds int, list ...*exchange) []*exchange {
	for _, e := range list {
		e.at = e.at.Add(time.Duration(seconds) * time.Second)
	}
	return list
}

func bSlowRecorder() *scene {
	s := newScene("b96", "By the capture's times the token is fine", "Recording proxy with a slow clock, WSO2-like API manager", "2026-01-31T14:31:00Z")
	as, k := s.newKey("ES256").named("ws-4"), s.newKey("ES256")
	host, api := "https://is.quay.example", "https://gw.quay.example"
	token := s.token(as, grant{iss: host, aud: api, scope: "berths", issued: s.at(-4020), bound: k})
	asset := call(s.at(-2), "GET", "https://www.quay.example/app.js", "", chrome).answer(200, "1", "Content-Type: text/javascript")
	bad := s.resource(0, "GET", api+"/berths/1", token, proof{key: k}, chrome).
		answer(401, `{"code":"900902","message":"Missing Credentials","description":"Make sure your API invocation call has a valid credential"}`, `WWW-Authenticate: DPoP error="invalid_token"`)
	meta := call(s.at(3), "GET", host+"/oauth2/jwks", "", chrome).answer(200, object{{"keys", []any{as.setMember()}}}.String())
	s.addHAR("quay.har", "Charles", "5.0.3", overH2(recordedAt(-3180, asset, bad, meta)...)...)
	s.fails("token-expired", "high", 2)
	s.notThese("token-missing", "client-clock-skew", "server-clock-wrong", "proof-stale-when-sent", "undetermined")
	s.fact("exp")
	s.fact("420", "7 min", "7m", "14:24:00")
	s.fix("refresh", "new token", "obtain")
	return s
}

func bFastRecorder() *scene {
	s := newScene("b97", "By the capture's times everything has expired", "Test machine three hours ahead, JSON:API service", "2026-04-09T04:09:00Z")
	as, k := s.newKey("ES512").named("ja-1"), s.newKey("EdDSA")
	api := "https://fleet.pier.example"
	token := s.token(as, grant{iss: "https://id.pier.example", aud: api, scope: "boats:read", issued: s.at(-600), bound: k})
	list := []*exchange{
		s.resource(0, "GET", api+"/boats", token, proof{key: k}).answer(200, `{"data":[]}`, "Content-Type: application/vnd.api+json"),
		s.resource(2, "DELETE", api+"/boats/4", token, proof{key: k}).answer(403, `{"errors":[{"status":"403","title":"Forbidden","detail":"not allowed"}]}`, "Content-Type: application/vnd.api+json",
			`WWW-Authenticate: DPoP error="insufficient_scope", scope="boats:delete"`),
		call(s.at(3), "GET", "https://docs.pier.example/errors.json", "").answer(200, "{}"),
	}
	s.addHAR("pier.har", "Insomnia", "2026.3", recordedAt(10800, list...)...)
	s.seenAfter(12000)
	s.fails("insufficient-scope", "high", 2)
	s.notThese("token-expired", "client-clock-skew", "proof-stale-when-sent", "server-clock-wrong", "htm-mismatch")
	s.fact("boats:delete")
	s.fact("boats:read")
	s.fix("ask for the scope", "request the scope", "scope")
	return s
}

func bSlowClient() *scene {
	s := newScene("b98", "One workstation cannot sign in anywhere", "Browser on a machine that is slow, three healthy servers", "2026-11-19T19:11:00Z")
	as, k := s.newKey("ES256").named("sl-1"), s.newKey("EdDSA")
	host, api := "https://id.orbit.example", "https://api.orbit.example"
	behind := -660.0
	r1, r2 := s.hide("refresh_token", "", 30), s.hide("refresh_token", "", 30)
	token := s.token(as, grant{iss: host, aud: api, scope: "orbits", issued: s.at(1), bound: k})
	list := []*exchange{
		call(s.at(-1), "GET", "https://orbit.example/", "", safari).answer(200, "<!doctype html>"),
		s.grantCall(1, host+"/token", form("grant_type", "refresh_token", "client_id", "orb", "refresh_token", r1), proof{key: k, iat: s.at(1 + behind)}, safari).
			answer(200, tokenReply(token, "DPoP", 3600, member{"refresh_token", r2}), noStore),
		s.resource(2, "GET", api+"/orbits", token, proof{key: k, iat: s.at(2 + behind)}, safari).answer(401, `{"message":"Forbidden by policy"}`, dpopChallenge("invalid_token", "proof or token is not current")),
		s.resource(5, "GET", api+"/orbits", token, proof{key: k, iat: s.at(5 + behind)}, safari).answer(401, `{"message":"Forbidden by policy"}`, dpopChallenge("invalid_token", "proof or token is not current")),
	}
	s.addHAR("orbit.har", "WebInspector", "620.1", recordedAt(int(behind), list...)...)
	s.fails("client-clock-skew", "high", 3)
	s.notThese("server-clock-wrong", "token-not-yet-valid", "proof-stale-when-sent", "token-expired")
	s.fact("660", "11 min", "11m")
	s.fact("behind", "slow", "past")
	s.fix("clock", "NTP", "time sync", "Date header")
	return s
}
