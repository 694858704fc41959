package main

import "strings"

var targetCasesB = []func() *scene{
	bHtuScheme, bHtuHost, bHtuPort, bHtuPrefix, bHtuDoubleSlash, bHtuFragment, bHtuEncoding, bHtuPAR, bRedirect,
}

func bHtuScheme() *scene {
	s := newScene("b43", "Login through the ingress fails, through the port forward it works", "Go AS in a cluster, ingress ends TLS", "2026-01-30T10:00:00Z")
	s.vantage = "client+backend"
	k := s.newKey("ES384")
	body := form("grant_type", "refresh_token", "client_id", "ctl", "refresh_token", s.hide("refresh_token", "", 36))
	reply := oauthError("invalid_grant", "The DPoP proof could not be validated")
	out := s.grantCall(0, "https://oidc.cluster.example/token", body, proof{key: k}, "User-Agent: Go-http-client/2.0").answer(400, reply, noStore, "Strict-Transport-Security: max-age=15724800")
	in := call(s.at(0.01), "POST", "http://oidc.cluster.example/token", body, "X-Request-ID: 0a1b", "X-Real-IP: 198.51.100.4", "X-Forwarded-For: 198.51.100.4", "X-Forwarded-Proto: https", formType, dpop(lookup(out.headers, "DPoP"))).
		answer(400, reply, noStore)
	s.addRaw("laptop-", out)
	s.addRaw("pod-", in)
	s.fails("htu-scheme-mismatch-behind-proxy", "high", 1)
	s.notThese("grant-invalid", "refresh-key-mismatch", "proof-reused-on-retry", "htu-host-mismatch-behind-proxy", "htu-wrong-endpoint")
	s.fact("http://oidc.cluster.example/token")
	s.fact("https://oidc.cluster.example/token", "htu")
	s.fix("X-Forwarded-Proto", "Forwarded", "public URL")
	return s
}

func bHtuHost() *scene {
	s := newScene("b44", "All users of one brand are refused since the domain was added", "Istio-like mesh, multi-brand API", "2026-02-14T14:02:00Z")
	s.vantage = "client+backend"
	as, k := s.newKey("RS256").named("brand-as"), s.newKey("EdDSA")
	target := "https://api.redbrand.example/cart/items"
	token := s.token(as, grant{iss: "https://login.redbrand.example", aud: "https://api.redbrand.example", scope: "cart", issued: s.at(-40), bound: k})
	cart := func(at float64) *exchange {
		return s.resource(at, "POST", target, token, proof{key: k}, jsonType, safari).with(`{"sku":"77"}`).answer(403, "RBAC: access denied", "Server: istio-envoy", "Content-Type: text/plain")
	}
	shop := call(s.at(-1), "GET", "https://www.redbrand.example/", "", safari).answer(200, "<!doctype html><title>Red</title>")
	s.addHAR("cart.har", "WebInspector", "620.1", overH2(shop, cart(0), cart(4))...)
	s.log("authz-log.txt", "https://api.redbrand.example",
		`{"level":"info","ts":"2026-02-14T14:02:00.031Z","msg":"dpop denied","htm":"POST","htu":"https://api.redbrand.example/cart/items","request_url":"https://cart.mesh.example/cart/items","authority":"cart.mesh.example"}`)
	s.fails("htu-host-mismatch-behind-proxy", "high", 2)
	s.notThese("htu-wrong-endpoint", "insufficient-scope", "audience-mismatch", "htu-path-prefix-mismatch", "undetermined")
	s.fact("cart.mesh.example")
	s.fact("api.redbrand.example")
	s.fix("Host", "public URL", "custom domain")
	return s
}

func bHtuPort() *scene {
	s := newScene("b45", "The branch office tunnel breaks signed calls", "Undertow-like RS behind a TCP balancer with another port", "2026-03-09T15:30:00Z")
	s.vantage = "client+backend"
	as, k := s.newKey("ES512").named("u-4"), s.newKey("ES384")
	target := "https://core.tellers.example/cash/7"
	token := s.token(as, grant{iss: "https://idp.tellers.example", aud: "https://core.tellers.example", scope: "cash", issued: s.at(-2), bound: k})
	e := s.resource(0, "GET", target, token, proof{key: k}).answer(401, "", dpopChallenge("invalid_dpop_proof", "Request URI mismatch"))
	s.redact(e, "Authorization", "DPoP [REDACTED]")
	s.addTranscript("branch.txt", e)
	s.log("undertow-log.txt", "https://core.tellers.example",
		"15:30:00,118 TRACE [dpop] (XNIO-1 task-2) proof htu 'https://core.tellers.example/cash/7' is not request url 'https://core.tellers.example:9443/cash/7'")
	s.fails("htu-port-mismatch", "high", 1)
	s.notThese("htu-host-mismatch-behind-proxy", "htu-wrong-endpoint", "htu-scheme-mismatch-behind-proxy", "binding-key-mismatch")
	s.fact("9443")
	s.fact("port")
	s.fix("Host", "X-Forwarded-Port", "public URL", "public base URL")
	return s
}

func bHtuPrefix() *scene {
	s := newScene("b46", "Everything under /payroll is refused, everything else works", "Traefik with StripPrefix before a Python service", "2026-04-03T09:03:00Z")
	as, k := s.newKey("EdDSA").named("p-as"), s.newKey("EdDSA")
	host := "https://apps.bureau.example"
	token := s.token(as, grant{iss: "https://sso.bureau.example", aud: host, scope: "hr payroll", issued: s.at(-300), bound: k})
	ok := s.resource(0, "GET", host+"/hr/people", token, proof{key: k}).answer(200, `{"people":[]}`, "Server: uvicorn")
	bad := s.resource(1, "GET", host+"/payroll/slips/2026-03", token, proof{key: k}).
		answer(401, `{"detail":"Could not validate credentials"}`, "Server: uvicorn", "WWW-Authenticate: DPoP")
	s.addHAR("bureau.har", "Insomnia", "2026.2", ok, bad)
	s.log("uvicorn-log.txt", "http://10.2.0.15:8000",
		"INFO:     10.2.0.3:41822 - \"GET /slips/2026-03 HTTP/1.1\" 401 Unauthorized",
		"WARNING:  dpop: expected htu https://apps.bureau.example/slips/2026-03")
	s.fails("htu-path-prefix-mismatch", "high", 2)
	s.notThese("htu-wrong-endpoint", "insufficient-scope", "scheme-unsupported-by-rs", "htu-host-mismatch-behind-proxy")
	s.fact("/payroll")
	s.fact("/slips/2026-03")
	s.fix("X-Forwarded-Prefix", "prefix", "external URL", "public URL", "public base URL", "root_path")
	return s
}

func bHtuDoubleSlash() *scene {
	s := newScene("b47", "Only customers who typed a slash into the settings fail", "Plug-in that joins base address and path, strict RS", "2026-05-01T11:00:00Z")
	as, k := s.newKey("ES256").named("str-2"), s.newKey("RS256")
	target := "https://plugins.forum.example//v1/badges"
	token := s.token(as, grant{iss: "https://id.forum.example", aud: "https://plugins.forum.example", scope: "badges", issued: s.at(-7), bound: k})
	e := s.resource(0, "GET", target, token, proof{key: k, htu: "https://plugins.forum.example/v1/badges"}).
		answer(401, `{"error":{"type":"auth","message":"Proof does not belong to this request"}}`, dpopChallenge("invalid_dpop_proof", "Proof does not belong to this request"))
	s.addCurl("plugin.txt", e)
	s.fails("htu-trailing-slash-mismatch", "high", 1)
	s.notThese("htu-wrong-endpoint", "htu-path-prefix-mismatch", "proof-reused-on-retry", "htm-mismatch")
	s.fact("https://plugins.forum.example//v1/badges", "//v1/badges")
	s.fact("double slash", "slash")
	s.fix("URL sent", "sign the URL", "URL as sent", "exact URL", "same URL", "join")
	return s
}

func bHtuFragment() *scene {
	s := newScene("b48", "Profiles of other people cannot be read", "Solid-like pod in Rust, client that signs the WebID", "2026-06-14T16:40:00Z")
	as, k := s.newKey("ES256").named("solid-rs"), s.newKey("ES384")
	target := "https://carol.podhost.example/profile/card"
	token := s.token(as, grant{iss: "https://oidc.podhost.example/", aud: "solid", scope: "openid webid", issued: s.at(-55), bound: k})
	e := s.resource(0, "GET", target, token, proof{key: k, htu: target + "#me"}, "Accept: text/turtle").
		answer(401, "The htu parameter in the DPoP proof is not accepted here\n", "WWW-Authenticate: DPoP algs=\"ES256 ES384 RS256\", error=\"invalid_token\"")
	s.addRaw("", e)
	s.fails("htu-query-or-fragment-included", "high", 1)
	s.notThese("htu-wrong-endpoint", "htu-trailing-slash-mismatch", "token-malformed", "scheme-unsupported-by-rs")
	s.fact("fragment", "#")
	s.fact("#me", "card#me")
	s.fix("strip", "remove", "without", "drop")
	return s
}

func bHtuEncoding() *scene {
	s := newScene("b49", "Straßen mit Umlaut werden abgelehnt", "German address API, Java client that signs the decoded path", "2026-07-07T07:17:00Z")
	as, k := s.newKey("PS256").named("adr-1"), s.newKey("ES384")
	host := "https://adressen.stadt.example"
	token := s.token(as, grant{iss: "https://anmeldung.stadt.example", aud: host, scope: "adressen", issued: s.at(-70), bound: k})
	fine := s.resource(0, "GET", host+"/v2/orte/Hauptplatz", token, proof{key: k}).answer(200, `{"ort":"Hauptplatz"}`)
	bad := s.resource(2, "GET", host+"/v2/orte/Gr%C3%BCner%20Weg", token, proof{key: k, htu: host + "/v2/orte/Grüner Weg"}).
		answer(401, `{"title":"Nicht autorisiert","status":401,"detail":"Der DPoP-Nachweis passt nicht zur Anfrage."}`, problemType)
	s.redact(fine, "Authorization", "DPoP "+token[:14]+"...")
	s.redact(bad, "Authorization", "DPoP "+token[:14]+"...")
	s.addTranscript("protokoll.txt", fine, bad)
	s.fails("htu-path-encoding-mismatch", "high", 2)
	s.notThese("htu-wrong-endpoint", "htu-path-prefix-mismatch", "insufficient-scope", "undetermined")
	s.fact("%C3%BC", "percent", "%20")
	s.fact("Grüner", "decoded")
	s.fix("normali", "decode", "percent-encod", "encod", "what is sent")
	return s
}

func bHtuPAR() *scene {
	s := newScene("b50", "The pushed request is accepted, redeeming the code is not", "Entra-like AS, client that copies the proof settings", "2026-08-21T08:50:00Z")
	k := s.newKey("ES256")
	host := "https://ciam.gallery.example/t1/oauth2/v2.0"
	verifier := s.value(32)
	par := s.grantCall(0, host+"/par", form("client_id", "g-5", "response_type", "code", "redirect_uri", "https://art.gallery.example/cb", "code_challenge", pkce(verifier), "code_challenge_method", "S256", "scope", "openid tours"), proof{key: k}).
		answer(201, `{"request_uri":"urn:ietf:params:oauth:request_uri:`+s.value(12)+`","expires_in":90}`, noStore)
	redeem := s.grantCall(20, host+"/token", form("grant_type", "authorization_code", "client_id", "g-5", "code", "[REDACTED]", "code_verifier", "[REDACTED]", "redirect_uri", "https://art.gallery.example/cb"), proof{key: k, htu: host + "/par"}).
		answer(400, object{{"error", "invalid_request"}, {"error_description", "AADSTS900144: The request body must contain valid parameters. Trace ID: 5d"}, {"error_codes", []int{900144}}}.String(), noStore)
	s.addBundle([]*exchange{par, redeem})
	s.fails("htu-wrong-endpoint", "high", 2)
	s.notThese("htu-path-prefix-mismatch", "grant-invalid", "code-key-mismatch", "proof-reused-on-retry")
	s.fact(host + "/par")
	s.fact(host + "/token")
	s.fix("sign the", "final URL", "URL that is called", "token endpoint", "URL sent", "called URL")
	return s
}

func bRedirect() *scene {
	s := newScene("b51", "Old links to invoices are refused in the desktop app", "Rust client with redirects switched on, API with a moved path", "2026-09-08T13:30:00Z")
	as, k := s.newKey("RS256").named("inv-2"), s.newKey("EdDSA")
	host := "https://billing.tannery.example"
	token := s.token(as, grant{iss: "https://id.tannery.example", aud: host, scope: "invoices", issued: s.at(-22), bound: k})
	a := s.resource(0, "GET", host+"/v1/invoices/41", token, proof{key: k}, "User-Agent: reqwest/0.13").
		answer(301, "<html><h1>301 Moved Permanently</h1></html>", "Location: /v2/documents/invoices/41", "Server: nginx")
	b := call(s.at(0.1), "GET", host+"/v2/documents/invoices/41", "")
	b.headers = a.headers
	b.answer(401, `{"errors":[{"code":"0021","detail":"proof rejected: jti seen"}]}`, dpopChallenge("invalid_dpop_proof", "jti seen"))
	s.addCurl("invoices.txt", overH2(a, b)...)
	s.fails("redirect-followed-with-same-proof", "high", 2)
	s.notThese("proof-reused-on-retry", "htu-wrong-endpoint", "jti-not-unique", "htu-path-prefix-mismatch", "authorization-header-stripped")
	s.fact("redirect", "301")
	s.fact("/v2/documents/invoices/41")
	s.fix("re-sign", "new proof", "per hop", "fresh proof", "sign again", "final URL")
	if !strings.HasPrefix(lookup(b.headers, "Authorization"), "DPoP ") {
		panic("the second hop has no token")
	}
	return s
}
