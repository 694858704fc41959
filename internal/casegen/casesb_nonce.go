package main

var nonceCasesB = []func() *scene{
	bNonceUnhandled, bNonceOld, bNonceOther, bNonceReplicas, bNonceNoValue, bGrantConsumed, bAssertionReused,
	bProofReused, bJTIConstant, bCheckedTwice,
}

const needNonce = "A nonce is required in the proof."

func bNonceUnhandled() *scene {
	s := newScene("b28", "The dashboard retries three times and gives up", "Go resource server with nonces, browser app with a generic retry helper", "2026-01-11T09:09:00Z")
	as, k := s.newKey("ES256").named("gs-1"), s.newKey("EdDSA")
	api, origin := "https://metrics.solar.example", "https://board.solar.example"
	token := s.token(as, grant{iss: "https://id.solar.example", aud: api, scope: "metrics", issued: s.at(-60), bound: k})
	cors := []string{"Access-Control-Allow-Origin: " + origin, "Access-Control-Expose-Headers: DPoP-Nonce, WWW-Authenticate", "Vary: Origin"}
	list := []*exchange{
		call(s.at(0), "GET", origin+"/main.css", "", firefox).answer(200, "body{}", "Content-Type: text/css"),
		call(s.at(0.4), "OPTIONS", api+"/v1/power", "", "Origin: "+origin, "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: authorization,dpop", firefox).
			answer(204, "", append(cors, "Access-Control-Allow-Headers: authorization, dpop", "Access-Control-Max-Age: 600")...),
	}
	for i := range 4 {
		e := s.resource(0.5+float64(i)*2, "GET", api+"/v1/power", token, proof{key: k}, firefox, "Origin: "+origin)
		e.answer(401, "", append(cors, `WWW-Authenticate: DPoP error="use_dpop_nonce", error_description="`+needNonce+`", algs="ES256 EdDSA"`, "DPoP-Nonce: "+s.value(21))...)
		list = append(list, e)
	}
	list = append(list, call(s.at(9), "POST", "https://errors.vendor.example/api/4/envelope/", `{"type":"event"}`, firefox, "Content-Type: text/plain").answer(200, "{}"))
	s.addHAR("board.har", "Firefox", "147.0", overH2(list...)...)
	s.fails("nonce-challenge-unhandled", "high", 4)
	s.notThese("nonce-not-exposed-by-cors", "nonce-expired", "nonce-not-shared-across-replicas", "no-failure", "insufficient-scope")
	s.fact("use_dpop_nonce", "challenge")
	s.fact("without", "no nonce", "lacks", "missing", "ignored")
	s.fix("retry", "nonce claim", "include the nonce", "keep the nonce", "DPoP-Nonce")
	return s
}

func bNonceOld() *scene {
	s := newScene("b29", "A batch works for one minute and then every call costs three", "node-oidc-provider-like UserInfo and API, client with a fixed nonce per run", "2026-02-02T02:02:00Z")
	as, k := s.newKey("PS256").named("op-3"), s.newKey("ES384")
	target := "https://api.census.example/people"
	token := s.token(as, grant{iss: "https://op.census.example", aud: "https://api.census.example", scope: "people", issued: s.at(-20), bound: k})
	n := []string{s.value(24), s.value(24), s.value(24), s.value(24)}
	refuse := dpopChallenge("use_dpop_nonce", "invalid nonce")
	list := []*exchange{
		s.resource(0, "GET", target+"/1", token, proof{key: k}).answer(401, `{"error":"use_dpop_nonce"}`, refuse, "DPoP-Nonce: "+n[0]),
		s.resource(0.3, "GET", target+"/1", token, proof{key: k, nonce: n[0]}).answer(200, `{"id":1}`),
		s.resource(40, "GET", target+"/2", token, proof{key: k, nonce: n[0]}).answer(200, `{"id":2}`, "DPoP-Nonce: "+n[1]),
		s.resource(95, "GET", target+"/3", token, proof{key: k, nonce: n[0]}).answer(401, `{"error":"use_dpop_nonce"}`, refuse, "DPoP-Nonce: "+n[2]),
		s.resource(96, "GET", target+"/3", token, proof{key: k, nonce: n[0]}).answer(401, `{"error":"use_dpop_nonce"}`, refuse, "DPoP-Nonce: "+n[3]),
	}
	s.addTranscript("batch.txt", list...)
	s.seenAfter(150)
	s.fails("nonce-expired", "high", 4)
	s.notThese("nonce-challenge-unhandled", "nonce-from-other-server", "nonce-not-shared-across-replicas", "no-failure")
	s.fact(n[0])
	s.fact(n[1], n[2])
	s.fact("old", "stale", "earlier", "expired", "newer")
	s.fix("every answer", "every response", "each response", "newest", "latest", "replace")
	return s
}

func bNonceOther() *scene {
	s := newScene("b30", "The library logs in and is refused everywhere else", "FAPI sandbox, client with one global nonce variable", "2026-03-16T16:16:00Z")
	as, k := s.newKey("PS256").named("fapi-as"), s.newKey("PS256")
	host, api := "https://auth.sandboxbank.example", "https://rs.sandboxbank.example"
	n1, n2 := s.value(14), s.value(14)
	clientKey := s.newKey("PS256").named("tpp-1")
	token := s.token(as, grant{iss: host, aud: api, scope: "accounts", issued: s.at(1), bound: k})
	body := func(at float64) string {
		return form("grant_type", "client_credentials", "scope", "accounts", "client_assertion_type", assertionType, "client_assertion", s.assertion(clientKey, "tpp", host, at))
	}
	a := s.grantCall(0, host+"/token", body(0), proof{key: k}).answer(400, oauthError("use_dpop_nonce", needNonce), noStore, "DPoP-Nonce: "+n1)
	b := s.grantCall(1, host+"/token", body(1), proof{key: k, nonce: n1}).answer(200, tokenReply(token, "DPoP", 600), noStore, "DPoP-Nonce: "+n2)
	c := s.resource(2, "GET", api+"/accounts", token, proof{key: k, nonce: n2}, "x-fapi-interaction-id: 11bd0b2a-20a7-4f4f-90bb-0de36dc1a6c1").
		answer(401, `{"Code":"UK.OBIE.Signature.Invalid","Id":"9","Message":"Invalid proof","Errors":[]}`, dpopChallenge("invalid_dpop_proof", "nonce is not valid"), "x-fapi-interaction-id: 11bd0b2a-20a7-4f4f-90bb-0de36dc1a6c1").zipped()
	s.addBundle([]*exchange{a, b, c}, member{"client", object{{"token_cache", "in memory"}, {"concurrency", 1}}})
	s.fails("nonce-from-other-server", "high", 3)
	s.notThese("nonce-expired", "proof-signature-invalid", "nonce-challenge-unhandled", "nonce-not-shared-across-replicas")
	s.fact(n2)
	s.fact("auth.sandboxbank.example")
	s.fix("per origin", "per server", "each origin", "separate", "for each server", "by origin")
	return s
}

func bNonceReplicas() *scene {
	s := newScene("b31", "Token requests succeed at random since the second site went live", "Fosite-like AS on two sites, anycast", "2026-04-06T06:00:00Z")
	as, k := s.newKey("ES256").named("hy-1"), s.newKey("EdDSA")
	target := "https://hydra.post.example/oauth2/token"
	basic := s.basic("parcel-job")
	sites := []string{"fra-1", "ams-2", "fra-1", "ams-2", "ams-2"}
	n := []string{"", s.value(26), s.value(26), s.value(26), s.value(26), s.value(26)}
	var list []*exchange
	for i, site := range sites {
		e := s.grantCall(float64(i), target, form("grant_type", "client_credentials", "scope", "parcels"), proof{key: k, nonce: n[i]}, basic)
		if i == 4 {
			token := s.token(as, grant{iss: "https://hydra.post.example", aud: "parcels", scope: "parcels", issued: s.at(4), bound: k})
			e.answer(200, tokenReply(token, "DPoP", 3600), noStore, "X-Instance: "+site, "DPoP-Nonce: "+n[5])
		} else {
			e.answer(400, oauthError("use_dpop_nonce", needNonce), noStore, "X-Instance: "+site, "DPoP-Nonce: "+n[i+1])
		}
		list = append(list, e)
	}
	again := s.grantCall(40, target, form("grant_type", "client_credentials", "scope", "parcels returns"), proof{key: k, nonce: n[5]}, basic).
		answer(400, oauthError("use_dpop_nonce", needNonce), noStore, "X-Instance: fra-1", "DPoP-Nonce: "+s.value(26))
	s.addCurl("loop.txt", overH2(append(list, again)...)...)
	s.fails("nonce-not-shared-across-replicas", "high", 2)
	s.notThese("nonce-expired", "nonce-challenge-unhandled", "nonce-from-other-server", "client-authentication-failed")
	s.fact("fra-1")
	s.fact("ams-2")
	s.fact("replica", "instance", "site")
	s.fix("shared key", "stateless", "share")
	return s
}

func bNonceNoValue() *scene {
	s := newScene("b32", "A pushed authorization request is bounced without a hint", "Ruby AS, Node client, response header allow list", "2026-05-21T17:45:00Z")
	k := s.newKey("ES512")
	target := "https://accounts.rail.example/par"
	verifier := s.value(32)
	e := s.grantCall(0, target, form("client_id", "timetable", "response_type", "code", "redirect_uri", "https://timetable.example/cb", "scope", "openid", "code_challenge", pkce(verifier), "code_challenge_method", "S256"), proof{key: k}, "User-Agent: undici").
		answer(400, oauthError("use_dpop_nonce", needNonce), noStore, "Server: nginx", "X-Request-Id: 77aa")
	s.addRaw("", e)
	s.note("Node 24, no browser involved. All response headers are in the file.")
	s.fails("nonce-challenge-without-value", "high", 1)
	s.notThese("nonce-challenge-unhandled", "nonce-not-exposed-by-cors", "nonce-expired", "undetermined")
	s.fact("use_dpop_nonce")
	s.fact("DPoP-Nonce")
	s.fact("no DPoP-Nonce", "without", "missing", "absent", "no value", "did not send")
	s.fix("always send", "send DPoP-Nonce", "send the DPoP-Nonce", "return DPoP-Nonce", "DPoP-Nonce header")
	return s
}

func bGrantConsumed() *scene {
	s := newScene("b33", "El inicio de sesión falla la primera vez y el código ya no sirve", "AS with Spanish texts, wallet issuance with a pre-authorized code", "2026-06-08T18:00:00Z")
	k := s.newKey("EdDSA")
	target := "https://emisor.gob.example/oid4vci/token"
	code := s.hide("pre_authorized_code", "", 22)
	nonce := s.value(18)
	body := form("grant_type", "urn:ietf:params:oauth:grant-type:pre-authorized_code", "pre-authorized_code", code, "tx_code", "493536")
	offer := call(s.at(-3), "GET", "https://emisor.gob.example/.well-known/openid-credential-issuer", "", acceptJSON).
		answer(200, `{"credential_issuer":"https://emisor.gob.example","credential_endpoint":"https://emisor.gob.example/oid4vci/credential"}`)
	a := s.grantCall(0, target, body, proof{key: k}).answer(400, oauthError("use_dpop_nonce", "Se requiere un nonce en la prueba DPoP"), noStore, "DPoP-Nonce: "+nonce)
	b := s.grantCall(0.5, target, body, proof{key: k, nonce: nonce}).answer(400, oauthError("invalid_grant", "El código preautorizado ya fue utilizado o no existe"), noStore, "DPoP-Nonce: "+s.value(18))
	s.addHAR("cartera.har", "HTTP Toolkit", "1.24", offer, a, b)
	s.fails("grant-consumed-by-nonce-challenge", "high", 3)
	s.orElse("grant-invalid")
	s.notThese("code-key-mismatch", "refresh-token-replayed", "nonce-challenge-unhandled", "proof-reused-on-retry")
	s.fact("invalid_grant")
	s.fact("first attempt", "spent", "consumed", "same code", "same grant", "used up", "already used")
	s.fix("before consuming", "before it consumes", "judge the proof", "check the proof", "nonce from", "earlier")
	return s
}

func bAssertionReused() *scene {
	s := newScene("b34", "Machine login fails with a message about the certificate", "Entra-like AS with nonces, Java backend", "2026-07-20T03:00:00Z")
	k, clientKey := s.newKey("RS256"), s.newKey("PS256").named("thumb-9")
	target := "https://login.agri.example/8c1/oauth2/v2.0/token"
	one := s.assertion(clientKey, "agri-sync", target, 0)
	body := form("client_id", "agri-sync", "scope", "https://silo.agri.example/.default", "client_assertion_type", assertionType, "client_assertion", one, "grant_type", "client_credentials")
	nonce := s.value(30)
	a := s.grantCall(0, target, body, proof{key: k}).answer(400, `{"error":"use_dpop_nonce","error_codes":[],"trace_id":"1f"}`, noStore, "DPoP-Nonce: "+nonce)
	b := s.grantCall(0.2, target, body, proof{key: k, nonce: nonce}).
		answer(401, object{{"error", "invalid_client"}, {"error_description", "AADSTS5000211: The client assertion contains an invalid certificate or has been seen before. Trace ID: 2f"}, {"error_codes", []int{5000211}}}.String(), noStore).zipped()
	s.addHAR("sync.har", "Fiddler Everywhere", "7.0", a, b)
	s.fails("client-assertion-reused-on-nonce-retry", "high", 2)
	s.orElse("client-authentication-failed")
	s.notThese("proof-reused-on-retry", "nonce-challenge-unhandled", "grant-consumed-by-nonce-challenge", "grant-invalid")
	s.fact("assertion")
	s.fact("invalid_client")
	s.fact("same", "twice", "again", "repeated", "reused", "identical")
	s.fix("new assertion", "one per attempt", "fresh assertion", "per attempt", "each attempt")
	return s
}

func bProofReused() *scene {
	s := newScene("b35", "After a short outage the app shows errors for good requests", "AWS-like gateway, HTTP library that retries by itself", "2026-08-03T10:00:00Z")
	as, k := s.newKey("RS256").named("cg-2"), s.newKey("ES384")
	host := "https://api.lighthouse.example"
	token := s.token(as, grant{iss: "https://idp.lighthouse.example/p1", aud: host, scope: "beams", issued: s.at(-120), bound: k})
	first := s.resource(0, "POST", host+"/v3/beams", token, proof{key: k}, jsonType, "User-Agent: aiohttp/3.13").with(`{"on":true}`).
		answer(503, `{"message":"Service Unavailable"}`, "Retry-After: 2", "x-amzn-RequestId: 9c5a")
	second := call(s.at(2.1), "POST", host+"/v3/beams", `{"on":true}`).answer(403, `{"message":"User is not authorized to access this resource with an explicit deny"}`, "x-amzn-ErrorType: AccessDeniedException")
	second.headers = first.headers
	third := s.resource(5, "GET", host+"/v3/beams", token, proof{key: k}, "User-Agent: aiohttp/3.13").answer(200, `{"beams":[]}`)
	s.addHAR("beams.har", "mitmproxy", "12.2", first, second, third)
	s.log("authorizer-log.txt", host, "2026-08-03T10:00:02.140Z deny reason=REPLAY")
	s.fails("proof-reused-on-retry", "high", 2)
	s.notThese("jti-not-unique", "replay-checked-twice", "insufficient-scope", "no-failure")
	s.fact("same proof", "identical", "reused", "sent twice", "same bytes", "again")
	s.fact("retry", "503")
	s.fix("sign inside", "new proof", "fresh proof", "per attempt", "each attempt", "re-sign")
	return s
}

func bJTIConstant() *scene {
	s := newScene("b36", "One request per session works", "Express-like RS, client that uses its session id as jti", "2026-09-12T12:34:00Z")
	as, k := s.newKey("EdDSA").named("ex-1"), s.newKey("PS256")
	host := "https://inbox.studio9.example"
	token := s.token(as, grant{iss: "https://id.studio9.example", aud: host, scope: "mail", issued: s.at(-33), bound: k})
	jti := "sess-0c77f2d1"
	a := s.resource(0, "GET", host+"/mail?page=1", token, proof{key: k, jti: jti}).answer(200, "[]")
	b := s.resource(3, "GET", host+"/mail?page=2", token, proof{key: k, jti: jti}).answer(401, "Unauthorized", `WWW-Authenticate: DPoP error="invalid_token", error_description="JWT Replay detected"`)
	c := s.resource(9, "GET", host+"/folders", token, proof{key: k, jti: jti}).answer(401, "Unauthorized", `WWW-Authenticate: DPoP error="invalid_token", error_description="JWT Replay detected"`)
	s.addCurl("mail.txt", a, b, c)
	s.fails("jti-not-unique", "high", 2)
	s.notThese("proof-reused-on-retry", "replay-checked-twice", "token-revoked", "client-clock-skew")
	s.fact(jti)
	s.fact("different", "two proofs", "several proofs", "share", "distinct")
	s.fix("random", "96 bit", "unique")
	return s
}

func bCheckedTwice() *scene {
	s := newScene("b37", "Nobody can call the API since the framework upgrade", "Spring-like RS, filter registered by hand and by the framework", "2026-10-02T08:15:00Z")
	s.vantage = "client+backend"
	as, k := s.newKey("RS256").named("s-7"), s.newKey("ES512")
	jti := s.value(15)
	target := "https://hr.tower.example/api/leave"
	token := s.token(as, grant{iss: "https://auth.tower.example", aud: "hr", scope: "leave", issued: s.at(-5), bound: k})
	e := s.resource(0, "GET", target, token, proof{key: k, jti: jti}, acceptJSON).
		answer(401, `{"type":"about:blank","title":"Unauthorized","status":401,"detail":"jti claim is invalid."}`, problemType, dpopChallenge("invalid_dpop_proof", "jti claim is invalid."))
	s.addBundle([]*exchange{e}, member{"server_log", []string{
		"08:15:00.201 DEBUG [nio-8080-exec-3] c.t.DpopFilter#0 : jti " + jti + " stored, proof valid",
		"08:15:00.203 DEBUG [nio-8080-exec-3] o.s.s.w.FilterChainProxy : Securing GET /api/leave",
		"08:15:00.206 DEBUG [nio-8080-exec-3] c.t.DpopFilter#1 : jti " + jti + " exists, rejecting",
	}},
		member{"topology", []string{"client -> ingress -> hr (one pod)"}}, member{"client", object{{"concurrency", 1}, {"queue", "no retries configured"}}})
	s.fails("replay-checked-twice", "high", 1)
	s.notThese("proof-reused-on-retry", "jti-not-unique", "proof-claim-missing")
	s.fact(jti)
	s.fact("twice", "two verifiers", "both", "second verifier", "two log", "second check")
	s.fix("one consumer", "separate store", "only one", "one verifier", "single")
	return s
}
