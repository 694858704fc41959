package main

var targetCasesC = []func() *scene{
	cPortLostIPv6, cDefaultPort, cTilde, cTokenSlash, cDotSegments, cPrefixByTopology, cOriginOnly, cIssuerAsHtu, cSignedHTTP, cUserInfo,
}

func cPortLostIPv6() *scene {
	s := newScene("c40", "The pump controller refuses everything through the address translation", "Controller addressed by IPv6 literal, port mapped by a router", "2026-08-01T01:10:00Z")
	s.vantage = "client+backend"
	as, k := s.newKey("ES256").named("pc-1"), s.newKey("EdDSA")
	target := "https://[2001:db8:4::7]:8443/v1/pumps/3"
	token := s.token(as, grant{iss: "https://id.waterworks.example", aud: "pumps", scope: "pumps", issued: s.at(-55), bound: k})
	e := s.resource(0, "PUT", target, token, proof{key: k}, jsonType).with(`{"on":true}`).answer(401, `{"status":"refused","reason":14}`, dpopChallenge("invalid_token", "refused"))
	s.addTranscript("pump.txt", e)
	s.log("controller-log.txt", "https://[2001:db8:4::7]", "01:10:00 auth: dpop: this request is https://[2001:db8:4::7]/v1/pumps/3", "01:10:00 auth: dpop: reason 14 (target)")
	s.fails("htu-port-mismatch", "high", 1)
	s.notThese("htu-host-mismatch-behind-proxy", "htu-wrong-endpoint", "binding-key-mismatch", "token-revoked")
	s.fact("8443")
	s.fact("port")
	s.fix("Host", "X-Forwarded-Port", "public URL", "public base URL", "with port", "with the port")
	return s
}

func cDefaultPort() *scene {
	s := newScene("c41", "An SDK that always writes the port is refused by one service", "SDK that prints its URL object, RS that compares strings", "2026-08-14T14:14:00Z")
	s.vantage = "client+backend"
	as, k := s.newKey("RS256").named("mi-3"), s.newKey("ES384")
	target := "https://cards.mint.example/v1/cards"
	token := s.token(as, grant{iss: "https://id.mint.example", aud: "https://cards.mint.example", scope: "cards", issued: s.at(-19), bound: k})
	e := s.resource(0, "GET", target, token, proof{key: k, htu: "https://cards.mint.example:443/v1/cards"}).
		answer(401, `{"errorCode":"CARD-AUTH-0007"}`, `WWW-Authenticate: DPoP error="invalid_dpop_proof", algs="ES384 RS256"`)
	s.addRaw("", e)
	s.log("cards-log.txt", "https://cards.mint.example", `level=warn code=CARD-AUTH-0007 want="https://cards.mint.example/v1/cards" htu="https://cards.mint.example:443/v1/cards"`)
	s.fails("htu-port-mismatch", "high", 1)
	s.notThese("htu-host-mismatch-behind-proxy", "htu-scheme-mismatch-behind-proxy", "binding-key-mismatch", "proof-alg-not-accepted")
	s.fact(":443", "443")
	s.fact("port")
	s.fix("omit", "default port", "without the port", "leave out", "normali")
	return s
}

func cTilde() *scene {
	s := newScene("c42", "Home directories cannot be listed, shared folders can", "WebDAV-like RS, C# client that signs the unescaped address", "2026-08-29T09:29:00Z")
	as, k := s.newKey("ES256").named("dav-1"), s.newKey("PS256")
	host := "https://dav.campanile.example"
	token := s.token(as, grant{iss: "https://id.campanile.example", aud: host, scope: "files", issued: s.at(-31), bound: k})
	a := s.resource(0, "PROPFIND", host+"/shared/", token, proof{key: k}, "Depth: 1").answer(207, `<?xml version="1.0"?><multistatus xmlns="DAV:"/>`, "Content-Type: application/xml")
	b := s.resource(1, "PROPFIND", host+"/%7Eana/", token, proof{key: k, htu: host + "/~ana/"}, "Depth: 1").answer(403, `<?xml version="1.0"?><error xmlns="DAV:"><need-privileges/></error>`, "Content-Type: application/xml")
	s.addHAR("dav.har", "Fiddler Everywhere", "7.3", a, b)
	s.fails("htu-path-encoding-mismatch", "high", 2)
	s.notThese("insufficient-scope", "htu-wrong-endpoint", "htu-trailing-slash-mismatch", "no-failure", "undetermined")
	s.fact("%7E", "percent")
	s.fact("~ana", "decoded", "unescaped")
	s.fix("normali", "decode", "percent-encod", "encod", "what is sent")
	return s
}

func cTokenSlash() *scene {
	s := newScene("c43", "Only the French region cannot get tokens", "Django-like AS whose token URL ends in a slash, answers in French", "2026-09-05T05:05:00Z")
	k := s.newKey("ES512")
	target := "https://compte.phare.example/o/token/"
	e := s.grantCall(0, target, form("grant_type", "client_credentials", "scope", "relevés"), proof{key: k, htu: "https://compte.phare.example/o/token"}, s.basic("phare-lot")).
		answer(400, oauthError("invalid_request", "La preuve de possession n'est pas valable pour cette requête."), noStore, "Content-Language: fr")
	s.addCurl("jeton.txt", overH2(e)...)
	s.fails("htu-trailing-slash-mismatch", "high", 1)
	s.notThese("client-authentication-failed", "redirect-followed-with-same-proof", "htu-path-prefix-mismatch", "proof-missing-at-token-endpoint", "htu-wrong-endpoint")
	s.fact("/o/token/")
	s.fact("slash")
	s.fix("URL sent", "sign the URL", "URL as sent", "exact URL", "same URL", "join", "URL that is")
	return s
}

func cDotSegments() *scene {
	s := newScene("c44", "Relative links in a configuration file break the boat list", "Deno-like client that signs before it resolves, strict RS", "2026-09-18T18:18:00Z")
	as, k := s.newKey("ES384").named("bo-1"), s.newKey("ES256")
	host := "https://boats.lagoon.example"
	token := s.token(as, grant{iss: "https://id.lagoon.example", aud: host, scope: "boats", issued: s.at(-66), bound: k})
	e := s.resource(0, "GET", host+"/api/v2/boats", token, proof{key: k, htu: host + "/app/../api/v2/boats"}).
		answer(401, `{"e":"POP_TARGET"}`, `WWW-Authenticate: DPoP error="invalid_dpop_proof", algs="ES256"`)
	s.addRaw("", e)
	s.fails("htu-wrong-endpoint", "high", 1)
	s.orElse("htu-path-encoding-mismatch", "htu-path-prefix-mismatch")
	s.notThese("htu-trailing-slash-mismatch", "proof-alg-not-accepted", "htu-host-mismatch-behind-proxy", "ath-mismatch")
	s.fact("/app/../api/v2/boats")
	s.fact(host + "/api/v2/boats")
	s.fix("sign the", "final URL", "URL that is called", "URL sent", "called URL", "resolve", "normali")
	return s
}

func cPrefixByTopology() *scene {
	s := newScene("c45", "The city instances refuse proofs, the main site accepts them", "Nginx that rewrites a tenant path, only the client's side and a drawing are known", "2026-10-01T10:01:00Z")
	as, k := s.newKey("EdDSA").named("gu-2"), s.newKey("ES256")
	host := "https://city.guild.example"
	token := s.token(as, grant{iss: "https://id.guild.example", aud: host, scope: "members", issued: s.at(-36), bound: k})
	a := call(s.at(-2), "GET", host+"/t/oslo/docs", "", acceptJSON).answer(301, "", "Location: /docs/", "Server: nginx")
	b := s.resource(0, "GET", host+"/t/oslo/members", token, proof{key: k}).answer(401, `{"error":"invalid_dpop_proof"}`, `WWW-Authenticate: DPoP error="invalid_dpop_proof", error_description="htu", algs="ES256"`, "Server: nginx")
	s.addBundle([]*exchange{a, b}, lines("topology", "nginx: location /t/oslo/ { proxy_pass http://members-oslo:8080/; }  # path prefix removed", "members-oslo builds its own URLs from what it receives"))
	s.fails("htu-path-prefix-mismatch", "medium", 2)
	s.notThese("htu-wrong-endpoint", "redirect-followed-with-same-proof", "htu-scheme-mismatch-behind-proxy", "htu-trailing-slash-mismatch", "no-failure")
	s.fact("/t/oslo")
	s.fact("prefix")
	s.fix("X-Forwarded-Prefix", "external URL", "public URL", "public base URL", "original URL")
	return s
}

func cOriginOnly() *scene {
	s := newScene("c46", "Every call is said to be meant for another service", "Proxy-side signer that knows only the host, Haskell RS", "2026-10-15T15:15:00Z")
	as, k := s.newKey("PS256").named("tr-5"), s.newKey("ES256")
	host := "https://lines.tramway.example"
	token := s.token(as, grant{iss: "https://id.tramway.example", aud: host, scope: "lines", issued: s.at(-8), bound: k})
	e := s.resource(0, "GET", host+"/v4/lines/12", token, proof{key: k, htu: host}).
		answer(403, "wrong destination", `WWW-Authenticate: DPoP error="invalid_token", error_description="credentials are meant for another service"`)
	s.addTranscript("lines.txt", e)
	s.fails("htu-wrong-endpoint", "high", 1)
	s.notThese("audience-mismatch", "htu-host-mismatch-behind-proxy", "insufficient-scope", "htu-trailing-slash-mismatch")
	s.fact("/v4/lines/12")
	s.fact("htu")
	s.fix("sign the", "final URL", "URL that is called", "URL sent", "called URL", "full URL", "path")
	return s
}

func cIssuerAsHtu() *scene {
	s := newScene("c47", "A confidential client is said to be unknown once it sends proofs", "Realm-based AS, OCaml client that signs the issuer", "2026-10-30T03:33:00Z")
	k := s.newKey("PS256")
	issuer := "https://login.terrace.example/realms/one"
	target := issuer + "/protocol/token"
	e := s.grantCall(0, target, form("grant_type", "client_credentials", "scope", "plants"), proof{key: k, htu: issuer}, s.basic("greenhouse")).
		answer(401, oauthError("invalid_client", "Client or its proof could not be verified"), noStore)
	s.addBundle([]*exchange{e}, member{"authorization_server_metadata", object{{"issuer", issuer}, {"token_endpoint", target}, {"dpop_signing_alg_values_supported", []string{"PS256", "ES256"}}}})
	s.fails("htu-wrong-endpoint", "high", 1)
	s.notThese("client-authentication-failed", "htu-path-prefix-mismatch", "client-assertion-reused-on-nonce-retry", "proof-alg-not-accepted")
	s.fact(issuer)
	s.fact(target)
	s.fix("sign the", "final URL", "URL that is called", "token endpoint", "URL sent", "called URL")
	return s
}

func cSignedHTTP() *scene {
	s := newScene("c48", "A service behind its own sidecar signs an address nobody called", "Client whose sidecar upgrades http to https, capture of the outgoing side", "2026-11-12T12:24:00Z")
	as, k := s.newKey("ES256").named("sc-1"), s.newKey("ES256")
	host := "https://quotes.exchange.example"
	token := s.token(as, grant{iss: "https://id.exchange.example", aud: host, scope: "quotes", issued: s.at(-90), bound: k})
	e := s.resource(0, "GET", host+"/last?symbol=AB", token, proof{key: k, htu: "http://quotes.exchange.example/last"}).
		answer(401, "", `WWW-Authenticate: DPoP realm="https://quotes.exchange.example", error="invalid_dpop_proof", algs="ES256"`)
	s.addCurl("sidecar.txt", e)
	s.fails("htu-wrong-endpoint", "high", 1)
	s.orElse("htu-scheme-mismatch-behind-proxy")
	s.notThese("htu-query-or-fragment-included", "htu-host-mismatch-behind-proxy", "htu-port-mismatch", "ath-mismatch")
	s.fact("http://quotes.exchange.example/last")
	s.fact("https://quotes.exchange.example/last", "scheme", "https")
	s.fix("sign the", "final URL", "URL that is called", "URL sent", "called URL", "https")
	return s
}

func cUserInfo() *scene {
	s := newScene("c49", "A feed reader with a user name in its address is refused", "Client that signs the address from its settings, lighttpd-like RS", "2026-11-25T06:45:00Z")
	as, k := s.newKey("ES384").named("fe-1"), s.newKey("EdDSA")
	host := "https://press.herald.example"
	token := s.token(as, grant{iss: "https://id.herald.example", aud: host, scope: "feeds", issued: s.at(-28), bound: k})
	e := s.resource(0, "GET", host+"/feeds/today", token, proof{key: k, htu: "https://reader-12@press.herald.example/feeds/today"}).
		answer(401, `{"error":"proof_invalid"}`, `WWW-Authenticate: DPoP error="invalid_dpop_proof", algs="EdDSA ES256"`)
	s.addHAR("reader.har", "Proxyman", "5.31", e)
	s.fails("htu-wrong-endpoint", "high", 1)
	s.orElse("htu-host-mismatch-behind-proxy")
	s.notThese("htu-path-prefix-mismatch", "token-malformed", "proof-malformed", "binding-key-mismatch")
	s.fact("reader-12")
	s.fact("htu")
	s.fix("sign the", "final URL", "URL that is called", "URL sent", "called URL", "user info", "userinfo", "user name")
	return s
}
