package main

var transportCasesC = []func() *scene{cProofDropped, cAuthorizationDropped, cOnlyProof, cManyGroups}

func cProofDropped() *scene {
	s := newScene("c28", "The service is sure that the app forgot its proof", "Cloud load balancer that drops unknown headers over 1 KB, Jersey-like RS", "2026-02-11T11:02:00Z")
	s.vantage = "client+backend"
	as, k := s.newKey("ES256").named("lb-1"), s.newKey("RS256")
	target := "https://claims.insurer.example/claims/77"
	token := s.token(as, grant{iss: "https://id.insurer.example", aud: "https://claims.insurer.example", scope: "claims", issued: s.at(-15), bound: k})
	e := s.resource(0, "GET", target, token, proof{key: k}, acceptJSON).
		answer(401, `{"error":"invalid_dpop_proof","error_description":"Client must send a DPoP header"}`, dpopChallenge("invalid_dpop_proof", "Client must send a DPoP header"), "Via: 1.1 alb-eu")
	s.addTranscript("app.txt", e)
	s.log("jersey-trace.txt", "https://claims.insurer.example",
		"11:02:00.044 FINE [http-3] * Server has received a request on thread http-3",
		"11:02:00.044 FINE [http-3] > GET "+target,
		"11:02:00.044 FINE [http-3] > accept, authorization, host, via, x-amzn-trace-id, x-forwarded-for, x-forwarded-port, x-forwarded-proto",
		"11:02:00.046 WARN [http-3] no dpop header in request, rejecting")
	s.fails("dpop-header-stripped-by-proxy", "high", 1)
	s.notThese("proof-missing", "proof-malformed", "bound-token-sent-as-bearer", "headers-too-large")
	s.fact("DPoP")
	s.fact("proxy", "on the way", "stripped", "removed", "dropped", "alb-eu", "lost", "did not arrive", "balancer")
	s.fix("forward", "pass the DPoP", "pass it", "pass DPoP", "allow list", "verify at the edge", "let the DPoP header through")
	return s
}

func cAuthorizationDropped() *scene {
	s := newScene("c29", "The archive asks for a token that every request carries", "Basic-auth gateway that consumes Authorization, service behind it", "2026-02-26T06:26:00Z")
	s.vantage = "client+backend"
	as, k := s.newKey("ES512").named("ba-1"), s.newKey("ES256")
	target := "https://archive.parchment.example/scrolls"
	token := s.token(as, grant{iss: "https://id.parchment.example", aud: "https://archive.parchment.example", scope: "scrolls", issued: s.at(-7), bound: k})
	e := s.resource(0, "GET", target, token, proof{key: k}).answer(401, `{"error":"missing_token"}`, "WWW-Authenticate: DPoP", "Server: gate")
	arrived := seen("GET", target, []header{{"Host", "archive.parchment.example"}, {"X-Forwarded-Proto", "https"}, {"X-Authenticated-User", "-"}, {"DPoP", lookup(e.headers, "DPoP")}})
	s.addBundle([]*exchange{e}, s.backend(0.02, 1, arrived), lines("topology", "client -> gate (own login check on Authorization) -> scrolls-svc"))
	s.fails("authorization-header-stripped", "high", 1)
	s.notThese("token-missing", "dpop-header-stripped-by-proxy", "token-malformed", "scheme-unsupported-by-rs", "no-failure")
	s.fact("Authorization")
	s.fact("backend", "on the way", "lost", "stripped", "removed", "gate", "proxy", "dropped")
	s.fix("forward", "pass Authorization", "pass the Authorization", "pass it")
	return s
}

func cOnlyProof() *scene {
	s := newScene("c30", "A proof is sent and the API says nothing useful", "C client that sets its header list twice, curl trace of everything sent", "2026-03-13T03:31:00Z")
	k := s.newKey("ES384")
	target := "https://probe.glacier.example/v2/cores"
	first := call(s.at(0), "GET", target, "", dpop(s.prove(s.fill(proof{key: k}, s.at(0), "GET", target))), "X-Request-Source: lab").
		answer(401, "", `WWW-Authenticate: DPoP algs="ES256 ES384"`)
	again := call(s.at(4), "GET", target, "", dpop(s.prove(s.fill(proof{key: k}, s.at(4), "GET", target))), "X-Request-Source: lab").
		answer(401, "", `WWW-Authenticate: DPoP algs="ES256 ES384"`)
	s.addCurl("cores.txt", first, again)
	s.seenAfter(60)
	s.fails("token-missing", "high", 1)
	s.notThese("authorization-header-stripped", "ath-missing", "proof-malformed", "scheme-unsupported-by-rs", "no-failure")
	s.fact("Authorization", "access token")
	s.fact("missing", "no Authorization", "without", "absent", "no access token", "no credentials", "no token")
	s.fix("send it", "send the access token", "send the token", "add the", "Authorization: DPoP", "Authorization")
	return s
}

func cManyGroups() *scene {
	s := newScene("c31", "Only heads of department see the error page", "Token with every group of a large directory, Tomcat-like RS", "2026-03-27T10:37:00Z")
	as, k := s.newKey("PS256").named("dir-8"), s.newKey("RS256")
	api := "https://intra.ministry.example"
	groups := []string{}
	for range 240 {
		groups = append(groups, "grp-"+s.value(18))
	}
	token := s.token(as, grant{iss: "https://adfs.ministry.example", aud: api, scope: "news", issued: s.at(-30), bound: k, extra: object{{"groups", groups}}})
	e := s.resource(0, "GET", api+"/news", token, proof{key: k}, acceptJSON, chrome).
		answer(400, "<!doctype html><title>HTTP Status 400 – Bad Request</title><h1>HTTP Status 400 – Bad Request</h1><p><b>Message</b> Request header is too large</p><p><b>Description</b> The server cannot process the request due to something that is perceived to be a client error (e.g., malformed request syntax).</p>", "Connection: close")
	s.addHAR("news.har", "Fiddler Everywhere", "7.2", e)
	s.fails("headers-too-large", "high", 1)
	s.notThese("token-malformed", "proof-malformed", "token-expired", "undetermined")
	s.fact("bytes", "KB", "KiB")
	s.fact("too large", "limit", "exceed")
	s.fix("limit", "smaller", "fewer claims", "EC key", "raise", "fewer groups")
	return s
}
