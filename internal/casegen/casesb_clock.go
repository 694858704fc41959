package main

var clockCasesB = []func() *scene{bClientSkew, bMilliseconds, bProofStale, bServerClock, bTightWindow}

func bClientSkew() *scene {
	s := newScene("b38", "A ship's computer cannot talk to either of its two providers", "Two authorization servers, embedded Linux without NTP", "2026-02-07T21:10:00Z")
	k := s.newKey("ES512")
	ahead := 1260.0
	post := func(at float64, target, client string) *exchange {
		e := s.grantCall(at+ahead, target, form("grant_type", "client_credentials", "scope", "position"), proof{key: k}, s.basic(client))
		return e
	}
	a := post(0, "https://sts.harbourmaster.example/token", "ship-1").
		answer(400, oauthError("invalid_dpop_proof", "DPoP proof is not active"), noStore, "Date: "+httpDate(s.at(0)))
	b := post(3, "https://id.weather.example/oauth2/v1/token", "ship-1w").
		answer(400, oauthError("invalid_dpop_proof", "The DPoP proof JWT is invalid."), noStore, "Date: "+httpDate(s.at(3)))
	c := call(s.at(5+ahead), "GET", "https://packages.distro.example/stable/Release", "").answer(200, "Suite: stable\n", "Date: "+httpDate(s.at(5)))
	s.addTranscript("bridge.txt", a, b, c)
	s.seenAfter(1400)
	s.fails("client-clock-skew", "high", 1)
	s.notThese("server-clock-wrong", "proof-stale-when-sent", "token-expired", "client-authentication-failed", "server-iat-window-too-tight")
	s.fact("1260", "21 min", "21m", "1259", "1261")
	s.fact("ahead", "fast", "future")
	s.fix("clock", "NTP", "time sync", "Date header")
	return s
}

func bMilliseconds() *scene {
	s := newScene("b39", "A Kotlin rewrite is told that its token is not valid yet", "Quarkus-like RS, multiplatform client", "2026-03-23T13:13:13Z")
	as, k := s.newKey("ES256").named("q-1"), s.newKey("ES256")
	target := "https://api.bakerloo.example/trips"
	token := s.token(as, grant{iss: "https://kc.bakerloo.example/realms/metro", aud: "trips", scope: "trips", issued: s.at(-13), bound: k})
	v := s.signProof(k, proofHeader(k), object{{"jti", s.value(16)}, {"htm", "GET"}, {"htu", target}, {"iat", s.at(0.482).UnixMilli()}, {"ath", ath(token)}})
	e := call(s.at(0.482), "GET", target, "", auth("DPoP", token), dpop(v), "User-Agent: ktor-client").
		answer(401, "", `WWW-Authenticate: DPoP error="invalid_token", error_description="The token is not yet valid"`)
	s.addRaw("", e)
	s.fails("iat-in-milliseconds", "high", 1)
	s.notThese("client-clock-skew", "token-not-yet-valid", "server-clock-wrong", "proof-claim-missing")
	s.fact("millisecond")
	s.fact("iat")
	s.fix("seconds", "divide")
	return s
}

func bProofStale() *scene {
	s := newScene("b40", "Large uploads are refused, small ones pass", "Media server, client signs before it hashes the file", "2026-04-11T04:11:00Z")
	as, k := s.newKey("PS256").named("m-1"), s.newKey("EdDSA")
	host := "https://ingest.radio.example"
	token := s.token(as, grant{iss: "https://id.radio.example", aud: host, scope: "ingest", issued: s.at(-700), bound: k})
	small := s.resource(0, "PUT", host+"/clips/a", token, proof{key: k}, "Content-Type: audio/flac").with("fLaC").answer(201, "")
	large := s.resource(10, "PUT", host+"/clips/b", token, proof{key: k, iat: s.at(-385)}, "Content-Type: audio/flac").with("fLaC-long").
		answer(401, `{"errors":[{"status":"401","title":"Expired","detail":"Signature has expired"}]}`, "Content-Type: application/vnd.api+json")
	list := s.resource(12, "GET", host+"/clips", token, proof{key: k}).answer(200, `["a"]`)
	s.addHAR("ingest.har", "Proxyman", "5.21", small, large, list)
	s.fails("proof-stale-when-sent", "high", 2)
	s.notThese("client-clock-skew", "token-expired", "server-clock-wrong", "proof-signature-invalid")
	s.fact("395", "394", "396", "6m35", "6 min")
	s.fact("iat")
	s.fix("when sending", "send time", "time of sending", "at send", "just before")
	return s
}

func bServerClock() *scene {
	s := newScene("b41", "The archive says that proofs have expired the moment they are made", "Java archive on bare metal, healthy AS and CDN", "2026-05-13T05:55:00Z")
	as, k := s.newKey("ES384").named("arc"), s.newKey("ES512")
	token := s.token(as, grant{iss: "https://idp.records.example", aud: "https://deep.records.example", scope: "tapes", issued: s.at(0), life: 7200, bound: k})
	a := s.grantCall(0, "https://idp.records.example/token", form("grant_type", "client_credentials", "scope", "tapes"), proof{key: k}, s.basic("tape-robot")).answer(200, tokenReply(token, "DPoP", 7200), noStore)
	b := s.resource(1, "GET", "https://deep.records.example/tapes", token, proof{key: k}).
		answer(401, "proof expired", "Date: "+httpDate(s.at(1+934)), `WWW-Authenticate: DPoP error="invalid_dpop_proof"`)
	c := call(s.at(2), "GET", "https://mirror.records.example/index.json", "").answer(200, "{}")
	d := s.resource(3, "GET", "https://deep.records.example/tapes", token, proof{key: k}).
		answer(401, "proof expired", "Date: "+httpDate(s.at(3+934)), `WWW-Authenticate: DPoP error="invalid_dpop_proof"`)
	s.redact(a, "Authorization", "Basic [REDACTED]")
	s.addCurl("robot.txt", a, b, c, d)
	s.fails("server-clock-wrong", "high", 2)
	s.notThese("client-clock-skew", "token-expired", "proof-stale-when-sent", "server-iat-window-too-tight")
	s.fact("934", "15m34", "15 min", "933", "935")
	s.fact("deep.records.example")
	s.fact("ahead", "fast", "future")
	s.fix("NTP", "server's clock", "server clock", "synchroni")
	return s
}

func bTightWindow() *scene {
	s := newScene("b42", "Every few requests a sensor is turned away and nobody knows why", "Rust RS with zero leeway, microcontroller with a good clock", "2026-06-19T19:00:00Z")
	as, k := s.newKey("ES256").named("sens"), s.newKey("EdDSA")
	target := "https://in.river.example/levels"
	token := s.token(as, grant{iss: "https://id.river.example", aud: "https://in.river.example", scope: "levels", issued: s.at(-100), bound: k})
	refused := dpopChallenge("invalid_dpop_proof", "InvalidIssuedAt")
	var list []*exchange
	for i, lag := range []float64{3, 0, 3, 1, 3} {
		e := s.resource(float64(i)*30, "POST", target, token, proof{key: k}, jsonType).with(`{"cm":141}`)
		date := "Date: " + httpDate(s.at(float64(i)*30-lag))
		if lag == 3 {
			e.answer(401, "", date, refused)
		} else {
			e.answer(202, "", date)
		}
		list = append(list, e)
	}
	s.addHAR("river.har", "mitmproxy", "12.2", list...)
	s.seenAfter(200)
	s.fails("server-iat-window-too-tight", "high", 1)
	s.notThese("client-clock-skew", "server-clock-wrong", "proof-stale-when-sent", "no-failure")
	s.fact("3 s", "three seconds", "3s", "3 second", "+3")
	s.fact("iat")
	s.fix("leeway", "tolerance", "window", "allow", "some seconds", "few seconds")
	return s
}
