package main

import "strings"

var verdictCases = []func() *scene{
	healthyNonceRotation, healthyDiscovery, healthyRedirects,
	openTruncatedToken, openBrowserExport, openAllChecksPass, openRedactedProof,
	twoExpiredAndAth, twoHtuAndHtm,
}

func healthyNonceRotation() *scene {
	s := newScene("a40", "A nightly import with three refusals in its capture", "atproto-like AS and RS, nonce changes with every answer", "2026-03-15T03:00:00Z")
	as, k := s.newKey("ES256").named("pds-1"), s.newKey("ES256")
	host, api := "https://auth.sky.example", "https://pds.sky.example"
	n := []string{"", s.value(24), s.value(24), s.value(24), s.value(24), s.value(24), s.value(24)}
	refresh := s.hide("refresh_token", "ref-", 32)
	body := form("grant_type", "refresh_token", "refresh_token", refresh, "client_id", "https://import.example/client-metadata.json")
	token := s.token(as, grant{iss: host, aud: "did:web:pds.sky.example", scope: "atproto transition:generic", issued: s.at(1), life: 1800, bound: k})
	refused := `{"error":"use_dpop_nonce","error_description":"Authorization server requires nonce in DPoP proof"}`
	challenge := `WWW-Authenticate: DPoP error="use_dpop_nonce", error_description="Resource server requires nonce in DPoP proof"`
	list := []*exchange{
		s.grantCall(0, host+"/oauth/token", body, proof{key: k}).answer(400, refused, noStore, "DPoP-Nonce: "+n[1]),
		s.grantCall(1, host+"/oauth/token", body, proof{key: k, nonce: n[1]}).
			answer(200, tokenReply(token, "DPoP", 1800, member{"refresh_token", s.hide("refresh_token", "ref-", 32)}), noStore, "DPoP-Nonce: "+n[2]),
		s.resource(2, "GET", api+"/xrpc/com.atproto.repo.listRecords?collection=app.feed.post", token, proof{key: k}).
			answer(401, `{"error":"use_dpop_nonce","message":"Resource server requires nonce in DPoP proof"}`, challenge, "DPoP-Nonce: "+n[3]),
		s.resource(3, "GET", api+"/xrpc/com.atproto.repo.listRecords?collection=app.feed.post", token, proof{key: k, nonce: n[3]}).
			answer(200, `{"records":[]}`, "DPoP-Nonce: "+n[4]),
		s.resource(200, "GET", api+"/xrpc/com.atproto.server.getSession", token, proof{key: k, nonce: n[4]}).
			answer(401, `{"error":"use_dpop_nonce","message":"Resource server requires nonce in DPoP proof"}`, challenge, "DPoP-Nonce: "+n[5]),
		s.resource(201, "GET", api+"/xrpc/com.atproto.server.getSession", token, proof{key: k, nonce: n[5]}).
			answer(200, `{"handle":"import.sky.example"}`, "DPoP-Nonce: "+n[6]),
	}
	s.addTranscript("wire.txt", list...)
	s.seenAfter(260)
	s.healthy()
	s.notThese("nonce-expired", "nonce-challenge-unhandled", "nonce-not-shared-across-replicas", "grant-consumed-by-nonce-challenge")
	s.fact("nonce")
	s.fact("succe", "recover", "200", "normal", "expected")
	return s
}

func healthyDiscovery() *scene {
	s := newScene("a41", "A support ticket titled: 401 when connecting the tool server", "MCP client, discovery by challenge, telemetry in the same capture", "2026-05-09T16:00:00Z")
	as, k := s.newKey("RS256").named("kc-12"), s.newKey("ES256")
	target, host := "https://mcp.crm.example/mcp", "https://sso.crm.example/realms/tools"
	ask := `{"jsonrpc":"2.0","id":1,"method":"initialize"}`
	code, verifier := s.hide("authorization_code", "", 30), s.hide("code_verifier", "", 32)
	token := s.token(as, grant{iss: host, aud: target, scope: "crm", issued: s.at(9), bound: k})
	beacon := call(s.at(0), "POST", "https://events.vendor.example/v1/batch", `{"k":"client.start"}`, jsonType).answer(401, `{"error":"invalid write key"}`, `WWW-Authenticate: Basic realm="events"`)
	bare := call(s.at(1), "POST", target, ask, jsonType).answer(401, `{"error":"unauthorized"}`, `WWW-Authenticate: DPoP resource_metadata="https://mcp.crm.example/.well-known/oauth-protected-resource/mcp", algs="ES256"`)
	prm := call(s.at(2), "GET", "https://mcp.crm.example/.well-known/oauth-protected-resource/mcp", "", acceptJSON).
		answer(200, `{"resource":"`+target+`","authorization_servers":["`+host+`"],"dpop_bound_access_tokens_required":true}`)
	guess := call(s.at(3), "GET", "https://sso.crm.example/.well-known/oauth-authorization-server/realms/tools", "", acceptJSON).answer(404, `{"error":"HTTP 404 Not Found"}`)
	meta := call(s.at(4), "GET", host+"/.well-known/openid-configuration", "", acceptJSON).
		answer(200, `{"issuer":"`+host+`","token_endpoint":"`+host+`/protocol/openid-connect/token","dpop_signing_alg_values_supported":["ES256","PS256"]}`).zipped()
	body := form("grant_type", "authorization_code", "client_id", "mcp-cli", "code", code, "code_verifier", verifier, "redirect_uri", "http://127.0.0.1:43117/cb", "resource", target)
	issue := s.grantCall(9, host+"/protocol/openid-connect/token", body, proof{key: k}).answer(200, tokenReply(token, "DPoP", 3600), noStore)
	init := s.resource(10, "POST", target, token, proof{key: k}, jsonType)
	init.body = ask
	init.answer(200, `{"jsonrpc":"2.0","id":1,"result":{"serverInfo":{"name":"crm"}}}`)
	gone := s.resource(12, "GET", "https://mcp.crm.example/mcp/accounts/none", token, proof{key: k}).answer(404, `{"error":"account not found"}`)
	s.addHAR("connect.har", "mitmproxy", "12.1", beacon, bare, prm, guess, meta, issue, init, gone)
	s.healthy()
	s.notThese("token-missing", "proof-missing", "scheme-unsupported-by-rs", "insufficient-scope", "client-authentication-failed")
	s.fact("discovery", "unauthenticated", "without credentials", "resource_metadata")
	s.fact("succe", "200", "normal", "expected")
	s.fact("404")
	return s
}

func healthyRedirects() *scene {
	s := newScene("a42", "Two redirects and two preflights, is this safe?", "Browser app, API that moved hosts", "2026-07-30T10:10:00Z")
	as, k := s.newKey("ES256").named("m-3"), s.newKey("ES256")
	origin, a, b := "https://maps.example", "https://api.maps.example", "https://tiles.maps.example"
	token := s.token(as, grant{iss: "https://id.maps.example", aud: []string{a, b}, scope: "tiles", issued: s.at(-240), bound: k})
	preflight := func(at float64, target string) *exchange {
		return call(s.at(at), "OPTIONS", target, "", "Origin: "+origin, "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: authorization,dpop", chrome).
			answer(204, "", "Access-Control-Allow-Origin: "+origin, "Access-Control-Allow-Methods: GET", "Access-Control-Allow-Headers: authorization, dpop", "Access-Control-Max-Age: 0")
	}
	cors := "Access-Control-Allow-Origin: " + origin
	expose := "Access-Control-Expose-Headers: DPoP-Nonce, WWW-Authenticate"
	one := s.resource(0.2, "GET", a+"/v1/style", token, proof{key: k}, "Origin: "+origin, chrome).answer(308, "", "Location: /v2/style", cors, expose)
	two := s.resource(0.5, "GET", a+"/v2/style", token, proof{key: k}, "Origin: "+origin, chrome).answer(307, "", "Location: "+b+"/style.json", cors, expose)
	three := s.resource(0.9, "GET", b+"/style.json", token, proof{key: k}, "Origin: "+origin, chrome).answer(200, `{"version":8,"layers":[]}`, cors, expose)
	three.base64 = true
	s.addHAR("style.har", "Fiddler Everywhere", "6.2", overH2(preflight(0, a+"/v1/style"), one, preflight(0.4, a+"/v2/style"), two, preflight(0.8, b+"/style.json"), three)...)
	s.healthy()
	s.notThese("redirect-followed-with-same-proof", "authorization-header-stripped", "dpop-header-blocked-by-preflight", "htu-host-mismatch-behind-proxy")
	s.fact("redirect")
	s.fact("succe", "200", "normal", "expected")
	return s
}

func openTruncatedToken() *scene {
	s := newScene("a43", "A capture pasted into a chat", "Unknown API, token shortened by the sender", "2026-02-08T12:12:12Z")
	as, k := s.newKey("ES256").named("x"), s.newKey("ES256")
	target := "https://api.loans.example/v3/offers"
	token := signed(as, object{{"typ", "at+jwt"}, {"alg", "ES256"}, {"kid", "x"}}, object{{"iss", "https://id.loans.example"}, {"exp", s.at(600).Unix()}})
	e := s.resource(0, "GET", target, token, proof{key: k}, acceptJSON)
	for i := range e.headers {
		e.headers[i].value = strings.Replace(e.headers[i].value, token, token[:16]+"…[truncated]", 1)
	}
	e.answer(401, `{"status":401,"title":"Unauthorized"}`)
	s.addCurl("session.txt", e)
	s.open(1)
	s.notThese("token-malformed", "ath-mismatch", "binding-key-mismatch", "token-expired", "token-signature-invalid")
	s.lacks("access token", "token claims", "whole token", "introspection", "full token")
	s.lacks("WWW-Authenticate", "challenge")
	s.lacks("server log", "verifier", "server's view", "log")
	return s
}

func openBrowserExport() *scene {
	s := newScene("a44", "A browser export from a customer", "SPA, default HAR export of the browser", "2026-06-07T09:00:00Z")
	k := s.newKey("ES256")
	origin := "https://desk.energy.example"
	get := func(at float64, target string) *exchange {
		v := s.prove(proof{key: k, htm: "GET", htu: target, iat: s.at(at), ath: ath(s.value(30))})
		return call(s.at(at), "GET", target, "", "Accept: application/json", "Origin: "+origin, "Referer: "+origin+"/", chrome, dpop(v)).
			answer(401, `{"message":"Unauthorized"}`, "Access-Control-Allow-Origin: "+origin, "Server: cloud")
	}
	logo := call(s.at(-0.5), "GET", origin+"/logo.svg", "", chrome).answer(304, "")
	s.addHAR("desk.har", "WebInspector", "537.36", overH2(logo, get(0, "https://api.energy.example/v1/meters"), get(0.1, "https://api.energy.example/v1/invoices"))...)
	s.open(2)
	s.notThese("token-missing", "authorization-header-stripped", "ath-mismatch", "client-clock-skew")
	s.lacks("Authorization", "access token")
	s.lacks("WWW-Authenticate", "challenge")
	s.lacks("token claims", "introspection", "token response", "claims", "server log")
	return s
}

func openAllChecksPass() *scene {
	s := newScene("a45", "Everything looks right and the answer is no", "API behind a bot filter", "2026-10-20T20:20:20Z")
	as, k := s.newKey("ES256").named("tix-1"), s.newKey("ES256")
	token := s.token(as, grant{iss: "https://id.tickets.example", aud: "https://api.tickets.example", scope: "orders", issued: s.at(-100), bound: k})
	e := s.resource(0, "GET", "https://api.tickets.example/orders", token, proof{key: k}, "User-Agent: box-office/2", acceptJSON).
		answer(401, `{"code":401,"message":"Request rejected"}`, "Server: edge", "X-Reference: 18.2f4a1")
	s.addBundle([]*exchange{e}, member{"authorization_server_metadata", object{{"issuer", "https://id.tickets.example"}, {"token_endpoint", "https://id.tickets.example/token"}, {"dpop_signing_alg_values_supported", []string{"ES256"}}}})
	s.add("jwks.json", "jwks", indented(object{{"keys", []any{as.setMember()}}}), member{"issuer", "https://id.tickets.example"}, member{"fetched_at", stamp(s.at(20))})
	s.open(1)
	s.notThese("token-expired", "scheme-unsupported-by-rs", "binding-key-mismatch", "insufficient-scope", "token-revoked")
	s.lacks("server log", "log")
	s.lacks("WWW-Authenticate", "challenge")
	s.lacks("verifier", "server's view", "method and URL", "own view", "what the server sees", "introspection")
	return s
}

func twoExpiredAndAth() *scene {
	s := newScene("a46", "Getting a new token only changes the error", "Spring-like RS, client that forgets ath", "2026-01-17T15:00:00Z")
	as, k := s.newKey("RS256").named("auth-1"), s.newKey("ES256")
	target := "https://shop.books.example/orders/5"
	token := s.token(as, grant{iss: "https://auth.books.example", aud: "https://shop.books.example", scope: "orders", issued: s.at(-6000), bound: k})
	e := s.resource(0, "GET", target, token, proof{key: k, bare: true}, acceptJSON).
		answer(401, "", `WWW-Authenticate: DPoP error="invalid_token", error_description="An error occurred while attempting to decode the Jwt: Jwt expired at 2026-01-17T14:20:00Z", algs="RS256 ES256"`)
	s.addRaw("", e)
	s.fails("token-expired", "high", 1)
	s.also("ath-missing")
	s.notThese("client-clock-skew", "proof-claim-missing", "token-revoked")
	s.fact("expired")
	s.fact("14:20", "40 min", "2400", "40m")
	s.fact("ath")
	s.fix("refresh", "new token", "obtain")
	return s
}

func twoHtuAndHtm() *scene {
	s := newScene("a47", "Deleting with a parameter never works", "Strict API, wrapper that signs before it knows the method", "2026-04-30T08:08:08Z")
	as, k := s.newKey("ES256").named("strict-1"), s.newKey("ES256")
	target := "https://api.cms.example/pages/12?cascade=true"
	token := s.token(as, grant{iss: "https://id.cms.example", aud: "https://api.cms.example", scope: "pages.write", issued: s.at(-66), bound: k})
	e := s.resource(0, "DELETE", target, token, proof{key: k, htm: "GET", htu: target}).
		answer(401, `{"error":"invalid_dpop_proof","error_description":"htu mismatch"}`, `WWW-Authenticate: DPoP error="invalid_dpop_proof", error_description="htu mismatch"`)
	s.addCurl("session.txt", overH2(e)...)
	s.fails("htu-query-or-fragment-included", "high", 1)
	s.also("htm-mismatch")
	s.notThese("htu-wrong-endpoint", "htu-scheme-mismatch-behind-proxy", "insufficient-scope")
	s.fact("query")
	s.fact("cascade=true", "?cascade")
	s.fact("DELETE")
	s.fix("strip", "remove", "without the query", "without query", "drop")
	return s
}

func openRedactedProof() *scene {
	s := newScene("a55", "A redacted transcript with a proof error", "Duende-like AS, secrets removed by the sender", "2026-11-12T13:00:00Z")
	e := call(s.at(0), "POST", "https://ids.depot.example/connect/token", "grant_type=client_credentials&client_id=m2m&client_secret=[REDACTED]", formType, dpop("[REDACTED]")).
		answer(400, `{"error":"invalid_dpop_proof"}`, "Cache-Control: no-store, no-cache, max-age=0")
	s.addTranscript("wire.txt", e)
	s.open(1)
	s.want.family = "pop"
	s.notThese("proof-malformed", "proof-missing-at-token-endpoint", "client-authentication-failed", "proof-signature-invalid")
	s.lacks("proof", "DPoP header")
	s.lacks("server log", "metadata", "verifier", "nonce")
	return s
}
