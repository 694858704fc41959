package main

var clockCases = []func() *scene{proofStale, serverClockWrong, serverWindowTight}

func proofStale() *scene {
	s := newScene("a20", "Reports written offline are refused when the van is back in range", "Field-service app with an offline queue", "2026-07-09T15:00:00Z")
	as, k := s.newKey("ES256").named("fs-1"), s.newKey("ES256")
	host := "https://jobs.field.example"
	token := s.token(as, grant{iss: "https://auth.field.example", aud: host, scope: "jobs", issued: s.at(-1500), bound: k})
	a := s.resource(0, "GET", host+"/v1/me", token, proof{key: k}).answer(200, `{"name":"van-12"}`)
	b := s.resource(1, "POST", host+"/v1/reports", token, proof{key: k, iat: s.at(-1043)}, jsonType)
	b.body = `{"job":"j-5","text":"pump replaced"}`
	b.answer(401, `{"error":"invalid_dpop_proof","error_description":"Client clock is out of sync"}`, `WWW-Authenticate: DPoP error="invalid_dpop_proof", error_description="Client clock is out of sync"`)
	c := s.resource(2, "GET", host+"/v1/jobs", token, proof{key: k}).answer(200, `{"jobs":[]}`)
	s.addBundle([]*exchange{a, b, c}, member{"client", object{{"clock_source", "NTP, offset 11 ms"}, {"queue", "requests are signed and stored when offline, then sent as stored"}}})
	s.fails("proof-stale-when-sent", "high", 2)
	s.notThese("client-clock-skew", "server-clock-wrong", "iat-in-milliseconds")
	s.fact("1044", "1043", "17 min", "17m")
	s.fact("iat")
	s.fact("queue", "before it was sent", "long before", "other proofs", "stale")
	s.fix("when sending", "send time", "time of sending", "at send", "just before")
	return s
}

func serverClockWrong() *scene {
	s := newScene("a21", "One API says the proof is from the future, its neighbours do not", "jose-based RS on a drifting virtual machine", "2026-08-11T11:11:30Z")
	as, k := s.newKey("ES256").named("c-as"), s.newKey("ES256")
	body := form("grant_type", "client_credentials", "client_id", "etl", "client_secret", s.hide("client_secret", "", 24), "scope", "tables")
	token := s.token(as, grant{iss: "https://sts.data.example", aud: "https://warehouse.data.example", scope: "tables", issued: s.at(0), bound: k})
	a := s.grantCall(0, "https://sts.data.example/token", body, proof{key: k}).answer(200, tokenReply(token, "DPoP", 3600), noStore)
	b := s.resource(1, "GET", "https://warehouse.data.example/tables", token, proof{key: k}).
		answer(401, `{"error":"invalid_dpop_proof","error_description":"\"iat\" claim timestamp check failed (it should be in the past)"}`,
			"Date: "+httpDate(s.at(1-312)), `WWW-Authenticate: DPoP error="invalid_dpop_proof", algs="ES256"`)
	c := call(s.at(2), "GET", "https://cdn.tools.example/etl/plugins.json", "", "User-Agent: etl/2").answer(200, `{"plugins":[]}`, "Age: 0")
	s.addHAR("etl.har", "mitmproxy", "12.1", a, b, c)
	s.fails("server-clock-wrong", "high", 2)
	s.notThese("client-clock-skew", "token-not-yet-valid", "server-iat-window-too-tight", "proof-stale-when-sent")
	s.fact("312", "5m12", "5 min", "311", "313")
	s.fact("warehouse.data.example")
	s.fact("behind", "slow", "in the past", "late")
	s.fix("NTP", "server's clock", "server clock", "synchroni")
	return s
}

func serverWindowTight() *scene {
	s := newScene("a22", "The same call fails twice out of three times", "Strict RS without leeway, desktop client", "2026-09-01T07:45:00Z")
	as, k := s.newKey("ES384").named("p384"), s.newKey("ES384")
	target := "https://sync.notes.example/v2/changes?since=41"
	token := s.token(as, grant{iss: "https://id.notes.example", aud: "https://sync.notes.example", scope: "sync", issued: s.at(-700), bound: k})
	refused := `{"error":"invalid_dpop_proof","error_description":"invalid iat"}`
	challenge := `WWW-Authenticate: DPoP error="invalid_dpop_proof", error_description="invalid iat"`
	// The client is two seconds ahead; the second answer was slow, so that its
	// Date has caught up with iat.
	one := s.resource(2, "GET", target, token, proof{key: k}).answer(401, refused, "Date: "+httpDate(s.at(0)), challenge)
	two := s.resource(10, "GET", target, token, proof{key: k}).answer(200, `{"changes":[]}`, "Date: "+httpDate(s.at(10)))
	lost := s.resource(60, "GET", target, token, proof{key: k}).breaks("read tcp 192.0.2.17:50122->203.0.113.80:443: read: connection reset by peer")
	three := s.resource(72, "GET", target, token, proof{key: k}).answer(401, refused, "Date: "+httpDate(s.at(70)), challenge)
	s.addTranscript("wire.txt", one, two, lost, three)
	s.seenAfter(130)
	s.fails("server-iat-window-too-tight", "high", 1)
	s.notThese("client-clock-skew", "server-clock-wrong", "proof-stale-when-sent", "no-failure")
	s.fact("2 s", "two seconds", "2s", "2 second", "+2")
	s.fact("iat")
	s.fix("leeway", "tolerance", "window", "allow", "some seconds", "few seconds")
	return s
}
