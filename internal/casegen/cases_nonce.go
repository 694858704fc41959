package main

var nonceCases = []func() *scene{
	nonceExpired, nonceNotShared, nonceWithoutValue, jtiNotUnique, replayCheckedTwice,
}

func nonceExpired() *scene {
	s := newScene("a15", "Background refresh loops forever after ten minutes", "Okta-like AS, SDK that remembers the first nonce", "2026-01-08T02:00:00Z")
	as, k := s.newKey("RS256").named("okta-1"), s.newKey("RS256")
	target := "https://org-7.example/oauth2/default/v1/token"
	n1, n2, n3, n4 := s.value(18), s.value(18), s.value(18), s.value(18)
	secret := s.hide("client_secret", "", 30)
	body := form("grant_type", "client_credentials", "client_id", "0oa7job", "client_secret", secret, "scope", "jobs.run")
	refused := `{"error":"use_dpop_nonce","error_description":"Authorization server requires nonce in DPoP proof."}`
	grant := grant{iss: "https://org-7.example/oauth2/default", aud: "api://jobs", scope: "jobs.run", issued: s.at(1), life: 600, bound: k}
	e1 := s.grantCall(0, target, body, proof{key: k}).answer(400, refused, noStore, "DPoP-Nonce: "+n1)
	e2 := s.grantCall(1, target, body, proof{key: k, nonce: n1}).answer(200, tokenReply(s.token(as, grant), "DPoP", 600), noStore, "DPoP-Nonce: "+n2)
	e3 := s.grantCall(590, target, body, proof{key: k, nonce: n1}).answer(400, refused, noStore, "DPoP-Nonce: "+n3)
	e4 := s.grantCall(591, target, body, proof{key: k, nonce: n1}).answer(400, refused, noStore, "DPoP-Nonce: "+n4)
	s.addCurl("session.txt", overH2(e1, e2, e3, e4)...)
	s.seenAfter(640)
	s.fails("nonce-expired", "high", 3)
	s.notThese("nonce-challenge-unhandled", "nonce-from-other-server", "nonce-not-shared-across-replicas", "client-authentication-failed")
	s.fact(n1)
	s.fact(n2, n3)
	s.fact("old", "stale", "earlier", "expired", "newer")
	s.fix("every answer", "every response", "each response", "newest", "latest", "replace")
	return s
}

func nonceNotShared() *scene {
	s := newScene("a16", "Half of the calls need one more round trip, some never end", "Duende-like API, two pods, round robin", "2026-02-04T09:30:00Z")
	as, k := s.newKey("ES256").named("ids-4"), s.newKey("ES256")
	target := "https://stock.retail.example/api/levels"
	token := s.token(as, grant{iss: "https://ids.retail.example", aud: "https://stock.retail.example", scope: "stock", issued: s.at(-10), bound: k})
	n := []string{"", s.value(20), s.value(20), s.value(20), s.value(20), s.value(20)}
	pods := []string{"stock-6c9d-aaa", "stock-6c9d-bbb", "stock-6c9d-bbb", "stock-6c9d-aaa", "stock-6c9d-bbb"}
	var all []*exchange
	for i, pod := range pods {
		e := s.resource(float64(i)*0.6, "GET", target, token, proof{key: k, nonce: n[i]}, acceptJSON)
		if i == 2 {
			e.answer(200, `{"levels":[{"sku":"A1","n":4}]}`, "X-Served-By: "+pod, "DPoP-Nonce: "+n[i+1])
			e.base64 = true
		} else {
			e.answer(401, "", "X-Served-By: "+pod, "DPoP-Nonce: "+n[i+1], `WWW-Authenticate: DPoP error="use_dpop_nonce", error_description="Resource server requires nonce in DPoP proof"`)
		}
		all = append(all, e)
	}
	s.addHAR("levels.har", "Proxyman", "5.14", overH2(all...)...)
	s.fails("nonce-not-shared-across-replicas", "high", 2)
	s.notThese("nonce-expired", "nonce-challenge-unhandled", "nonce-from-other-server", "no-failure")
	s.fact("stock-6c9d-aaa")
	s.fact("stock-6c9d-bbb")
	s.fact("replica", "instance", "pod")
	s.fix("shared key", "stateless", "share")
	return s
}

func nonceWithoutValue() *scene {
	s := newScene("a17", "A device is told to use a nonce it is never given", "Metering RS behind an API gateway that filters headers", "2026-03-30T23:59:10Z")
	as, k := s.newKey("ES256").named("m-as"), s.newKey("ES256")
	target := "https://meter.grid.example/v1/readings"
	token := s.token(as, grant{iss: "https://auth.grid.example", aud: "https://meter.grid.example", scope: "readings.write", issued: s.at(-90), bound: k})
	post := func(at float64) *exchange {
		e := s.resource(at, "POST", target, token, proof{key: k}, jsonType)
		e.body = `{"kwh":1.25}`
		return e.answer(401, `{"error":"use_dpop_nonce"}`, `WWW-Authenticate: DPoP error="use_dpop_nonce", error_description="Resource server requires nonce in DPoP proof"`, "Via: 1.1 gw-3")
	}
	s.addCurl("session.txt", post(0), post(20))
	s.fails("nonce-challenge-without-value", "high", 1)
	s.notThese("nonce-challenge-unhandled", "nonce-not-exposed-by-cors", "nonce-expired")
	s.fact("use_dpop_nonce")
	s.fact("DPoP-Nonce")
	s.fact("no DPoP-Nonce", "without", "missing", "absent", "no value", "did not send")
	s.fix("always send", "send DPoP-Nonce", "send the DPoP-Nonce", "return DPoP-Nonce", "DPoP-Nonce header")
	return s
}

func jtiNotUnique() *scene {
	s := newScene("a18", "Only bursts of calls fail, one at a time everything works", "Okta-like API, client with a time-based jti", "2026-04-27T10:10:10Z")
	as, k := s.newKey("RS256").named("okta-2"), s.newKey("ES256")
	host := "https://dir.example"
	token := s.token(as, grant{iss: host, aud: host, scope: "okta.users.read", issued: s.at(-200), bound: k})
	jti := "svc-3-1777284610"
	used := `WWW-Authenticate: DPoP algs="RS256 RS384 RS512 ES256 ES384 ES512", realm="https://dir.example", scope="okta.users.read", error="invalid_dpop_proof", error_description="The DPoP proof JWT has already been used."`
	a := s.resource(0.1, "GET", host+"/api/v1/users/00u1", token, proof{key: k, jti: jti}, acceptJSON).answer(200, `{"id":"00u1"}`)
	b := s.resource(0.2, "GET", host+"/api/v1/users/00u2", token, proof{key: k, jti: jti}, acceptJSON).answer(400, "{}", used)
	c := s.resource(0.3, "GET", host+"/api/v1/users/00u3", token, proof{key: k, jti: jti}, acceptJSON).answer(400, "{}", used)
	d := s.resource(1.4, "GET", host+"/api/v1/users/00u4", token, proof{key: k, jti: "svc-3-1777284611"}, acceptJSON).answer(200, `{"id":"00u4"}`)
	s.addBundle([]*exchange{a, b, c, d}, member{"client", object{{"concurrency", 8}, {"clock_source", "chrony, synchronised"}}})
	s.fails("jti-not-unique", "high", 2)
	s.notThese("proof-reused-on-retry", "replay-checked-twice", "client-clock-skew")
	s.fact(jti)
	s.fact("different", "two proofs", "several proofs", "share", "distinct")
	s.fix("random", "96 bit", "unique")
	return s
}

func replayCheckedTwice() *scene {
	s := newScene("a19", "Every first call is a replay", "Envoy-like gateway and service, both check proofs against one store", "2026-05-18T20:00:01Z")
	s.vantage = "client+backend"
	as, k := s.newKey("ES256").named("as-77"), s.newKey("ES256")
	target := "https://api.clinic.example/fhir/Patient/17"
	jti := s.value(12)
	token := s.token(as, grant{iss: "https://id.clinic.example", aud: "https://api.clinic.example", scope: "patient/*.rs", issued: s.at(-15), bound: k})
	e := s.resource(0, "GET", target, token, proof{key: k, jti: jti}, "Accept: application/fhir+json").
		answer(401, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"login"}]}`, "x-request-id: 4f0e6a1c",
			`WWW-Authenticate: DPoP error="invalid_dpop_proof", error_description="DPoP proof has already been used"`, "server: envoy")
	s.addRaw("", e)
	s.add("gateway-log.txt", "server-log", []byte("2026-05-18T20:00:01.040Z INFO  gateway request_id=4f0e6a1c dpop: proof accepted jti="+jti+" store=redis://dpop-seen action=insert result=new\n"+
		"2026-05-18T20:00:01.041Z INFO  gateway request_id=4f0e6a1c route=fhir upstream=fhir-svc:8080\n"), member{"origin", "https://api.clinic.example"})
	s.add("service-log.txt", "server-log", []byte("2026-05-18T20:00:01.049Z WARN  fhir-svc request_id=4f0e6a1c dpop: proof rejected jti="+jti+" store=redis://dpop-seen action=insert result=exists reason=replay\n"), member{"origin", "http://fhir-svc:8080"})
	s.fails("replay-checked-twice", "high", 1)
	s.notThese("proof-reused-on-retry", "jti-not-unique")
	s.fact(jti)
	s.fact("twice", "two verifiers", "both", "second verifier", "two log")
	s.fact("gateway")
	s.fix("one consumer", "separate store", "only one", "one verifier", "single")
	return s
}
