package main

var targetCases = []func() *scene{htuPort, htuTrailingSlash, htuSchemeByRealm}

func htuPort() *scene {
	s := newScene("a23", "The sandbox on a special port refuses what production accepts", "Payment AS in a container, mapped port", "2026-02-19T14:14:14Z")
	s.vantage = "client+backend"
	k := s.newKey("ES256")
	target := "https://sandbox.pay.example:8443/oauth2/token"
	body := form("grant_type", "client_credentials", "scope", "payments")
	e := s.grantCall(0, target, body, proof{key: k}, s.basic("shop-17"), acceptJSON).
		answer(400, `{"error":"invalid_dpop_proof","error_description":"DPoP proof validation failed"}`, noStore)
	seen := object{
		{"method", "POST"},
		{"url", "https://sandbox.pay.example/oauth2/token"},
		{"http_version", "HTTP/1.1"},
		{"headers", pairs(append([]header{{"Host", "sandbox.pay.example"}, {"X-Forwarded-Proto", "https"}, {"X-Forwarded-For", "198.51.100.23"}}, e.headers...))},
		{"body", body},
	}
	s.addBundle([]*exchange{e},
		member{"backend_view", object{{"captured_at", stamp(s.at(0.02))}, {"exchange", 1}, {"request", seen}}},
		member{"server_log", []string{"2026-02-19T14:14:14.061Z DEBUG c.n.o.dpop htu does not match request URI https://sandbox.pay.example/oauth2/token"}},
		member{"topology", []string{"client -> docker host :8443 -> proxy :443 -> as :8080"}})
	s.fails("htu-port-mismatch", "high", 1)
	s.notThese("htu-host-mismatch-behind-proxy", "htu-scheme-mismatch-behind-proxy", "client-authentication-failed", "htu-wrong-endpoint")
	s.fact("8443")
	s.fact("https://sandbox.pay.example/oauth2/token", "without the port", "port")
	s.fix("Host", "X-Forwarded-Port", "public URL")
	return s
}

func htuTrailingSlash() *scene {
	s := newScene("a24", "Posting to an inbox container fails, reading documents works", "Solid-like server, client with its own URL joiner", "2026-03-11T17:03:00Z")
	as, k := s.newKey("ES256").named("css-1"), s.newKey("ES256")
	target := "https://ben.meadow.example/inbox/"
	token := s.token(as, grant{iss: "https://solid.meadow.example/", aud: "solid", scope: "webid", issued: s.at(-120), bound: k})
	lost := s.resource(-4, "POST", target, token, proof{key: k, htu: "https://ben.meadow.example/inbox"}, "Content-Type: text/turtle", "Slug: hello")
	lost.body = "<> a <https://www.w3.example/ns/activitystreams#Note> ."
	lost.breaks("TLS handshake: read tcp 192.0.2.4:51000->203.0.113.5:443: i/o timeout")
	e := s.resource(0, "POST", target, token, proof{key: k, htu: "https://ben.meadow.example/inbox"}, "Content-Type: text/turtle", "Slug: hello")
	e.body = lost.body
	e.answer(401, `{"name":"UnauthorizedHttpError","message":"Error verifying WebID via DPoP-bound access token","statusCode":401}`, "WWW-Authenticate: Bearer scope=\"openid webid\"", "X-Powered-By: Community Solid Server")
	s.addRaw("", lost)
	s.addRaw("", e)
	s.fails("htu-trailing-slash-mismatch", "high", 2)
	s.notThese("scheme-unsupported-by-rs", "redirect-followed-with-same-proof", "insufficient-scope", "htu-wrong-endpoint", "proof-reused-on-retry")
	s.fact("https://ben.meadow.example/inbox/")
	s.fact("trailing slash", "final slash", "slash")
	s.fix("URL sent", "sign the URL", "URL as sent", "exact URL", "same URL")
	return s
}

func htuSchemeByRealm() *scene {
	s := newScene("a54", "Custom domain works for logins, not for API calls", "Okta-like API behind a customer's own TLS proxy", "2026-09-28T09:00:00Z")
	as, k := s.newKey("RS256").named("okta-8"), s.newKey("RS256")
	target := "https://id.harbour.example/api/v1/apps?limit=20"
	token := s.token(as, grant{iss: "https://id.harbour.example", aud: "https://id.harbour.example", scope: "okta.apps.read", issued: s.at(-33), bound: k})
	e := s.resource(0, "GET", target, token, proof{key: k}, acceptJSON).
		answer(400, "{}", `WWW-Authenticate: DPoP algs="RS256 RS384 RS512 ES256 ES384 ES512", authorization_uri="http://id.harbour.example/oauth2/v1/authorize", realm="http://id.harbour.example", scope="okta.apps.read", error="invalid_dpop_proof", error_description="'htu' claim in the DPoP proof JWT is invalid.", resource="/api/v1/apps"`)
	s.addHAR("apps.har", "Charles", "5.0.2", e)
	s.fails("htu-scheme-mismatch-behind-proxy", "medium", 1)
	s.notThese("htu-wrong-endpoint", "htu-query-or-fragment-included", "insufficient-scope", "undetermined")
	s.fact("http://id.harbour.example")
	s.fact("htu")
	s.fix("X-Forwarded-Proto", "Forwarded", "public URL")
	return s
}
