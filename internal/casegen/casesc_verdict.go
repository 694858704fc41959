package main

import "strings"

var healthyCasesC = []func() *scene{cHealthyParallel, cHealthyTwoUsers, cHealthyHops, cHealthyForbidden, cHealthyCached, cHealthyLateStart}

var openCasesC = []func() *scene{cOpenSignatureGone, cOpenTerse, cOpenLastLine, cOpenExport, cOpenLoose}

func cHealthyParallel() *scene {
	s := newScene("c50", "Three parallel uploads, one of them shows a 401", "RS with one-time nonces, client with three workers that writes host and port its own way", "2026-02-01T22:02:00Z")
	as, k := s.newKey("ES256").named("up-1"), s.newKey("ES256")
	target, spelled := "https://drop.meadow.example/parts/", "https://DROP.meadow.example:443/parts/"
	token := s.token(as, grant{iss: "https://id.meadow.example", aud: "https://drop.meadow.example", scope: "parts", issued: s.at(-70), bound: k})
	n := []string{s.value(13), s.value(13), s.value(13), s.value(13), s.value(13)}
	put := func(at float64, part, nonce string) *exchange {
		return s.resource(at, "PUT", target+part, token, proof{key: k, nonce: nonce, htu: spelled + part}, jsonType).with(`{"p":"` + part + `"}`)
	}
	list := []*exchange{
		put(0, "1", "").answer(401, "", dpopChallenge("use_dpop_nonce", needNonce), "DPoP-Nonce: "+n[0]),
		put(0.2, "1", n[0]).answer(201, "", "DPoP-Nonce: "+n[1]),
		put(0.3, "2", n[1]).answer(201, "", "DPoP-Nonce: "+n[2]),
		put(0.31, "3", n[1]).answer(401, "", dpopChallenge("use_dpop_nonce", "nonce was used"), "DPoP-Nonce: "+n[3]),
		put(0.5, "3", n[3]).answer(201, "", "DPoP-Nonce: "+n[4]),
	}
	s.addTranscript("upload.txt", list...)
	s.healthy()
	s.notThese("nonce-expired", "nonce-not-shared-across-replicas", "htu-host-mismatch-behind-proxy", "htu-port-mismatch", "nonce-challenge-unhandled")
	s.fact("nonce")
	s.fact("succe", "recover", "201", "normal", "expected")
	return s
}

func cHealthyTwoUsers() *scene {
	s := newScene("c51", "Support suspects that two accounts were mixed up", "Shared computer, two users one after the other, a refresh in between", "2026-02-22T08:22:00Z")
	as, one, two := s.newKey("ES384").named("sh-1"), s.newKey("ES256"), s.newKey("ES256")
	host, api := "https://id.harvest-club.example", "https://api.harvest-club.example"
	r1, r2 := s.hide("refresh_token", "", 30), s.hide("refresh_token", "", 30)
	mint := func(at float64, k *key) string {
		return s.token(as, grant{iss: host, aud: api, scope: "boxes", issued: s.at(at), life: 300, bound: k})
	}
	old, next, second := mint(-310, one), mint(1, one), mint(60, two)
	code, verifier := s.hide("authorization_code", "", 22), s.hide("code_verifier", "", 32)
	list := []*exchange{
		s.resource(0, "GET", api+"/boxes", old, proof{key: one}, firefox).answer(401, `{"error":"expired"}`, dpopChallenge("invalid_token", "The access token expired")),
		s.grantCall(1, host+"/token", form("grant_type", "refresh_token", "client_id", "club", "refresh_token", r1), proof{key: one}, firefox).answer(200, tokenReply(next, "DPoP", 300, member{"refresh_token", r2}), noStore),
		s.resource(2, "GET", api+"/boxes", next, proof{key: one}, firefox).answer(200, `{"owner":"ida"}`),
		call(s.at(40), "GET", "https://harvest-club.example/logout", "", firefox).answer(302, "", "Location: https://harvest-club.example/"),
		s.grantCall(60, host+"/token", form("grant_type", "authorization_code", "client_id", "club", "code", code, "code_verifier", verifier, "redirect_uri", "https://harvest-club.example/cb"), proof{key: two}, firefox).answer(200, tokenReply(second, "DPoP", 300), noStore),
		s.resource(61, "GET", api+"/boxes", second, proof{key: two}, firefox).answer(200, `{"owner":"otto"}`),
	}
	s.addHAR("club.har", "Firefox", "148.0", overH2(list...)...)
	s.healthy()
	s.notThese("key-regenerated-token-cached", "token-expired", "refresh-token-replayed", "bound-token-forwarded", "binding-key-mismatch")
	s.fact("refresh", "expired", "new token")
	s.fact("succe", "200", "normal", "recover", "expected")
	return s
}

func cHealthyHops() *scene {
	s := newScene("c52", "Doubled requests and a redirect in a browser trace", "Browser app, preflights, API that moved to another path", "2026-03-15T13:05:00Z")
	as, k := s.newKey("ES256").named("hp-1"), s.newKey("EdDSA")
	origin, api := "https://tours.cliff.example", "https://api.cliff.example"
	token := s.token(as, grant{iss: "https://id.cliff.example", aud: api, scope: "tours", issued: s.at(-18), bound: k})
	cors := "Access-Control-Allow-Origin: " + origin
	preflight := func(at float64, path string) *exchange {
		return call(s.at(at), "OPTIONS", api+path, "", "Origin: "+origin, "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: authorization,dpop", chrome).
			answer(204, "", cors, "Access-Control-Allow-Headers: authorization, dpop", "Access-Control-Allow-Methods: GET")
	}
	list := []*exchange{
		preflight(0, "/tours/9"),
		preflight(0.1, "/tours/9"),
		s.resource(0.2, "GET", api+"/tours/9", token, proof{key: k}, "Origin: "+origin, chrome).answer(308, "", cors, "Location: "+api+"/v2/tours/9"),
		preflight(0.4, "/v2/tours/9"),
		s.resource(0.5, "GET", api+"/v2/tours/9", token, proof{key: k}, "Origin: "+origin, chrome).answer(200, `{"id":9}`, cors),
	}
	s.addHAR("cliff.har", "WebInspector", "537.36", overH2(list...)...)
	s.healthy()
	s.notThese("redirect-followed-with-same-proof", "proof-reused-on-retry", "dpop-header-blocked-by-preflight", "token-missing", "authorization-header-stripped")
	s.fact("redirect", "308", "preflight", "OPTIONS")
	s.fact("succe", "200", "normal", "expected", "accepted")
	return s
}

func cHealthyForbidden() *scene {
	s := newScene("c53", "Closing the month is forbidden for the accountant", "Bookkeeping API with business rules behind proofs", "2026-04-01T00:41:00Z")
	as, k := s.newKey("PS256").named("bk-1"), s.newKey("ES384")
	api := "https://books.tannenhof.example"
	token := s.token(as, grant{iss: "https://id.tannenhof.example", aud: api, scope: "periods periods.close", issued: s.at(-44), bound: k})
	a := s.resource(0, "GET", api+"/periods/2026-03", token, proof{key: k}).answer(200, `{"period":"2026-03","open_vouchers":3}`)
	b := s.resource(5, "POST", api+"/periods/2026-03/close", token, proof{key: k}).
		answer(403, `{"type":"https://books.tannenhof.example/problems/open-vouchers","title":"Period cannot be closed","status":403,"detail":"3 vouchers of 2026-03 are not booked"}`, problemType)
	c := s.resource(9, "GET", api+"/periods/2026-03/vouchers?state=open", token, proof{key: k}).answer(200, `[{"id":71},{"id":72},{"id":80}]`)
	s.addRaw("", a)
	s.addRaw("", b)
	s.addRaw("", c)
	s.healthy()
	s.notThese("insufficient-scope", "htm-mismatch", "audience-mismatch", "binding-key-mismatch", "undetermined")
	s.fact("403")
	s.fact("succe", "200", "normal", "accepted", "expected", "business")
	return s
}

func cHealthyCached() *scene {
	s := newScene("c54", "The page works, its trace is full of warnings", "Browser app with cached entries, blocked statistics, one missing avatar", "2026-05-12T19:20:00Z")
	as, k := s.newKey("EdDSA").named("ca-1"), s.newKey("ES256")
	origin, api := "https://board.chess.example", "https://play.chess.example"
	token := s.token(as, grant{iss: "https://id.chess.example", aud: api, scope: "games", issued: s.at(-26), bound: k})
	cors := "Access-Control-Allow-Origin: " + origin
	get := func(at float64, path string) *exchange {
		return s.resource(at, "GET", api+path, token, proof{key: k}, "Origin: "+origin, `If-None-Match: "g7"`, safari)
	}
	list := []*exchange{
		call(s.at(0), "GET", origin+"/app.js", "", safari).answer(304, ""),
		get(0.3, "/games/7").answer(304, "", cors, `ETag: "g7"`),
		call(s.at(0.4), "OPTIONS", "https://stats.vendor.example/v1/hit", "", "Origin: "+origin, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type", safari).answer(403, ""),
		call(s.at(0.41), "POST", "https://stats.vendor.example/v1/hit", "{}", jsonType, "Origin: "+origin, safari).breaks("Preflight response is not successful. Status code: 403"),
		get(0.6, "/players/ann/avatar").answer(404, `{"error":"no avatar"}`, cors),
		get(0.9, "/games").answer(200, `[{"id":7}]`, cors),
	}
	s.addHAR("chess.har", "WebInspector", "620.1", overH2(list...)...)
	s.healthy()
	s.notThese("dpop-header-blocked-by-preflight", "nonce-not-exposed-by-cors", "token-missing", "insufficient-scope", "undetermined")
	s.fact("stats.vendor.example", "unrelated", "other site", "third", "another site", "other host", "404", "304")
	s.fact("succe", "200", "normal", "accepted", "expected")
	return s
}

func cHealthyLateStart() *scene {
	s := newScene("c55", "A recording of the second half hour of a night run", "Capture started after the first challenge, nonce changes once", "2026-06-01T03:30:00Z")
	as, k := s.newKey("RS256").named("nr-1"), s.newKey("EdDSA")
	target := "https://ingest.comet.example/frames"
	token := s.token(as, grant{iss: "https://id.comet.example", aud: "https://ingest.comet.example", scope: "frames", issued: s.at(-1900), bound: k})
	n1, n2 := s.value(16), s.value(16)
	post := func(at float64, nonce string) *exchange {
		return s.resource(at, "POST", target, token, proof{key: k, nonce: nonce}, jsonType).with(`{"f":1}`)
	}
	list := []*exchange{
		post(0, n1).answer(202, ""),
		post(20, n1).answer(202, ""),
		post(40, n1).answer(401, "", dpopChallenge("use_dpop_nonce", "nonce expired"), "DPoP-Nonce: "+n2),
		post(40.4, n2).answer(202, ""),
	}
	s.addCurl("night.txt", list...)
	s.healthy()
	s.notThese("nonce-expired", "nonce-from-other-server", "nonce-challenge-unhandled", "proof-reused-on-retry")
	s.fact("nonce")
	s.fact("succe", "recover", "202", "normal", "expected")
	return s
}

func cOpenSignatureGone() *scene {
	s := newScene("c56", "A careful customer cut the signatures out", "Unknown RS, values cleaned by the sender", "2026-06-29T14:14:00Z")
	as, k := s.newKey("ES256").named("cu-1"), s.newKey("ES384")
	target := "https://desk.cedar.example/cases/6"
	token := s.token(as, grant{iss: "https://id.cedar.example", aud: "https://desk.cedar.example", scope: "cases", issued: s.at(-12), bound: k})
	e := s.resource(0, "GET", target, token, proof{key: k}).answer(401, `{"error":"Unauthorized","trace":"c0ffee"}`, "WWW-Authenticate: DPoP")
	whole := lookup(e.headers, "DPoP")
	s.redact(e, "DPoP", strings.TrimSuffix(whole, signatureOf(whole))+"[REDACTED]")
	s.redact(e, "Authorization", "DPoP "+strings.TrimSuffix(token, signatureOf(token))+"[REDACTED]")
	s.addRaw("", e)
	s.open(1)
	s.notThese("proof-signature-invalid", "proof-malformed", "token-malformed", "token-signature-invalid", "scheme-unsupported-by-rs")
	s.lacks("server log", "log", "verifier", "server's view")
	s.lacks("introspection", "signature", "whole proof", "JWKS", "key set", "token response")
	return s
}

func cOpenTerse() *scene {
	s := newScene("c57", "Código 4010 y nada más", "Spanish port authority API, opaque token, number instead of a reason", "2026-07-11T11:07:00Z")
	k := s.newKey("PS256")
	token := s.hide("access_token", "pa_", 39)
	e := s.resource(0, "POST", "https://atraques.puerto.example/solicitudes", token, proof{key: k}, jsonType).with(`{"barco":"Mar 3"}`).
		answer(401, `{"codigo":4010,"mensaje":"No autorizado"}`, `WWW-Authenticate: DPoP error="invalid_token", algs="PS256 ES256"`)
	s.addHAR("puerto.har", "Insomnia", "2026.3", e)
	s.open(1)
	s.notThese("token-expired", "token-revoked", "token-malformed", "binding-key-mismatch", "scheme-unsupported-by-rs")
	s.lacks("introspection", "token claims", "token response")
	s.lacks("server log", "log", "verifier", "server's view", "key set")
	return s
}

func cOpenLastLine() *scene {
	s := newScene("c58", "The recording stops at a bare 401", "Everything that can be recomputed holds, capture ends at once", "2026-08-09T06:59:00Z")
	as, k := s.newKey("EdDSA").named("ls-1"), s.newKey("ES512")
	api := "https://turbines.coastline.example"
	token := s.token(as, grant{iss: "https://id.coastline.example", aud: api, scope: "turbines", issued: s.at(-200), bound: k})
	a := s.resource(0, "GET", api+"/t/1", token, proof{key: k}).answer(200, `{"rpm":12}`)
	b := s.resource(15, "GET", api+"/t/2", token, proof{key: k}).answer(401, "", `WWW-Authenticate: DPoP algs="ES512 ES256"`)
	s.addTranscript("coast.txt", a, b)
	s.seenAfter(17)
	s.open(2)
	s.notThese("token-expired", "scheme-unsupported-by-rs", "insufficient-scope", "nonce-challenge-unhandled", "no-failure")
	s.lacks("server log", "log", "verifier", "server's view")
	s.lacks("introspection", "revo", "response body", "challenge", "WWW-Authenticate", "key set")
	return s
}

func cOpenExport() *scene {
	s := newScene("c59", "A browser trace in which nobody seems to be logged in", "Default export of a browser, preflight shows what was sent", "2026-09-20T10:10:00Z")
	origin, api := "https://console.quartz.example", "https://api.quartz.example"
	cors := "Access-Control-Allow-Origin: " + origin
	options := call(s.at(0), "OPTIONS", api+"/v1/projects", "", "Origin: "+origin, "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: authorization,dpop", chrome).
		answer(204, "", cors, "Access-Control-Allow-Headers: authorization,dpop")
	e := call(s.at(0.1), "GET", api+"/v1/projects", "", "DPoP: [REDACTED]", "Origin: "+origin, acceptJSON, chrome).answer(401, `{"error":"unauthorized"}`, cors, "WWW-Authenticate: DPoP")
	s.addHAR("quartz.har", "WebInspector", "537.36", overH2(options, e)...)
	s.note("Exported with the default setting of the developer tools (sanitised).")
	s.open(2)
	s.notThese("token-missing", "authorization-header-stripped", "proof-malformed", "dpop-header-blocked-by-preflight", "proof-missing")
	s.lacks("Authorization", "access token", "token claims", "introspection")
	s.lacks("proof", "DPoP header")
	return s
}

func cOpenLoose() *scene {
	s := newScene("c60", "A pile of notes about one refused proof", "Only loose members, the proof itself is cut", "2026-11-02T02:11:00Z")
	k := s.newKey("ES256")
	e := s.resource(0, "GET", "https://till.bazaar.example/sums", s.value(24), proof{key: k})
	cut := lookup(e.headers, "DPoP")[:48]
	s.secrets = nil
	e.set("DPoP", cut+"...").set("Authorization", "DPoP [REDACTED]")
	e.answer(401, `{"error":"invalid_dpop_proof"}`, dpopChallenge("invalid_dpop_proof", "rejected"))
	s.addBundle([]*exchange{e}, member{"client", object{{"clock_source", "chrony, in sync"}, {"concurrency", 4}, {"queue", "in memory, at most 1 s"}, {"current_key_jkt", k.jkt()}, {"key_store", "TPM, key found"}}},
		introspected("https://id.bazaar.example/introspect", object{{"active", true}, {"token_type", "DPoP"}, {"scope", "sums"}, {"exp", s.at(2000).Unix()}, {"cnf", object{{"jkt", k.jkt()}}}}),
		lines("server_log", "02:11:00.007 rs-2 WARN dpop rejected (details are off)"), lines("topology", "till -> lb -> rs-1, rs-2"))
	s.open(1)
	s.want.family = "pop"
	s.notThese("proof-malformed", "replay-checked-twice", "client-clock-skew", "nonce-not-shared-across-replicas", "binding-key-mismatch")
	s.lacks("proof", "DPoP header")
	s.lacks("server log", "log", "verifier", "server's view", "jti")
	return s
}
