package main

var targetCasesE = []func() *scene{ePortAdded, eDoubleSlash, eMetadataHTTP, eCustomDomain, eTokenEndpointHtu, eHandlerRetry, eApexRedirect}

func ePortAdded() *scene {
	s := newScene("e23", "Devices cannot log in since the identity server moved behind a balancer", "Authentik-like AS, balancer on 443, container on 9443", "2026-01-22T21:08:00Z")
	k := s.newKey("ES256")
	target := "https://auth.harbor.example/application/o/token/"
	e := s.grantCall(0, target, form("grant_type", "client_credentials", "client_id", "scanner-2", "client_secret", s.hide("client_secret", "", 30)), proof{key: k}).
		answer(400, oauthError("invalid_dpop_proof", "Invalid DPoP proof"), noStore, "X-Powered-By: authentik")
	s.addBundle([]*exchange{e}, lines("server_log", `{"event":"dpop htu mismatch","level":"warning","expected":"https://auth.harbor.example:9443/application/o/token/","got":"https://auth.harbor.example/application/o/token/","timestamp":"2026-01-22T21:08:00Z"}`))
	s.fails("htu-port-mismatch", "high", 1)
	s.notThese("htu-host-mismatch-behind-proxy", "htu-trailing-slash-mismatch", "client-authentication-failed")
	s.fact("9443")
	s.fact("port")
	s.fix("Host", "X-Forwarded-Port", "public URL", "forward")
	return s
}

func eDoubleSlash() *scene {
	s := newScene("e24", "One deployment of the app cannot read anything", "FHIR server, base address configured with a final slash", "2026-03-19T13:13:00Z")
	as, k := s.newKey("ES384").named("smart-9"), s.newKey("ES384")
	base := "https://fhir.hospice.example/r4/"
	token := s.token(as, grant{iss: "https://auth.hospice.example", aud: "https://fhir.hospice.example/r4", scope: "system/Patient.rs", issued: s.at(-44), life: 300, bound: k})
	e := s.resource(0, "GET", base+"/Patient/512", token, proof{key: k, htu: base + "Patient/512"}, "Accept: application/fhir+json").
		answer(401, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"login"}]}`, "Content-Type: application/fhir+json", `WWW-Authenticate: DPoP error="invalid_dpop_proof"`)
	s.addCurl("patient.txt", e)
	s.fails("htu-trailing-slash-mismatch", "high", 1)
	s.orElse("htu-wrong-endpoint")
	s.notThese("htu-path-prefix-mismatch", "token-expired", "redirect-followed-with-same-proof")
	s.fact("/r4//Patient/512")
	s.fact("slash")
	s.fix("URL sent", "URL that is sent", "sign the URL", "join", "same URL", "exact URL")
	return s
}

func eMetadataHTTP() *scene {
	s := newScene("e40", "The tool server works on the laptop and not in the cloud", "Python MCP server on a container platform that ends TLS", "2026-07-28T15:42:00Z")
	as, k := s.newKey("ES256").named("w1"), s.newKey("ES256")
	target := "https://mcp-tools.run.example/mcp"
	token := s.token(as, grant{iss: "https://auth.workbench.example", aud: target, scope: "tools", issued: s.at(-9), bound: k})
	e := s.resource(0, "POST", target, token, proof{key: k}, jsonType, "Accept: application/json, text/event-stream").with(`{"jsonrpc":"2.0","id":0,"method":"initialize"}`).
		answer(401, oauthError("invalid_token", "Authentication failed"), "Server: uvicorn", `WWW-Authenticate: DPoP error="invalid_dpop_proof", error_description="htu mismatch", resource_metadata="http://mcp-tools.run.example/.well-known/oauth-protected-resource/mcp"`)
	s.addHAR("inspector.har", "mitmproxy", "11.1", e)
	s.fails("htu-scheme-mismatch-behind-proxy", "medium", 1)
	s.notThese("htu-wrong-endpoint", "htu-path-prefix-mismatch", "token-expired", "undetermined")
	s.fact("http://mcp-tools.run.example")
	s.fact("htu")
	s.fix("X-Forwarded-Proto", "Forwarded", "proxy header", "public URL", "forwarded header")
	return s
}

func eCustomDomain() *scene {
	s := newScene("e41", "Login through the company domain fails, through the vendor domain it works", "Hosted AS with a custom domain in front", "2026-02-25T09:09:09Z")
	k := s.newKey("ES256")
	code, verifier := s.hide("authorization_code", "", 24), s.hide("code_verifier", "", 32)
	e := s.grantCall(0, "https://login.bakery.example/oauth/token", form("grant_type", "authorization_code", "client_id", "N3kq", "code", code, "code_verifier", verifier, "redirect_uri", "https://shop.bakery.example/callback"), proof{key: k}, chrome).
		answer(400, oauthError("invalid_dpop_proof", "DPoP proof is invalid"), noStore)
	s.addHAR("callback.har", "WebInspector", "537.36", overH2(e)...)
	s.log("tenant-log.txt", "https://bakery.eu.vendor.example", `{"type":"feacft","description":"DPoP htu claim https://login.bakery.example/oauth/token does not match https://bakery.eu.vendor.example/oauth/token","hostname":"bakery.eu.vendor.example"}`)
	s.fails("htu-host-mismatch-behind-proxy", "high", 1)
	s.notThese("htu-wrong-endpoint", "grant-invalid", "htu-scheme-mismatch-behind-proxy")
	s.fact("login.bakery.example")
	s.fact("bakery.eu.vendor.example")
	s.fix("Host", "public URL", "custom domain")
	return s
}

func eTokenEndpointHtu() *scene {
	s := newScene("e42", "The credential request is refused although the token is new", "OpenID4VCI issuer, wallet library with one proof builder", "2026-06-02T17:17:00Z")
	as, k := s.newKey("ES256").named("iss-1"), s.newKey("ES256")
	host := "https://issuer.diploma.example"
	token := s.token(as, grant{iss: host, aud: host, scope: "diploma", issued: s.at(0), life: 600, bound: k})
	a := s.grantCall(0, host+"/oauth/token", form("grant_type", "urn:ietf:params:oauth:grant-type:pre-authorized_code", "pre-authorized_code", s.hide("authorization_code", "", 24)), proof{key: k}).
		answer(200, tokenReply(token, "DPoP", 600), noStore)
	b := s.resource(1, "POST", host+"/openid4vci/credential", token, proof{key: k, htu: host + "/oauth/token"}, jsonType).with(`{"credential_configuration_id":"diploma_sd_jwt"}`).
		answer(401, `{"error":"invalid_token"}`, `WWW-Authenticate: DPoP error="invalid_token"`)
	s.addHAR("diploma.har", "Charles", "5.0", a, b)
	s.fails("htu-wrong-endpoint", "high", 2)
	s.notThese("htu-path-prefix-mismatch", "token-expired", "binding-key-mismatch", "proof-reused-on-retry")
	s.fact("htu")
	s.fact(host + "/oauth/token")
	s.fix("final URL", "request URL", "actual URL", "URL that is called", "called URL", "URL sent")
	return s
}

func eHandlerRetry() *scene {
	s := newScene("e46", "Short outages of the API turn into logouts", "Duende-like API, .NET client with a retry handler outside the DPoP handler", "2026-04-14T18:30:00Z")
	as, k := s.newKey("RS256").named("7E2B"), s.newKey("PS256")
	target := "https://orders.florist.example/api/orders"
	token := s.token(as, grant{iss: "https://id.florist.example", aud: "https://orders.florist.example", scope: "orders", issued: s.at(-400), bound: k})
	a := s.resource(0, "GET", target, token, proof{key: k}).answer(503, "", "Retry-After: 2")
	b := s.copyOf(a, 2, target).answer(401, "", `WWW-Authenticate: DPoP error="invalid_dpop_proof", error_description="Detected replay of DPoP proof token."`)
	s.raw(a, b)
	s.fails("proof-reused-on-retry", "high", 2)
	s.notThese("jti-not-unique", "replay-checked-twice", "token-expired")
	s.fact("503", "retry")
	s.fact("same proof", "identical", "reused", "resent", "sent twice", "repeated")
	s.fix("new proof", "fresh", "new jti", "inside the retry")
	return s
}

func eApexRedirect() *scene {
	s := newScene("e47", "The short address of the API stopped working for bound tokens", "Rails-like API moved to a www host, shell script", "2025-11-18T12:12:00Z")
	as, k := s.newKey("ES256").named("ra-2"), s.newKey("ES256")
	token := s.token(as, grant{iss: "https://id.atlas.example", aud: []string{"https://atlas.example", "https://www.atlas.example"}, scope: "maps", issued: s.at(-61), bound: k})
	a := s.resource(0, "GET", "https://atlas.example/api/maps", token, proof{key: k}).answer(301, "", "Location: https://www.atlas.example/api/maps", "Server: cowboy")
	b := s.copyOf(a, 0.4, "https://www.atlas.example/api/maps").
		answer(401, `{"error":"The access token is invalid"}`, `WWW-Authenticate: DPoP realm="Doorkeeper", error="invalid_token", error_description="The access token is invalid"`)
	s.addTranscript("maps.txt", a, b)
	s.fails("redirect-followed-with-same-proof", "high", 2)
	s.orElse("htu-host-mismatch-behind-proxy")
	s.notThese("proof-reused-on-retry", "token-revoked", "audience-mismatch")
	s.fact("301", "redirect")
	s.fact("www.atlas.example")
	s.fix("new proof", "fresh proof", "re-sign", "rebuild", "sign again")
	return s
}
