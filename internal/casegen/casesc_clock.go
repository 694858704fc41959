package main

var clockCasesC = []func() *scene{cServerBehind, cOneStale, cAllBehind, cExpiredVague}

func cServerBehind() *scene {
	s := newScene("c04", "The warehouse API says that our clock is wrong", "Echo-like RS whose host lost time synchronisation, healthy AS", "2026-02-18T08:08:00Z")
	as, k := s.newKey("PS256").named("wh-1"), s.newKey("ES256")
	host, api := "https://sso.pallet.example", "https://stock.pallet.example"
	token := s.token(as, grant{iss: host, aud: api, scope: "stock", issued: s.at(-520), life: 1800, bound: k})
	got := s.grantCall(-520, host+"/token", form("grant_type", "client_credentials", "scope", "stock"), proof{key: k}, s.basic("scanner-3")).
		answer(200, tokenReply(token, "DPoP", 1800), noStore)
	bad := s.resource(0, "GET", api+"/bins", token, proof{key: k}).
		answer(401, `{"message":"iat is in the future. Please synchronise the clock of your device."}`, "Date: "+httpDate(s.at(-428)), dpopChallenge("invalid_dpop_proof", "iat is in the future"))
	other := call(s.at(1), "GET", "https://status.pallet.example/api/v1/ping", "").answer(200, `{"ok":true}`)
	s.addHAR("scanner.har", "HTTP Toolkit", "1.24", got, bad, other)
	s.fails("server-clock-wrong", "high", 2)
	s.notThese("client-clock-skew", "token-not-yet-valid", "iat-in-milliseconds", "server-iat-window-too-tight")
	s.fact("428", "427", "429", "7m08", "7m8", "7 min")
	s.fact("stock.pallet.example")
	s.fact("behind", "slow", "past")
	s.fix("NTP", "server's clock", "server clock", "synchroni", "clock of the server")
	return s
}

func cOneStale() *scene {
	s := newScene("c05", "A document that was left open cannot be saved", "Editor that signs when the page is opened, PHP RS", "2026-03-02T14:20:00Z")
	as, k := s.newKey("ES384").named("ed-2"), s.newKey("EdDSA")
	api := "https://docs.quarry.example"
	token := s.token(as, grant{iss: "https://id.quarry.example", aud: api, scope: "docs", issued: s.at(-100), life: 7200, bound: k})
	open := s.resource(0, "GET", api+"/d/5", token, proof{key: k}).answer(200, `{"rev":8}`)
	save := s.resource(1130, "PUT", api+"/d/5", token, proof{key: k, iat: s.at(0)}, jsonType).with(`{"rev":9}`).
		answer(400, `{"error":"invalid_dpop_proof","error_description":"Clock skew between client and server is too large. Check the time settings of this computer."}`)
	list := s.resource(1131, "GET", api+"/d", token, proof{key: k}).answer(200, `[5]`)
	s.addTranscript("editor.txt", open, save, list)
	s.seenAfter(1200)
	s.fails("proof-stale-when-sent", "high", 2)
	s.notThese("client-clock-skew", "server-clock-wrong", "token-expired", "proof-reused-on-retry")
	s.fact("1130", "1129", "1131", "18m50", "18 min", "19 min")
	s.fact("fresh", "other proofs", "other exchanges", "others", "exchange 3")
	s.fix("when sending", "send time", "time of sending", "at send", "just before", "when it is sent", "when the request is sent")
	return s
}

func cAllBehind() *scene {
	s := newScene("c06", "Tokens can be had but the API calls every proof stale", "Lenient AS, strict RS, laptop woken from a long sleep", "2026-03-20T20:12:00Z")
	as, k := s.newKey("ES256").named("zz-1"), s.newKey("ES512")
	host, api := "https://accounts.tidal.example", "https://gauge.tidal.example"
	slow := -412.0
	token := s.token(as, grant{iss: host, aud: api, scope: "tides", issued: s.at(0), bound: k})
	a := s.grantCall(0+slow, host+"/o/token/", form("grant_type", "client_credentials", "scope", "tides"), proof{key: k}, s.basic("buoy")).
		answer(200, tokenReply(token, "DPoP", 3600), noStore, "Date: "+httpDate(s.at(0)))
	b := s.resource(1+slow, "GET", api+"/now", token, proof{key: k}).
		answer(401, "", "Date: "+httpDate(s.at(1)), `WWW-Authenticate: DPoP error="invalid_dpop_proof", error_description="stale proof: sign again and send at once", algs="ES256 ES512"`)
	c := s.resource(4+slow, "GET", api+"/now", token, proof{key: k}).
		answer(401, "", "Date: "+httpDate(s.at(4)), `WWW-Authenticate: DPoP error="invalid_dpop_proof", error_description="stale proof: sign again and send at once", algs="ES256 ES512"`)
	s.addCurl("buoy.txt", overH2(a, b, c)...)
	s.fails("client-clock-skew", "high", 2)
	s.notThese("proof-stale-when-sent", "server-clock-wrong", "token-not-yet-valid", "server-iat-window-too-tight")
	s.fact("412", "411", "413", "6m52", "6 min")
	s.fact("behind", "slow", "past")
	s.fix("clock", "NTP", "time sync", "Date header")
	return s
}

func cExpiredVague() *scene {
	s := newScene("c07", "The proof library is blamed for failures after lunch", "Micronaut-like RS that has one text for everything", "2026-04-07T12:42:00Z")
	as, k := s.newKey("RS256").named("mn-7"), s.newKey("PS256")
	api := "https://tickets.opera.example"
	token := s.token(as, grant{iss: "https://id.opera.example", aud: api, scope: "seats", issued: s.at(-2041), life: 1800, bound: k})
	e := s.resource(0, "GET", api+"/seats/12", token, proof{key: k}, acceptJSON).
		answer(401, `{"error":"invalid_dpop_proof","error_description":"Invalid DPoP proof"}`, `WWW-Authenticate: DPoP error="invalid_dpop_proof", error_description="Invalid DPoP proof", algs="PS256 ES256"`)
	s.addCurl("seats.txt", e)
	s.fails("token-expired", "high", 1)
	s.notThese("proof-signature-invalid", "client-clock-skew", "proof-alg-not-accepted", "ath-mismatch", "undetermined")
	s.fact("exp")
	s.fact("241", "240", "242", "4m1", "4m01", "12:37:59", "4 min")
	s.fix("refresh", "new token", "new access token", "renew")
	return s
}
