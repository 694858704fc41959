package main

import "fmt"

var transportCases = []func() *scene{
	dpopNotAdvertised, preflightBlocks, dpopStripped, authorizationStripped, authorizationLostInFastCGI, headersTooLarge,
}

func dpopNotAdvertised() *scene {
	s := newScene("a25", "The library never sends a proof and the API insists on one", "Entra-like discovery, strict RS", "2026-01-22T09:09:09Z")
	as := s.newKey("RS256").named("e-22")
	host := "https://login.tenant.example/t-4/v2.0"
	code, verifier := s.hide("authorization_code", "0.A", 40), s.hide("code_verifier", "", 32)
	oidc := call(s.at(0), "GET", host+"/.well-known/openid-configuration", "", chrome).answer(200,
		`{"issuer":"`+host+`","authorization_endpoint":"`+host+`/authorize","token_endpoint":"`+host+`/token","jwks_uri":"`+host+`/keys","token_endpoint_auth_methods_supported":["none","private_key_jwt"],"id_token_signing_alg_values_supported":["RS256"],"subject_types_supported":["pairwise"]}`).zipped()
	rfc8414 := call(s.at(0.2), "GET", "https://login.tenant.example/.well-known/oauth-authorization-server/t-4/v2.0", "", chrome).answer(404, `{"error":"not_found"}`)
	token := s.token(as, grant{iss: host, aud: "https://vault.tenant.example", scope: "vault.read", issued: s.at(3)})
	body := form("grant_type", "authorization_code", "client_id", "6f1c", "code", code, "code_verifier", verifier, "redirect_uri", "https://app.tenant.example/cb")
	grantCall := call(s.at(3), "POST", host+"/token", body, formType, "Origin: https://app.tenant.example", chrome).
		answer(200, tokenReply(token, "Bearer", 3600, member{"ext_expires_in", 3600}), noStore, "Access-Control-Allow-Origin: *").zipped()
	read := call(s.at(4), "GET", "https://vault.tenant.example/secrets", "", auth("Bearer", token), "Origin: https://app.tenant.example", chrome).
		answer(401, `{"error":{"code":"InvalidAuthenticationToken","message":"Access token validation failure."}}`, "WWW-Authenticate: DPoP error=\"invalid_token\", algs=\"ES256\"", "Access-Control-Allow-Origin: *", "Access-Control-Expose-Headers: WWW-Authenticate")
	s.addHAR("vault.har", "Firefox", "146.0", overH2(oidc, rfc8414, grantCall, read)...)
	s.fails("dpop-not-advertised", "high", 4)
	s.orElse("token-not-bound")
	s.notThese("as-ignored-proof", "bound-token-sent-as-bearer", "token-expired", "scheme-unsupported-by-rs", "proof-missing")
	s.fact("dpop_signing_alg_values_supported")
	s.fact("metadata", "discovery", "openid-configuration")
	s.fact("Bearer")
	s.fix("publish", "advertise", "fail closed", "dpop_signing_alg_values_supported")
	return s
}

func preflightBlocks() *scene {
	s := newScene("a26", "The browser says network error, curl works", "SPA and API on another origin, nginx adds the CORS headers", "2026-04-02T13:20:00Z")
	target := "https://api.garden.example/v1/plots"
	pixel := call(s.at(-1), "GET", "https://stats.vendor.example/px?e=view", "", "Referer: https://app.garden.example/", chrome).answer(204, "")
	options := call(s.at(0), "OPTIONS", target, "", "Origin: https://app.garden.example", "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: authorization,dpop", chrome).
		answer(204, "", "Access-Control-Allow-Origin: https://app.garden.example", "Access-Control-Allow-Methods: GET, POST", "Access-Control-Allow-Headers: authorization, content-type", "Server: nginx")
	font := call(s.at(1), "GET", "https://app.garden.example/fonts/a.woff2", "", chrome).answer(200, "wOF2", "Content-Type: font/woff2")
	s.addHAR("garden.har", "WebInspector", "537.36", overH2(pixel, options, font)...)
	s.add("console.txt", "browser-console", []byte("13:20:00.204 plots:1 Access to fetch at '"+target+"' from origin 'https://app.garden.example' has been blocked by CORS policy: Request header field dpop is not allowed by Access-Control-Allow-Headers in preflight response.\n"+
		"13:20:00.206 app.js:212 GET "+target+" net::ERR_FAILED\n13:20:00.209 app.js:230 Uncaught (in promise) TypeError: Failed to fetch\n"))
	s.fails("dpop-header-blocked-by-preflight", "high", 2)
	s.notThese("nonce-not-exposed-by-cors", "token-missing", "proof-missing", "no-failure")
	s.fact("Access-Control-Allow-Headers")
	s.fact("dpop")
	s.fact("preflight", "OPTIONS")
	s.fix("Access-Control-Allow-Headers", "allow dpop", "allow the DPoP header")
	return s
}

func dpopStripped() *scene {
	s := newScene("a27", "The service swears that no proof arrives", "CDN with a header allow list before the origin", "2026-05-25T04:04:04Z")
	s.vantage = "client+backend"
	as, k := s.newKey("ES256").named("cdn-as"), s.newKey("ES256")
	target := "https://content.news.example/premium/a-901"
	token := s.token(as, grant{iss: "https://id.news.example", aud: "https://content.news.example", scope: "premium", issued: s.at(-8), bound: k})
	body := `{"error":"invalid_dpop_proof","error_description":"DPoP proof header is missing"}`
	challenge := `WWW-Authenticate: DPoP error="invalid_dpop_proof", error_description="DPoP proof header is missing", algs="ES256"`
	edge := s.resource(0, "GET", target, token, proof{key: k}, acceptJSON, "User-Agent: news-ios/9").answer(401, body, challenge, "Via: 1.1 cdn-edge", "X-Cache: Error from cdn")
	origin := call(s.at(0.1), "GET", "http://origin-4.internal.example/premium/a-901", "", "Host: content.news.example", "X-Forwarded-Proto: https", "Via: 1.1 cdn-edge", acceptJSON, "User-Agent: CDN", auth("DPoP", token)).
		answer(401, body, challenge)
	s.addRaw("edge-", edge)
	s.addRaw("origin-", origin)
	s.add("cdn-policy.json", "server-config", indented(object{{"OriginRequestPolicy", object{
		{"Name", "premium"},
		{"HeadersConfig", object{{"HeaderBehavior", "whitelist"}, {"Headers", []string{"Accept", "Authorization", "Accept-Language"}}}},
		{"QueryStringsConfig", object{{"QueryStringBehavior", "all"}}},
	}}}), member{"origin", "https://content.news.example"})
	s.fails("dpop-header-stripped-by-proxy", "high", 1)
	s.notThese("proof-missing", "bound-token-sent-as-bearer", "proof-malformed", "htu-host-mismatch-behind-proxy", "htu-scheme-mismatch-behind-proxy")
	s.fact("DPoP")
	s.fact("proxy", "CDN", "stripped", "removed", "on the way", "dropped")
	s.fact("backend", "origin-4", "exchange 2")
	s.fix("forward", "pass the DPoP", "pass it", "pass DPoP", "allow list", "verify at the edge")
	return s
}

func authorizationStripped() *scene {
	s := newScene("a28", "Downloads are unauthorized although the script logs in", "File API that redirects to a storage host, Python requests", "2026-06-03T21:34:56Z")
	as := s.newKey("RS256").named("f-2")
	token := s.token(as, grant{iss: "https://id.files.example", aud: []string{"https://api.files.example", "https://store-eu.files-cdn.example"}, scope: "files.read", issued: s.at(-30)})
	a := call(s.at(0), "GET", "https://api.files.example/v1/files/77/content", "", "User-Agent: python-requests/2.32.5", "Accept: */*", auth("Bearer", token)).
		answer(307, "", "Location: https://store-eu.files-cdn.example/obj/77")
	b := call(s.at(0.3), "GET", "https://store-eu.files-cdn.example/obj/77", "", "User-Agent: python-requests/2.32.5", "Accept: */*").
		answer(401, `{"code":"AccessDenied","message":"Bearer token expired or missing"}`, `WWW-Authenticate: Bearer realm="store-eu"`)
	s.addHAR("files.har", "mitmproxy", "12.1", a, b)
	s.fails("authorization-header-stripped", "high", 2)
	s.notThese("token-missing", "token-expired", "audience-mismatch", "redirect-followed-with-same-proof")
	s.fact("Authorization")
	s.fact("redirect", "307")
	s.fact("store-eu.files-cdn.example")
	s.fix("final URL", "directly", "forward", "final address")
	return s
}

func headersTooLarge() *scene {
	s := newScene("a29", "Only people in many groups cannot open the report", "nginx with default buffers, RSA proof keys", "2026-07-15T08:30:00Z")
	as, k := s.newKey("RS256").named("big-1"), s.newRSAKey("RS256", 3072)
	var groups []string
	for i := range 120 {
		groups = append(groups, fmt.Sprintf("cn=dept-%03d-%s,ou=groups,dc=corp", i, s.value(6)))
	}
	target := "https://bi.corp.example/reports/q2"
	token := s.token(as, grant{iss: "https://adfs.corp.example", aud: "https://bi.corp.example", scope: "reports", issued: s.at(-400), bound: k, extra: object{{"groups", groups}}})
	session := s.hide("cookie", "", 90)
	e := s.resource(0, "GET", target, token, proof{key: k}, acceptJSON, "Cookie: bi_session="+session).
		answer(400, "<html>\r\n<head><title>400 Request Header Or Cookie Too Large</title></head>\r\n<body>\r\n<center><h1>400 Bad Request</h1></center>\r\n<center>Request Header Or Cookie Too Large</center>\r\n<hr><center>nginx/1.28.0</center>\r\n</body>\r\n</html>\r\n", "Server: nginx/1.28.0", "Connection: close")
	s.addRaw("", e)
	s.fails("headers-too-large", "high", 1)
	s.notThese("token-malformed", "proof-malformed", "token-missing", "undetermined")
	s.fact("bytes", "KB", "KiB")
	s.fact("Too Large", "limit", "exceed")
	s.fix("limit", "smaller", "fewer claims", "EC key", "large_client_header_buffers")
	return s
}

func authorizationLostInFastCGI() *scene {
	s := newScene("a51", "The plugin API works on the old host and is anonymous on the new one", "PHP application behind Apache FastCGI", "2026-10-01T18:18:00Z")
	s.vantage = "client+backend"
	as, k := s.newKey("ES256").named("wp-as"), s.newKey("ES256")
	target := "https://blog.press.example/api/v2/drafts"
	token := s.token(as, grant{iss: "https://id.press.example", aud: "https://blog.press.example", scope: "drafts", issued: s.at(-25), bound: k})
	refusal := `{"code":"rest_not_logged_in","message":"You are not currently logged in.","data":{"status":401}}`
	edge := s.resource(0, "GET", target, token, proof{key: k}, acceptJSON).answer(401, refusal, "Server: Apache")
	seen := object{
		{"method", "GET"},
		{"url", target},
		{"http_version", "HTTP/1.1"},
		{"headers", pairs([]header{{"Host", "blog.press.example"}, {"Accept", "application/json"}, {"DPoP", lookup(edge.headers, "DPoP")}, {"X-Forwarded-Proto", "https"}})},
	}
	s.addBundle([]*exchange{edge}, member{"backend_view", object{{"captured_at", stamp(s.at(0.01))}, {"exchange", 1}, {"request", seen}}},
		member{"topology", []string{"client -> Apache (TLS) -> mod_fcgid -> php"}},
		member{"server_log", []string{"[01-Oct-2026 18:18:00 UTC] REST: HTTP_AUTHORIZATION not set, HTTP_DPOP set, treating request as anonymous"}})
	s.fails("authorization-header-stripped", "high", 1)
	s.notThese("token-missing", "proof-missing", "dpop-header-stripped-by-proxy", "insufficient-scope", "undetermined")
	s.fact("Authorization")
	s.fact("backend", "FastCGI", "on the way", "lost", "stripped", "removed")
	s.fix("forward", "pass Authorization", "pass the Authorization", "pass it")
	return s
}
