package main

var nonceCasesE = []func() *scene{eFirstNonce, eThreeZones, eNoNonceHeader, eNamedUUID, eTwoMiddlewares, eNoRetry}

func eFirstNonce() *scene {
	s := newScene("e15", "A background refresh is challenged every time", "Solid-like identity provider with rotating nonces, desktop client", "2025-12-11T22:15:00Z")
	as, k := s.newKey("ES256").named("NkP2"), s.newKey("ES256")
	target := "https://idp.grove.example/token"
	n1, n2, n3 := s.value(16), s.value(16), s.value(16)
	token := s.token(as, grant{iss: "https://idp.grove.example", aud: "solid", scope: "openid offline_access webid", issued: s.at(0), life: 300, bound: k})
	one, two := s.hide("refresh_token", "", 32), s.hide("refresh_token", "", 32)
	body := form("grant_type", "refresh_token", "refresh_token", one, "client_id", "grove-desk")
	a := s.grantCall(-0.5, target, body, proof{key: k}).answer(400, oauthError("use_dpop_nonce", "nonce is required in the DPoP proof"), noStore, "DPoP-Nonce: "+n1)
	b := s.grantCall(0, target, body, proof{key: k, nonce: n1}).answer(200, tokenReply(token, "DPoP", 300, member{"refresh_token", two}), noStore, "DPoP-Nonce: "+n2)
	c := s.grantCall(290, target, form("grant_type", "refresh_token", "refresh_token", two, "client_id", "grove-desk"), proof{key: k, nonce: n1}).
		answer(400, oauthError("use_dpop_nonce", "nonce is required in the DPoP proof"), noStore, "DPoP-Nonce: "+n3)
	s.addHAR("refresh.har", "Fiddler", "5.0", a, b, c)
	s.seenAfter(420)
	s.fails("nonce-expired", "high", 3)
	s.orElse("nonce-challenge-unhandled")
	s.notThese("nonce-not-shared-across-replicas", "refresh-token-replayed", "no-failure")
	s.fact(n1)
	s.fact(n2, "newer", "newest", "latest", "replaced")
	s.fix("every answer", "every response", "each response", "latest", "newest", "replace", "most recent")
	return s
}

func eThreeZones() *scene {
	s := newScene("e16", "Wallets need three or four attempts to get a token", "OpenID4VCI AS in several zones, key material per instance", "2026-09-10T10:10:10Z")
	k := s.newKey("ES256")
	target := "https://as.issuance.example/par"
	n := []string{"", s.value(20), s.value(20), s.value(20), s.value(20)}
	verifier := s.value(32)
	body := form("client_id", "wallet-ref", "response_type", "code", "scope", "mdl", "code_challenge", pkce(verifier), "code_challenge_method", "S256", "redirect_uri", "eudi-wallet://cb")
	var list []*exchange
	for i, zone := range []string{"as-a", "as-b", "as-a", "as-a"} {
		e := s.grantCall(float64(i), target, body, proof{key: k, nonce: n[i]})
		if i == 3 {
			e.answer(201, `{"request_uri":"urn:example:8c1f","expires_in":60}`, noStore, "X-Instance: "+zone, "DPoP-Nonce: "+n[4])
		} else {
			e.answer(400, oauthError("use_dpop_nonce", "Authorization server requires nonce in DPoP proof"), noStore, "X-Instance: "+zone, "DPoP-Nonce: "+n[i+1])
		}
		list = append(list, e)
	}
	s.addTranscript("par.txt", list...)
	s.fails("nonce-not-shared-across-replicas", "high", 2)
	s.notThese("nonce-expired", "nonce-challenge-unhandled", "nonce-from-other-server", "no-failure")
	s.fact("as-a")
	s.fact("as-b")
	s.fix("shared key", "share", "stateless", "same key")
	return s
}

func eNoNonceHeader() *scene {
	s := newScene("e17", "A service is asked for a nonce and gives up", "Authlete-like AS behind an edge function, Go service", "2026-01-27T05:05:05Z")
	k := s.newKey("ES256")
	target := "https://id.kiln.example/token"
	basic := s.basic("kiln-batch")
	post := func(at float64) *exchange {
		return s.grantCall(at, target, form("grant_type", "client_credentials", "scope", "glaze"), proof{key: k}, basic, "User-Agent: Go-http-client/1.1").
			answer(400, oauthError("use_dpop_nonce", "Authorization server requires nonce in DPoP proof"), noStore, "Server: edge")
	}
	s.raw(post(0), post(2))
	s.seenAfter(60)
	s.fails("nonce-challenge-without-value", "high", 1)
	s.notThese("nonce-challenge-unhandled", "nonce-not-exposed-by-cors", "client-authentication-failed")
	s.fact("DPoP-Nonce")
	s.fact("no DPoP-Nonce", "without", "missing", "absent", "lacks", "no value", "does not carry")
	s.fix("send DPoP-Nonce", "send the DPoP-Nonce", "always send", "send the nonce", "authorization server", "header")
	return s
}

func eNamedUUID() *scene {
	s := newScene("e18", "Polling works once per process", "Spring-like RS with a replay cache, Java client", "2026-07-01T03:30:00Z")
	as, k := s.newKey("RS256").named("sas-2"), s.newKey("ES256")
	target, jti := "https://meters.grid.example/api/readings/latest", "6f1c2f5e-0c8a-3d0b-9a57-5a1de3e5b7d4"
	token := s.token(as, grant{iss: "https://uaa.grid.example", aud: "https://meters.grid.example", scope: "readings", issued: s.at(-30), life: 1800, bound: k})
	a := s.resource(0, "GET", target, token, proof{key: k, jti: jti}).answer(200, `{"kwh":1290.4}`)
	b := s.resource(60, "GET", target, token, proof{key: k, jti: jti}).
		answer(401, "", `WWW-Authenticate: DPoP error="invalid_dpop_proof", error_description="DPoP proof has already been used", algs="RS256 ES256"`)
	s.addHAR("meter.har", "Charles", "5.0", a, b)
	s.seenAfter(100)
	s.fails("jti-not-unique", "high", 2)
	s.notThese("proof-reused-on-retry", "replay-checked-twice", "client-clock-skew")
	s.fact("jti")
	s.fact(jti)
	s.fix("random", "unique", "96", "new jti")
	return s
}

func eTwoMiddlewares() *scene {
	s := newScene("e19", "Every request is called a replay, also the first one", "Django-like RS, middleware and view class both check the proof", "2026-02-19T15:20:00Z")
	s.vantage = "server"
	as, k := s.newKey("ES256").named("al-1"), s.newKey("ES256")
	target := "https://trails.hiking.example/api/trails/7/photos"
	token := s.token(as, grant{iss: "https://id.hiking.example", aud: "https://trails.hiking.example", scope: "photos", issued: s.at(-100), bound: k})
	jti := s.value(12)
	e := s.resource(0, "POST", target, token, proof{key: k, jti: jti}, jsonType).with(`{"caption":"summit"}`).
		answer(401, `{"detail":"DPoP proof replay detected."}`, `WWW-Authenticate: DPoP error="invalid_dpop_proof", error_description="jti already used"`)
	s.addBundle([]*exchange{e}, lines("server_log",
		"15:20:00.031 INFO dpop.middleware req=5e7c POST /api/trails/7/photos proof accepted jti="+jti,
		"15:20:00.034 WARN dpop.authentication req=5e7c POST /api/trails/7/photos jti seen before jti="+jti))
	s.fails("replay-checked-twice", "high", 1)
	s.notThese("proof-reused-on-retry", "jti-not-unique", "token-expired")
	s.fact("twice", "two", "both", "second check")
	s.fact("jti")
	s.fix("one consumer", "only one", "once", "separate store", "single", "one verifier", "one of them")
	return s
}

func eNoRetry() *scene {
	s := newScene("e50", "The nightly import stopped when the tenant switched nonces on", "Okta-like AS, Python SDK", "2026-05-28T02:00:00Z")
	k, login := s.newKey("ES256"), s.newKey("RS256").named("imp-1")
	host := "https://tenant5.example"
	post := func(at float64) *exchange {
		body := form("grant_type", "client_credentials", "scope", "okta.users.manage", "client_assertion_type", assertionType, "client_assertion", s.assertion(login, "0oa9import", host+"/oauth2/v1/token", at))
		return s.grantCall(at, host+"/oauth2/v1/token", body, proof{key: k}).
			answer(400, oauthError("use_dpop_nonce", "Authorization server requires nonce in DPoP proof."), noStore, "dpop-nonce: "+s.value(24))
	}
	s.addTranscript("import.txt", post(0), post(300))
	s.seenAfter(3600)
	s.fails("nonce-challenge-unhandled", "high", 2)
	s.notThese("client-authentication-failed", "nonce-expired", "nonce-challenge-without-value", "no-failure")
	s.fact("nonce")
	s.fact("DPoP-Nonce")
	s.fix("retry", "repeat", "send again", "include the nonce", "nonce claim", "keep the nonce")
	return s
}
