package main

var nonceCasesC = []func() *scene{cNonceOld, cNonceOtherPort, cNonceOtherPod, cNonceExposed, cNonceHeaderGone}

func cNonceOld() *scene {
	s := newScene("c08", "The vault asks for a nonce although we send one", "Vault-like RS that rotates its nonce on success, TypeScript client", "2026-04-19T09:00:00Z")
	as, k := s.newKey("ES256").named("va-1"), s.newKey("ES256")
	api := "https://vault.lantern.example"
	token := s.token(as, grant{iss: "https://sign.lantern.example", aud: api, scope: "secrets", issued: s.at(-33), bound: k})
	n1, n2, n3 := s.value(18), s.value(18), s.value(18)
	a := s.resource(0, "GET", api+"/kv/a", token, proof{key: k}).answer(401, "", dpopChallenge("use_dpop_nonce", needNonce), "DPoP-Nonce: "+n1)
	b := s.resource(0.3, "GET", api+"/kv/a", token, proof{key: k, nonce: n1}).answer(200, `{"v":1}`, "DPoP-Nonce: "+n2)
	c := s.resource(61, "GET", api+"/kv/b", token, proof{key: k, nonce: n1}).answer(401, `{"error":"Resource server requires nonce in DPoP proof"}`, dpopChallenge("use_dpop_nonce", "Resource server requires nonce in DPoP proof"), "DPoP-Nonce: "+n3)
	s.addHAR("vault.har", "Playwright", "1.58", overH2(a, b, c)...)
	s.fails("nonce-expired", "high", 3)
	s.orElse("nonce-challenge-unhandled")
	s.notThese("nonce-from-other-server", "nonce-not-shared-across-replicas", "no-failure", "proof-claim-missing")
	s.fact(n1)
	s.fact(n2)
	s.fix("every answer", "every response", "each response", "newest", "latest", "replace", "most recent")
	return s
}

func cNonceOtherPort() *scene {
	s := newScene("c09", "UserInfo never accepts the nonce that the login gave us", "AS and UserInfo on one host and two ports, Java client that stores nonces by host name", "2026-05-04T17:30:00Z")
	as, k := s.newKey("ES384").named("pt-1"), s.newKey("ES384")
	host, info := "https://idp.foundry.example", "https://idp.foundry.example:8443"
	n1, n2, n3 := s.value(17), s.value(17), s.value(17)
	token := s.token(as, grant{iss: host, aud: info, scope: "openid", issued: s.at(1), bound: k})
	body := form("grant_type", "client_credentials", "scope", "openid")
	basic := s.basic("press")
	a := s.grantCall(0, host+"/token", body, proof{key: k}, basic).answer(400, oauthError("use_dpop_nonce", needNonce), noStore, "DPoP-Nonce: "+n1)
	b := s.grantCall(1, host+"/token", body, proof{key: k, nonce: n1}, basic).answer(200, tokenReply(token, "DPoP", 3600), noStore, "DPoP-Nonce: "+n2)
	c := s.resource(2, "GET", info+"/userinfo", token, proof{key: k, nonce: n2}).answer(401, "", dpopChallenge("use_dpop_nonce", "nonce missing or too old"), "DPoP-Nonce: "+n3)
	s.addTranscript("userinfo.txt", a, b, c)
	s.fails("nonce-from-other-server", "high", 3)
	s.orElse("nonce-challenge-unhandled")
	s.notThese("nonce-expired", "nonce-not-shared-across-replicas", "htu-port-mismatch", "no-failure")
	s.fact(n2)
	s.fact("idp.foundry.example:8443")
	s.fix("per origin", "per server", "each origin", "separate", "for each server", "by origin", "origin")
	return s
}

func cNonceOtherPod() *scene {
	s := newScene("c10", "Fresh nonces are called expired every other time", "Two gateways behind one name, ephemeral nonce secrets", "2026-05-27T07:07:00Z")
	as, k := s.newKey("EdDSA").named("gw-9"), s.newKey("EdDSA")
	target := "https://edge.copper.example/prices"
	token := s.token(as, grant{iss: "https://id.copper.example", aud: "https://edge.copper.example", scope: "prices", issued: s.at(-20), bound: k})
	n := []string{"", s.value(20), s.value(20), s.value(20), s.value(20)}
	pods := []string{"edge-7c-a", "edge-7c-b", "edge-7c-a", "edge-7c-a"}
	for i, pod := range pods {
		e := s.resource(float64(i)*0.4, "GET", target, token, proof{key: k, nonce: n[i]})
		if i == 3 {
			e.answer(200, `{"cu":9120}`, "X-Served-By: "+pod, "DPoP-Nonce: "+n[4])
		} else {
			e.answer(401, "", "X-Served-By: "+pod, dpopChallenge("use_dpop_nonce", "nonce expired"), "DPoP-Nonce: "+n[i+1])
		}
		s.addRaw("try", e)
	}
	last := s.resource(5, "GET", target, token, proof{key: k, nonce: n[4]}).answer(401, "", "X-Served-By: edge-7c-b", dpopChallenge("use_dpop_nonce", "nonce expired"), "DPoP-Nonce: "+s.value(20))
	s.addRaw("try", last)
	s.fails("nonce-not-shared-across-replicas", "high", 2)
	s.notThese("nonce-expired", "nonce-challenge-unhandled", "nonce-from-other-server", "no-failure")
	s.fact("edge-7c-a")
	s.fact("edge-7c-b")
	s.fix("shared key", "stateless", "share", "same secret")
	return s
}

func cNonceExposed() *scene {
	s := newScene("c11", "The console shows a CORS error and the login does not finish", "Browser app with an own fetch wrapper, AS with complete CORS headers", "2026-06-09T18:00:00Z")
	k := s.newKey("ES256")
	origin, target := "https://garden.bloom.example", "https://login.bloom.example/token"
	code, verifier := s.hide("authorization_code", "", 24), s.hide("code_verifier", "", 32)
	cors := []string{"Access-Control-Allow-Origin: " + origin, "Access-Control-Expose-Headers: DPoP-Nonce, WWW-Authenticate", "Vary: Origin", noStore}
	options := call(s.at(0), "OPTIONS", target, "", "Origin: "+origin, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: dpop", chrome).
		answer(204, "", "Access-Control-Allow-Origin: "+origin, "Access-Control-Allow-Headers: DPoP, Content-Type", "Access-Control-Allow-Methods: POST")
	post := s.grantCall(0.2, target, form("grant_type", "authorization_code", "client_id", "bloom-spa", "code", code, "code_verifier", verifier, "redirect_uri", origin+"/cb"), proof{key: k}, "Origin: "+origin, chrome).
		answer(400, oauthError("use_dpop_nonce", needNonce), append(cors, "DPoP-Nonce: "+s.value(15))...)
	stats := call(s.at(0.9), "POST", "https://stats.vendor.example/e", `{"e":"login_failed"}`, "Content-Type: text/plain", "Origin: "+origin, chrome).breaks("net::ERR_FAILED")
	s.addHAR("bloom.har", "WebInspector", "537.36", overH2(options, post, stats)...)
	s.add("console.txt", "browser-console", []byte("login.js:44 POST https://login.bloom.example/token 400 (Bad Request)\nlogin.js:51 Error: token request failed: use_dpop_nonce\n"+
		"Access to fetch at 'https://stats.vendor.example/e' from origin 'https://garden.bloom.example' has been blocked by CORS policy: No 'Access-Control-Allow-Origin' header is present on the requested resource.\n"))
	s.seenAfter(240)
	s.fails("nonce-challenge-unhandled", "high", 2)
	s.notThese("nonce-not-exposed-by-cors", "dpop-header-blocked-by-preflight", "nonce-challenge-without-value", "grant-invalid", "no-failure")
	s.fact("use_dpop_nonce", "DPoP-Nonce")
	s.fact("no retry", "not retried", "never retried", "nothing", "no second", "no further", "gave up", "unanswered", "not repeated", "never answered", "no request")
	s.fix("retry", "nonce claim", "include the nonce", "send again", "repeat")
	return s
}

func cNonceHeaderGone() *scene {
	s := newScene("c12", "A command line tool is asked for a nonce that it cannot find", "API behind a CDN that caches headers, curl, CORS headers present", "2026-06-25T05:45:00Z")
	as, k := s.newKey("RS256").named("cdn-k"), s.newKey("RS256")
	target := "https://maps.basalt.example/tiles/index"
	token := s.token(as, grant{iss: "https://id.basalt.example", aud: "https://maps.basalt.example", scope: "tiles", issued: s.at(-14), bound: k})
	get := func(at float64) *exchange {
		return s.resource(at, "GET", target, token, proof{key: k}).answer(401, `{"title":"Nonce required"}`, problemType,
			`WWW-Authenticate: DPoP error="use_dpop_nonce", error_description="Use the value of the DPoP-Nonce header", algs="RS256 ES256"`,
			"Access-Control-Allow-Origin: *", "Access-Control-Expose-Headers: DPoP-Nonce, WWW-Authenticate", "Via: 2 edge-cdn", "Age: 0")
	}
	s.addCurl("tiles.txt", overH2(get(0), get(3))...)
	s.fails("nonce-challenge-without-value", "high", 1)
	s.notThese("nonce-not-exposed-by-cors", "nonce-challenge-unhandled", "nonce-expired", "no-failure")
	s.fact("DPoP-Nonce")
	s.fact("no DPoP-Nonce", "without", "missing", "absent", "lacks", "no value", "does not carry")
	s.fix("always send", "send the DPoP-Nonce", "send DPoP-Nonce", "send the nonce", "header", "report")
	return s
}
