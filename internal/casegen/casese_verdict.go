package main

var healthyCasesE = []func() *scene{eHealthyProfile, eHealthyStepUp, eHealthyPut, eHealthyChallengeFirst}

var openCasesE = []func() *scene{eOpenClockNote, eOpenNoAuthorization, eOpenQuoted, eOpenBadRequest}

func eHealthyProfile() *scene {
	s := newScene("e53", "The file browser shows two red lines while it starts", "Solid-like pod, app that probes before it logs in", "2025-11-02T18:00:00Z")
	as, k := s.newKey("ES256").named("css-1"), s.newKey("ES256")
	pod := "https://dana.pods9.example"
	token := s.token(as, grant{iss: "https://pods9.example/", aud: "solid", scope: "openid webid", issued: s.at(2), life: 600, bound: k, extra: object{{"webid", pod + "/profile/card#me"}}})
	a := call(s.at(0), "GET", pod+"/private/", "", "Accept: text/turtle", firefox).answer(401, `{"name":"UnauthorizedHttpError","statusCode":401}`, "WWW-Authenticate: DPoP, Bearer")
	b := s.grantCall(2, "https://pods9.example/.oidc/token", form("grant_type", "authorization_code", "client_id", "https://files.example/id", "code", s.hide("authorization_code", "", 24), "code_verifier", s.hide("code_verifier", "", 32), "redirect_uri", "https://files.example/"), proof{key: k}, firefox).
		answer(200, tokenReply(token, "DPoP", 600), noStore)
	c := s.resource(3, "GET", pod+"/private/", token, proof{key: k}, "Accept: text/turtle", firefox).answer(200, "<> a <#Container>.", "Content-Type: text/turtle")
	d := s.resource(4, "GET", pod+"/private/.meta-index", token, proof{key: k}, firefox).answer(404, `{"name":"NotFoundHttpError","statusCode":404}`)
	s.addHAR("files.har", "Firefox", "144.0", a, b, c, d)
	s.healthy()
	s.notThese("token-missing", "htu-wrong-endpoint", "insufficient-scope")
	s.fact("401", "404")
	s.fact("succe", "recover", "200", "normal", "expected")
	return s
}

func eHealthyStepUp() *scene {
	s := newScene("e54", "The agent is told that its scope is not enough", "MCP server with step-up authorization", "2026-08-20T12:12:00Z")
	as, k := s.newKey("ES256").named("su-1"), s.newKey("ES256")
	host, mcp := "https://auth.survey.example", "https://mcp.survey.example/mcp"
	small := s.token(as, grant{iss: host, aud: mcp, scope: "files:read", issued: s.at(-100), bound: k})
	large := s.token(as, grant{iss: host, aud: mcp, scope: "files:read files:write", issued: s.at(20), bound: k})
	body := `{"jsonrpc":"2.0","id":6,"method":"tools/call","params":{"name":"save"}}`
	a := s.resource(0, "POST", mcp, small, proof{key: k}, jsonType).with(body).
		answer(403, "{}", `WWW-Authenticate: DPoP error="insufficient_scope", scope="files:read files:write", resource_metadata="https://mcp.survey.example/.well-known/oauth-protected-resource/mcp"`)
	b := s.grantCall(20, host+"/token", form("grant_type", "authorization_code", "client_id", "https://agent.example/client.json", "code", s.hide("authorization_code", "", 24), "code_verifier", s.hide("code_verifier", "", 32), "redirect_uri", "http://127.0.0.1:7777/", "resource", mcp), proof{key: k}).
		answer(200, tokenReply(large, "DPoP", 3600), noStore)
	c := s.resource(21, "POST", mcp, large, proof{key: k}, jsonType).with(body).answer(200, `{"jsonrpc":"2.0","id":6,"result":{"content":[]}}`)
	s.addBundle([]*exchange{a, b, c})
	s.healthy()
	s.notThese("insufficient-scope", "audience-mismatch", "htm-mismatch")
	s.fact("scope", "403")
	s.fact("succe", "recover", "200", "normal", "expected")
	return s
}

func eHealthyPut() *scene {
	s := newScene("e55", "Saving shows errors in the log although nothing is lost", "FHIR server with version checks and rotating nonces", "2026-04-28T16:16:00Z")
	as, k := s.newKey("ES384").named("fh-2"), s.newKey("ES384")
	target := "https://fhir.clinic9.example/r4/CarePlan/9"
	n1, n2, n3 := s.value(15), s.value(15), s.value(15)
	token := s.token(as, grant{iss: "https://auth.clinic9.example", aud: "https://fhir.clinic9.example/r4", scope: "user/CarePlan.cruds", issued: s.at(-33), bound: k})
	put := func(at float64, nonce, version string) *exchange {
		return s.resource(at, "PUT", target, token, proof{key: k, nonce: nonce}, "If-Match: W/\""+version+"\"", "Content-Type: application/fhir+json").with(`{"resourceType":"CarePlan","id":"9"}`)
	}
	a := put(0, "", "3").answer(401, "", `WWW-Authenticate: DPoP error="use_dpop_nonce"`, "DPoP-Nonce: "+n1)
	b := put(1, n1, "3").answer(412, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"conflict"}]}`, "DPoP-Nonce: "+n2)
	c := put(2, n2, "4").answer(200, `{"resourceType":"CarePlan","id":"9"}`, "DPoP-Nonce: "+n3)
	s.raw(a, b, c)
	s.healthy()
	s.notThese("nonce-expired", "nonce-challenge-unhandled", "htm-mismatch")
	s.fact("nonce")
	s.fact("succe", "recover", "200", "normal", "expected")
	return s
}

func eHealthyChallengeFirst() *scene {
	s := newScene("e56", "Each synchronisation begins with an unauthorized request", "Calendar client that waits for the challenge before it sends its token", "2026-01-09T06:30:00Z")
	as, k := s.newKey("EdDSA").named("cal-4"), s.newKey("ES256")
	target := "https://dav.almanac.example/calendars/eva/"
	token := s.token(as, grant{iss: "https://login.almanac.example", aud: "https://dav.almanac.example", scope: "calendar", issued: s.at(-1000), bound: k})
	a := call(s.at(0), "PROPFIND", target, "", "Depth: 1", "User-Agent: DAVx/4.5").answer(401, "", `WWW-Authenticate: DPoP algs="ES256 EdDSA"`, "WWW-Authenticate: Basic realm=\"dav\"")
	b := s.resource(0.2, "PROPFIND", target, token, proof{key: k}, "Depth: 1", "User-Agent: DAVx/4.5").answer(207, `<?xml version="1.0"?><multistatus xmlns="DAV:"/>`, "Content-Type: application/xml")
	s.addTranscript("sync.txt", a, b)
	s.healthy()
	s.notThese("token-missing", "authorization-header-stripped", "scheme-unsupported-by-rs")
	s.fact("401", "challenge", "without credentials")
	s.fact("succe", "recover", "207", "normal", "expected")
	return s
}

func eOpenClockNote() *scene {
	s := newScene("e57", "An opaque token is refused, the customer suspects the time server", "PingAM-like RS, opaque tokens", "2026-05-30T14:00:00Z")
	k := s.newKey("ES256")
	e := s.resource(0, "GET", "https://rs.pension.example/statements", s.hide("access_token", "", 27), proof{key: k}, acceptJSON).
		answer(401, "", `WWW-Authenticate: DPoP error="invalid_token"`)
	s.raw(e)
	s.note("Our time server was replaced the day before. Could that be it?", "A colleague has also renewed the TLS certificate of the proxy.")
	s.open(1)
	s.notThese("client-clock-skew", "server-clock-wrong", "token-expired", "binding-key-mismatch")
	s.lacks("introspection", "token response", "claims")
	s.lacks("server log", "log", "verifier")
	return s
}

func eOpenNoAuthorization() *scene {
	s := newScene("e58", "A browser capture attached to a forum post", "Browser app, default capture export", "2026-06-27T20:40:00Z")
	k := s.newKey("ES256")
	target := "https://api.forum9.example/v1/threads"
	proof := s.prove(s.fill(proof{key: k, ath: ath(s.value(30))}, s.at(0), "GET", target))
	e := call(s.at(0), "GET", target, "", "Origin: https://forum9.example", dpop(proof), chrome).
		answer(401, `{"message":"Unauthorized"}`, "Access-Control-Allow-Origin: https://forum9.example")
	s.addHAR("forum.har", "WebInspector", "537.36", overH2(e)...)
	s.open(1)
	s.notThese("token-missing", "ath-mismatch", "authorization-header-stripped")
	s.lacks("Authorization", "access token", "token claims")
	s.lacks("WWW-Authenticate", "challenge", "server log")
	return s
}

func eOpenQuoted() *scene {
	s := newScene("e59", "A ticket with one line of the response and no values", "Spring-like RS, values removed", "2026-03-14T11:11:00Z")
	e := call(s.at(0), "POST", "https://api.tailor.example/fittings", `{"size":42}`, jsonType, "Authorization: DPoP [REDACTED]", "DPoP: [REDACTED]", "Via: 1.1 varnish").
		answer(401, "", `WWW-Authenticate: DPoP error="invalid_dpop_proof", error_description="The DPoP proof is invalid", algs="RS256 ES256"`)
	s.addCurl("ticket.txt", e)
	s.open(1)
	s.want.family = "pop"
	s.notThese("proof-malformed", "dpop-header-stripped-by-proxy", "htm-mismatch", "token-malformed")
	s.lacks("proof", "DPoP header")
	s.lacks("token", "claims", "server log", "verifier")
	return s
}

func eOpenBadRequest() *scene {
	s := newScene("e60", "The token endpoint says bad request and nothing else", "Vendor AS, service with a new client library", "2026-07-16T07:30:00Z")
	k := s.newKey("ES256")
	e := s.grantCall(0, "https://sso.vendor9.example/as/token", form("grant_type", "client_credentials", "scope", "reports"), proof{key: k}, s.basic("report-service")).
		answer(400, `{"error":"invalid_request"}`, noStore, "Server: nginx", "X-Request-Id: 6f0a")
	s.addBundle([]*exchange{e}, member{"client", object{{"clock_source", "NTP"}, {"key_store", "new key pair made after the update"}}})
	s.open(1)
	s.notThese("client-authentication-failed", "proof-malformed", "key-regenerated-token-cached", "grant-invalid")
	s.lacks("server log", "log")
	s.lacks("metadata", "verifier", "server's view", "token response")
	return s
}
