package main

var replayCasesC = []func() *scene{cJTIKept, cTwoFilters, cSameBytes}

func cJTIKept() *scene {
	s := newScene("c01", "The second attempt of a stock update is always lost", "Kotlin client that re-signs but keeps one jti per operation, Vert.x-like RS", "2026-01-06T06:16:00Z")
	as, k := s.newKey("EdDSA").named("st-1"), s.newKey("ES384")
	target := "https://stock.millstone.example/v3/items/881"
	token := s.token(as, grant{iss: "https://id.millstone.example", aud: "https://stock.millstone.example", scope: "stock", issued: s.at(-80), bound: k})
	jti := s.value(15)
	put := func(at float64) *exchange {
		return s.resource(at, "PUT", target, token, proof{key: k, jti: jti}, jsonType).with(`{"count":12}`)
	}
	a := put(0).answer(503, "no healthy upstream", "Server: envoy", "Retry-After: 2")
	b := put(2).answer(401, "", `WWW-Authenticate: DPoP error="invalid_dpop_proof", error_description="The same proof must not be sent twice", algs="ES384 ES256"`)
	s.addTranscript("update.txt", a, b)
	s.fails("jti-not-unique", "high", 2)
	s.notThese("proof-reused-on-retry", "replay-checked-twice", "no-failure", "proof-stale-when-sent")
	s.fact(jti)
	s.fact("different", "differ", "share", "two proofs", "not identical", "iat")
	s.fix("new jti", "unique jti", "jti per", "random", "96")
	return s
}

func cTwoFilters() *scene {
	s := newScene("c02", "Nothing works since the gateway learned about proofs", "APIcast-like gateway and Python service sharing one Redis", "2026-01-19T19:01:00Z")
	s.vantage = "client+backend"
	as, k := s.newKey("ES256").named("px-1"), s.newKey("ES256")
	api := "https://depot.orchid.example"
	token := s.token(as, grant{iss: "https://login.orchid.example", aud: api, scope: "parcels", issued: s.at(-61), bound: k})
	jti := s.value(12)
	e := s.resource(0, "GET", api+"/parcels/17", token, proof{key: k, jti: jti}, "User-Agent: python-httpx/0.29").
		answer(401, `{"code":"E_DUP"}`, `WWW-Authenticate: DPoP error="invalid_dpop_proof", error_description="proof was used before"`, "Via: 1.1 gw")
	s.addBundle([]*exchange{e},
		lines("topology", "client -> gw (verifies DPoP) -> depot-svc (verifies DPoP)", "both keep seen jti values in redis://cache:6379/0"),
		lines("server_log", "2026-01-19T19:01:00.011Z gw        req=9f2 dpop ok jti="+jti+" stored", "2026-01-19T19:01:00.019Z depot-svc req=9f2 dpop jti="+jti+" already present, rejecting"),
		member{"client", object{{"concurrency", 1}, {"queue", "none"}}})
	s.fails("replay-checked-twice", "high", 1)
	s.notThese("proof-reused-on-retry", "jti-not-unique", "proof-stale-when-sent", "undetermined")
	s.fact(jti)
	s.fact("depot-svc", "two verifiers", "both", "twice")
	s.fix("one verifier", "one consumer", "separate store", "only one", "one place", "single", "own store")
	return s
}

func cSameBytes() *scene {
	s := newScene("c03", "One in fifty token requests fails with a uniqueness error", "Dart client whose HTTP stack repeats after a reset, Fusion-like AS", "2026-02-03T13:03:00Z")
	k := s.newKey("EdDSA")
	target := "https://auth.kiln.example/oauth2/token"
	a := s.grantCall(0, target, form("grant_type", "client_credentials", "scope", "glaze"), proof{key: k}, s.basic("kiln-9"), "User-Agent: Dart/3.10")
	b := s.copyOf(a, 1.2, target)
	a.breaks("Connection reset by peer (OS Error 104) while reading the response")
	b.answer(400, oauthError("invalid_dpop_proof", "The jti claim is not unique. Clients must generate a random jti."), noStore)
	s.addRaw("", a)
	s.addRaw("", b)
	s.fails("proof-reused-on-retry", "high", 2)
	s.notThese("jti-not-unique", "replay-checked-twice", "client-authentication-failed", "proof-claim-missing")
	s.fact("same proof", "identical", "same bytes", "reused", "resent", "sent twice", "byte for byte")
	s.fact("jti")
	s.fix("new proof", "fresh proof", "sign inside", "per attempt", "each attempt", "re-sign")
	return s
}
