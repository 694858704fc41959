package main

var verdictCasesB = []func() *scene{
	bHealthyPAR, bHealthyDevice, bHealthyRefresh, bHealthyBusy, bHealthyThirdParties, bHealthyTwoOrigins,
	bOpenOpaque, bOpenMarkers, bOpenLogOnly, bOpenServerError, bOpenCutProof, bOpenForbidden,
}

func bHealthyPAR() *scene {
	s := newScene("b77", "Two red lines in the trace of a bank login", "FAPI-like AS with PAR, nonces and private_key_jwt", "2026-01-08T08:18:00Z")
	as, k, clientKey := s.newKey("ES256").named("f-as"), s.newKey("ES256"), s.newKey("PS256").named("tpp-9")
	host, api := "https://auth.savings.example", "https://api.savings.example"
	verifier, code := s.hide("code_verifier", "", 32), s.hide("authorization_code", "", 26)
	n1, n2, n3 := s.value(16), s.value(16), s.value(16)
	push := func(at float64) string {
		return form("client_id", "tpp", "response_type", "code", "redirect_uri", "https://tpp.example/cb", "scope", "accounts", "code_challenge", pkce(verifier), "code_challenge_method", "S256",
			"client_assertion_type", assertionType, "client_assertion", s.assertion(clientKey, "tpp", host, at))
	}
	token := s.token(as, grant{iss: host, aud: api, scope: "accounts", issued: s.at(30), bound: k})
	redeem := form("grant_type", "authorization_code", "code", code, "code_verifier", verifier, "redirect_uri", "https://tpp.example/cb",
		"client_assertion_type", assertionType, "client_assertion", s.assertion(clientKey, "tpp", host, 30))
	list := []*exchange{
		s.grantCall(0, host+"/par", push(0), proof{key: k}).answer(400, oauthError("use_dpop_nonce", needNonce), noStore, "DPoP-Nonce: "+n1),
		s.grantCall(1, host+"/par", push(1), proof{key: k, nonce: n1}).answer(201, `{"request_uri":"urn:ietf:params:oauth:request_uri:`+s.value(10)+`","expires_in":60}`, noStore, "DPoP-Nonce: "+n2),
		s.grantCall(30, host+"/token", redeem, proof{key: k, nonce: n2}).answer(200, tokenReply(token, "DPoP", 900), noStore),
		s.resource(31, "GET", api+"/accounts", token, proof{key: k}).answer(401, "", dpopChallenge("use_dpop_nonce", "nonce required"), "DPoP-Nonce: "+n3),
		s.resource(32, "GET", api+"/accounts", token, proof{key: k, nonce: n3}).answer(200, `{"Data":{"Account":[]}}`),
	}
	s.addBundle(list)
	s.healthy()
	s.notThese("nonce-challenge-unhandled", "grant-consumed-by-nonce-challenge", "client-authentication-failed", "nonce-from-other-server")
	s.fact("nonce")
	s.fact("succe", "recover", "200", "normal", "expected")
	return s
}

func bHealthyDevice() *scene {
	s := newScene("b78", "A television polls and shows many bad requests", "Device flow with slow_down, Authentik-like AS", "2026-02-22T20:00:00Z")
	as, k := s.newKey("EdDSA").named("dev-1"), s.newKey("ES384")
	host := "https://id.tvapp.example"
	device := s.hide("device_code", "", 30)
	body := form("grant_type", "urn:ietf:params:oauth:grant-type:device_code", "device_code", device, "client_id", "tv")
	token := s.token(as, grant{iss: host, aud: "https://api.tvapp.example", scope: "films", issued: s.at(40), bound: k})
	poll := func(at float64) *exchange { return s.grantCall(at, host+"/token", body, proof{key: k}) }
	list := []*exchange{
		call(s.at(0), "POST", host+"/device", form("client_id", "tv", "scope", "films"), formType).
			answer(200, object{{"device_code", device}, {"user_code", "WDJB-MJHT"}, {"verification_uri", host + "/activate"}, {"expires_in", 900}, {"interval", 5}}.String(), noStore),
		poll(5).answer(400, oauthError("authorization_pending", "The authorization request is still pending"), noStore),
		poll(8).answer(400, oauthError("slow_down", "Polling too fast"), noStore),
		poll(19).answer(400, oauthError("authorization_pending", "The authorization request is still pending"), noStore),
		poll(30).answer(400, oauthError("authorization_pending", "The authorization request is still pending"), noStore),
		poll(40).answer(200, tokenReply(token, "DPoP", 3600), noStore),
		s.resource(41, "GET", "https://api.tvapp.example/home", token, proof{key: k}).answer(200, "{}"),
	}
	s.addHAR("tv.har", "Charles", "5.1", list...)
	s.healthy()
	s.notThese("grant-invalid", "proof-reused-on-retry", "nonce-challenge-unhandled", "client-authentication-failed")
	s.fact("authorization_pending", "pending", "polling", "device")
	s.fact("succe", "200", "normal", "expected")
	return s
}

func bHealthyRefresh() *scene {
	s := newScene("b79", "A 401 every hour on the hour", "Spring-like RS, client that refreshes when told", "2026-03-31T23:00:00Z")
	as, k := s.newKey("ES384").named("hr-1"), s.newKey("EdDSA")
	host, target := "https://auth.brook.example", "https://flow.brook.example/gauges"
	r1, r2 := s.hide("refresh_token", "", 32), s.hide("refresh_token", "", 32)
	mint := func(at float64) string {
		return s.token(as, grant{iss: host, aud: "https://flow.brook.example", scope: "gauges", issued: s.at(at), bound: k})
	}
	old := mint(-3601)
	next := mint(1)
	list := []*exchange{
		s.resource(0, "GET", target, old, proof{key: k}).answer(401, "", dpopChallenge("invalid_token", "Jwt expired at 2026-03-31T22:59:59Z")),
		s.grantCall(1, host+"/oauth2/token", form("grant_type", "refresh_token", "client_id", "gauge", "refresh_token", r1), proof{key: k}).
			answer(200, tokenReply(next, "DPoP", 3600, member{"refresh_token", r2}), noStore),
		s.resource(2, "GET", target, next, proof{key: k}).answer(200, `[{"g":1}]`),
	}
	s.addCurl("hourly.txt", overH2(list...)...)
	s.healthy()
	s.notThese("token-expired", "client-clock-skew", "refresh-token-replayed", "token-revoked")
	s.fact("expired", "refresh")
	s.fact("succe", "200", "normal", "recover", "expected")
	return s
}

func bHealthyBusy() *scene {
	s := newScene("b80", "The import log is full of errors", "Rate limited API, client that signs each attempt", "2026-05-05T05:05:00Z")
	as, k := s.newKey("ES256").named("rl-1"), s.newKey("PS256")
	target := "https://import.atlas9.example/rows"
	token := s.token(as, grant{iss: "https://id.atlas9.example", aud: "https://import.atlas9.example", scope: "rows", issued: s.at(-9), bound: k})
	post := func(at float64, row string) *exchange {
		return s.resource(at, "POST", target, token, proof{key: k}, jsonType).with(`{"row":"` + row + `"}`)
	}
	s.addRaw("", post(0, "1").answer(503, "upstream connect error or disconnect/reset before headers", "Server: envoy"))
	s.addRaw("", post(2, "1").answer(429, `{"title":"Too Many Requests","status":429}`, problemType, "Retry-After: 4"))
	s.addRaw("", post(7, "1").answer(201, `{"id":1}`))
	s.addRaw("", post(8, "2").answer(422, `{"title":"Unprocessable Entity","status":422,"detail":"row 2: amount is not a number"}`, problemType))
	s.healthy()
	s.notThese("proof-reused-on-retry", "jti-not-unique", "server-iat-window-too-tight", "insufficient-scope")
	s.fact("429", "503", "rate", "retry")
	s.fact("422")
	s.fact("succe", "201", "normal", "accepted", "expected")
	return s
}

func bHealthyThirdParties() *scene {
	s := newScene("b81", "Many red lines in the network tab", "Browser app, blocked trackers, two APIs", "2026-07-19T12:30:00Z")
	as, k := s.newKey("EdDSA").named("tp-1"), s.newKey("ES256")
	origin, api := "https://recipes.example", "https://api.recipes.example"
	token := s.token(as, grant{iss: "https://id.recipes.example", aud: api, scope: "recipes", issued: s.at(-30), bound: k})
	list := s.chatter(0, 24, origin, chrome)
	for i := range 5 {
		list = append(list, s.resource(0.25+float64(i), "GET", api+"/v1/cards?page="+string(rune('1'+i)), token, proof{key: k}, "Origin: "+origin, chrome).
			answer(200, "[]", "Access-Control-Allow-Origin: "+origin))
	}
	list = append(list,
		call(s.at(3.1), "POST", "https://bid.vendor.example/auction", "{}", jsonType, chrome).answer(403, ""),
		call(s.at(3.2), "GET", "https://push.vendor.example/v1/keys", "", auth("Bearer", "anonymous"), chrome).answer(401, `{"error":"unauthorized_client"}`, `WWW-Authenticate: Bearer realm="push"`),
		call(s.at(3.3), "GET", "https://px.vendor.example/i.gif", "", chrome).breaks("net::ERR_BLOCKED_BY_CLIENT"))
	s.addHAR("recipes.har", "WebInspector", "537.36", overH2(inOrder(list)...)...)
	s.healthy()
	s.notThese("token-missing", "token-malformed", "dpop-header-blocked-by-preflight", "insufficient-scope", "client-authentication-failed")
	s.fact("vendor.example", "unrelated", "other site", "third", "another site", "other host")
	s.fact("succe", "200", "normal", "accepted", "expected")
	return s
}

func bHealthyTwoOrigins() *scene {
	s := newScene("b82", "Das Protokoll meldet Warnungen bei jedem Lauf", "Two resource servers with own nonces, German server log", "2026-09-03T03:30:00Z")
	as, k := s.newKey("ES256").named("zwei-1"), s.newKey("ES512")
	one, two := "https://lager.werk.example", "https://versand.werk.example"
	token := s.token(as, grant{iss: "https://anmeldung.werk.example", aud: []string{one, two}, scope: "lager versand", issued: s.at(-50), bound: k})
	n := []string{s.value(12), s.value(12), s.value(12), s.value(12)}
	refuse := dpopChallenge("use_dpop_nonce", "Nonce fehlt")
	list := []*exchange{
		s.resource(0, "GET", one+"/teile", token, proof{key: k}).answer(401, "", refuse, "DPoP-Nonce: "+n[0]),
		s.resource(0.4, "GET", one+"/teile", token, proof{key: k, nonce: n[0]}).answer(200, "[]", "DPoP-Nonce: "+n[1]),
		s.resource(1, "GET", two+"/pakete", token, proof{key: k}).answer(401, "", refuse, "DPoP-Nonce: "+n[2]),
		s.resource(1.5, "GET", two+"/pakete", token, proof{key: k, nonce: n[2]}).answer(200, "[]"),
		s.resource(2, "GET", one+"/teile/7", token, proof{key: k, nonce: n[1]}).answer(200, "{}", "DPoP-Nonce: "+n[3]),
	}
	s.addTranscript("lauf.txt", list...)
	s.log("dienst-log.txt", one, "03:30:00.010 WARN  [dpop] Nachweis ohne Nonce, fordere Nonce an", "03:30:00.430 INFO  [dpop] Nachweis gültig")
	s.healthy()
	s.notThese("nonce-from-other-server", "nonce-challenge-unhandled", "nonce-expired", "nonce-not-shared-across-replicas")
	s.fact("nonce")
	s.fact("succe", "recover", "200", "normal", "expected")
	return s
}

func bOpenOpaque() *scene {
	s := newScene("b83", "A one-line refusal for an opaque token", "Apache module as RS", "2026-01-13T13:01:00Z")
	k := s.newKey("ES512")
	token := s.hide("access_token", "AT-", 34)
	e := s.resource(0, "GET", "https://stacks.university.example/loans", token, proof{key: k}).answer(401, "", "WWW-Authenticate: DPoP", "Server: Apache")
	s.addCurl("loans.txt", overH2(e)...)
	s.open(1)
	s.notThese("scheme-unsupported-by-rs", "token-expired", "token-malformed", "binding-key-mismatch", "token-revoked")
	s.lacks("introspection", "token claims", "token response")
	s.lacks("server log", "log", "verifier", "server's view")
	return s
}

func bOpenMarkers() *scene {
	s := newScene("b84", "An export cleaned by a security team", "SaaS API, header values replaced before sharing", "2026-03-29T09:29:00Z")
	api := "https://api.saas5.example"
	get := func(at float64, path string) *exchange {
		return call(s.at(at), "GET", api+path, "", "Authorization: [REDACTED]", "DPoP: [REDACTED]", "Cookie: [REDACTED]", chrome).
			answer(401, object{{"errors", []any{object{{"status", "401"}, {"title", "Unauthorized"}}}}}.String(), "Content-Type: application/vnd.api+json", `WWW-Authenticate: DPoP error="invalid_token"`)
	}
	s.addHAR("clean.har", "har-sanitizer", "1.1", overH2(get(0, "/v2/me"), get(0.2, "/v2/teams"), call(s.at(1), "GET", "https://www.saas5.example/a.js", "", chrome).answer(200, "1", "Content-Type: text/javascript"))...)
	s.open(1)
	s.notThese("token-missing", "token-malformed", "proof-malformed", "token-expired", "token-revoked")
	s.lacks("access token", "token claims", "introspection", "claims")
	s.lacks("proof", "DPoP header")
	return s
}

func bOpenLogOnly() *scene {
	s := newScene("b85", "Only the access log was saved", "nginx access log, no request kept", "2026-06-05T06:05:00Z")
	s.vantage = "server"
	s.log("access-log.txt", "https://api.freightyard.example",
		`198.51.100.70 - - [05/Jun/2026:06:05:00 +0000] "POST /v1/manifests HTTP/2.0" 401 0 "-" "yard-client/2.2" rt=0.004 uct=0.001`,
		`198.51.100.70 - - [05/Jun/2026:06:05:02 +0000] "POST /v1/manifests HTTP/2.0" 401 0 "-" "yard-client/2.2" rt=0.003 uct=0.001`,
		`198.51.100.71 - - [05/Jun/2026:06:05:03 +0000] "GET /v1/manifests/4 HTTP/2.0" 200 912 "-" "yard-client/2.1" rt=0.020 uct=0.001`)
	s.note("The partner says that it is our side. We no longer have the requests.")
	s.open(0)
	s.notThese("token-expired", "proof-missing", "token-missing", "htm-mismatch", "no-failure")
	s.lacks("request", "capture", "proof", "DPoP header")
	s.lacks("WWW-Authenticate", "challenge", "response")
	return s
}

func bOpenServerError() *scene {
	s := newScene("b86", "The token endpoint shows an error page", "Java AS behind a balancer", "2026-08-26T18:26:00Z")
	k := s.newKey("EdDSA")
	code, verifier := s.hide("authorization_code", "", 24), s.hide("code_verifier", "", 32)
	e := s.grantCall(0, "https://login.regatta.example/oauth/token", form("grant_type", "authorization_code", "client_id", "crew", "code", code, "code_verifier", verifier, "redirect_uri", "https://crew.regatta.example/cb"), proof{key: k}).
		answer(502, "<html><head><title>502 Bad Gateway</title></head><body>Error 0x2f. Reference 18.c4.</body></html>", "Server: lb")
	s.addRaw("", e)
	s.open(1)
	s.notThese("grant-invalid", "proof-malformed", "code-key-mismatch", "client-authentication-failed", "proof-alg-not-accepted")
	s.lacks("server log", "log")
	s.lacks("metadata", "token response", "response body", "authorization request", "verifier", "server's view")
	return s
}

func bOpenCutProof() *scene {
	s := newScene("b87", "A proof error in a ticket, header shortened by the ticket system", "Fosite-like RS, values cut at 80 characters", "2026-10-11T11:10:00Z")
	k := s.newKey("ES384")
	e := s.resource(0, "PATCH", "https://rooms.campus.example/v3/rooms/9", s.value(30), proof{key: k}, jsonType).with(`{"free":true}`)
	cut := lookup(e.headers, "DPoP")[:80]
	s.secrets = nil
	e.set("DPoP", cut+"…[truncated]").set("Authorization", "DPoP ...")
	e.answer(401, oauthError("invalid_dpop_proof", "The proof was rejected"), dpopChallenge("invalid_dpop_proof", "The proof was rejected"))
	s.addTranscript("ticket.txt", e)
	s.open(1)
	s.want.family = "pop"
	s.notThese("proof-malformed", "proof-signature-invalid", "token-malformed", "htm-mismatch", "ath-mismatch")
	s.lacks("proof", "DPoP header")
	s.lacks("token", "server log", "verifier", "claims")
	return s
}

func bOpenForbidden() *scene {
	s := newScene("b88", "Everything checks out and the edge says access denied", "Content network with rules nobody remembers", "2026-12-09T21:12:00Z")
	as, k := s.newKey("ES256").named("cf-1"), s.newKey("ES256")
	api := "https://radio-api.waves.example"
	token := s.token(as, grant{iss: "https://id.waves.example", aud: api, scope: "shows", issued: s.at(-45), bound: k})
	e := s.resource(0, "GET", api+"/shows", token, proof{key: k}).answer(403, "<html><title>Access denied</title><p>error code: 1020</p></html>", "Server: edge", "Via: 1.1 edge")
	s.addTranscript("shows.txt", e)
	s.open(1)
	s.notThese("insufficient-scope", "audience-mismatch", "binding-key-mismatch", "token-revoked", "scheme-unsupported-by-rs")
	s.lacks("server log", "log")
	s.lacks("WWW-Authenticate", "challenge", "verifier", "introspection", "server's view")
	return s
}
