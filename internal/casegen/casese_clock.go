package main

var clockCasesE = []func() *scene{eSignedThenQueued, eBoardClock, eNoLeeway}

func eSignedThenQueued() *scene {
	s := newScene("e20", "Calls are refused whenever the rate limiter holds them back", "Okta-like API, Java SDK that waits for a rate limit window", "2026-04-22T12:00:00Z")
	as, k := s.newKey("RS256").named("org-7"), s.newKey("RS256")
	host := "https://dir.harvest.example"
	token := s.token(as, grant{iss: host, aud: host, scope: "okta.groups.read", issued: s.at(-600), bound: k})
	a := s.resource(0, "GET", host+"/api/v1/groups", token, proof{key: k}, acceptJSON).answer(200, `[{"id":"00g1"}]`, "X-Rate-Limit-Remaining: 0", "X-Rate-Limit-Reset: 1776859640")
	b := s.resource(445, "GET", host+"/api/v1/groups/00g1/users", token, proof{key: k, iat: s.at(1)}, acceptJSON).
		answer(400, "{}", `WWW-Authenticate: DPoP error="invalid_dpop_proof", error_description="'iat' claim in the DPoP proof JWT is invalid."`)
	c := s.resource(446, "GET", host+"/api/v1/users/me", token, proof{key: k}, acceptJSON).answer(200, `{"id":"00u1"}`)
	s.addHAR("groups.har", "mitmproxy", "11.0", a, b, c)
	s.seenAfter(500)
	s.fails("proof-stale-when-sent", "high", 2)
	s.notThese("client-clock-skew", "server-clock-wrong", "token-expired")
	s.fact("444", "7m24", "7 min", "443", "445")
	s.fact("iat")
	s.fix("when sending", "send time", "when it is sent", "just before", "right before", "at the time of sending")
	return s
}

func eBoardClock() *scene {
	s := newScene("e21", "The login server is happy, the home hub is not", "Home automation hub without network time, cloud AS", "2026-01-03T08:00:00Z")
	as, k := s.newKey("ES256").named("cl-3"), s.newKey("ES256")
	hub := "https://hub.cottage.example:8123"
	token := s.token(as, grant{iss: "https://account.cottage.example", aud: hub, scope: "states", issued: s.at(0), bound: k})
	code, verifier := s.hide("authorization_code", "", 24), s.hide("code_verifier", "", 32)
	a := s.grantCall(0, "https://account.cottage.example/token", form("grant_type", "authorization_code", "client_id", "https://app.cottage.example", "code", code, "code_verifier", verifier, "redirect_uri", "cottage://auth"), proof{key: k}).
		answer(200, tokenReply(token, "DPoP", 3600), noStore)
	b := s.resource(2, "GET", hub+"/api/states", token, proof{key: k}).
		answer(401, "401: Unauthorized", "Date: "+httpDate(s.at(2-1260)), "Server: Python/3.13 aiohttp/3.12", `WWW-Authenticate: DPoP error="invalid_dpop_proof"`)
	s.addCurl("hub.txt", a, b)
	s.seenAfter(45)
	s.fails("server-clock-wrong", "high", 2)
	s.notThese("client-clock-skew", "token-not-yet-valid", "server-iat-window-too-tight")
	s.fact("1260", "21 min", "21m", "1259", "1261")
	s.fact("hub.cottage.example")
	s.fix("NTP", "clock", "time sync")
	return s
}

func eNoLeeway() *scene {
	s := newScene("e22", "About every second login fails, a reload helps", "Keycloak-like AS with no allowed clock skew, laptop", "2026-03-30T16:45:00Z")
	k := s.newKey("ES256")
	target := "https://login.atelier.example/realms/staff/protocol/openid-connect/token"
	post := func(at, ahead float64) *exchange {
		body := form("grant_type", "authorization_code", "client_id", "board", "code", s.hide("authorization_code", "", 24), "code_verifier", s.hide("code_verifier", "", 32), "redirect_uri", "https://board.atelier.example/")
		return s.grantCall(at, target, body, proof{key: k, iat: s.at(at + ahead)}, firefox)
	}
	refusal := oauthError("invalid_request", "DPoP proof is not active")
	a := post(0, 3).answer(400, refusal, noStore)
	b := post(12, 0).answer(200, tokenReply(s.hide("access_token", "", 33), "DPoP", 300), noStore)
	c := post(320, 3).answer(400, refusal, noStore)
	s.addHAR("logins.har", "Firefox", "148.0", a, b, c)
	s.seenAfter(400)
	s.fails("server-iat-window-too-tight", "high", 1)
	s.orElse("client-clock-skew")
	s.notThese("grant-invalid", "server-clock-wrong", "token-not-yet-valid", "no-failure")
	s.fact("3 s", "3s", "3 seconds", "+3")
	s.fact("iat")
	s.fix("leeway", "tolerance", "skew", "allow some seconds", "both sides", "window")
	return s
}
