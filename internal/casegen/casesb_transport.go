package main

import "fmt"

var transportCasesB = []func() *scene{bNonceHidden, bPreflight, bProofStripped, bAuthorizationLost, bHeadersTooLarge}

func bNonceHidden() *scene {
	s := newScene("b58", "In the browser the API never works, in the app it does", "Cloud API with nonces, browser client on another origin", "2026-01-28T20:20:00Z")
	as, k := s.newKey("ES256").named("w-3"), s.newKey("ES256")
	origin, api := "https://trains.example", "https://api.trainboard.example"
	token := s.token(as, grant{iss: "https://id.trainboard.example", aud: api, scope: "board", issued: s.at(-16), bound: k})
	get := func(at float64) *exchange {
		e := s.resource(at, "GET", api+"/departures", token, proof{key: k}, "Origin: "+origin, "Sec-Fetch-Mode: cors", "Sec-Fetch-Site: cross-site", safari).
			answer(401, `{"error":"unauthorized"}`, "Access-Control-Allow-Origin: *", "Access-Control-Expose-Headers: WWW-Authenticate, X-Request-Id", "DPoP-Nonce: "+s.value(16),
				`WWW-Authenticate: DPoP error="use_dpop_nonce", error_description="nonce missing"`)
		whole := lookup(e.headers, "DPoP")
		s.redact(e, "DPoP", whole[:len(whole)-len(signatureOf(whole))]+"[REDACTED]")
		return e
	}
	s.addTranscript("proxy.txt", get(0), get(1.5))
	s.add("console.txt", "browser-console", []byte("[Error] Refused to get unsafe header \"DPoP-Nonce\"\n[Warning] auth.ts:71 server asked for a nonce, header is null, trying again without\n[Error] Failed to load resource: the server responded with a status of 401 () (departures, line 0)\n"))
	s.fails("nonce-not-exposed-by-cors", "high", 1)
	s.notThese("nonce-challenge-without-value", "nonce-challenge-unhandled", "nonce-expired", "dpop-header-blocked-by-preflight")
	s.fact("Access-Control-Expose-Headers")
	s.fact("DPoP-Nonce")
	s.fix("Access-Control-Expose-Headers", "expose")
	return s
}

func bPreflight() *scene {
	s := newScene("b59", "Die Seite lädt keine Termine mehr", "Firefox, API gateway with fixed CORS headers, German log of the app", "2026-03-04T09:40:00Z")
	target := "https://termine-api.praxis.example/v1/termine"
	options := call(s.at(0), "OPTIONS", target, "", "Origin: https://praxis.example", "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: authorization,dpop,x-mandant", firefox).
		answer(200, "", "Access-Control-Allow-Origin: https://praxis.example", "Access-Control-Allow-Methods: GET,POST,OPTIONS", "Access-Control-Allow-Headers: Authorization,Content-Type,X-Amz-Date,X-Api-Key,X-Mandant")
	s.addRaw("", options)
	s.add("konsole.txt", "browser-console", []byte("Quellübergreifende (Cross-Origin) Anfrage blockiert: Die Gleiche-Quelle-Regel verbietet das Lesen der externen Ressource auf "+target+". (Grund: Kopfzeile 'dpop' ist nicht erlaubt gemäß der Kopfzeile 'Access-Control-Allow-Headers' von CORS-Preflight-Antwort).\n"+
		"[app] Netzwerkfehler, Versuch 1 von 3: TypeError: NetworkError when attempting to fetch resource.\n"))
	s.fails("dpop-header-blocked-by-preflight", "high", 1)
	s.notThese("token-missing", "proof-missing", "nonce-not-exposed-by-cors", "authorization-header-stripped", "undetermined")
	s.fact("Access-Control-Allow-Headers")
	s.fact("dpop")
	s.fact("preflight", "OPTIONS")
	s.fix("Access-Control-Allow-Headers", "allow dpop", "allow the DPoP header")
	return s
}

func bProofStripped() *scene {
	s := newScene("b60", "Half a year of working calls, then the firewall was replaced", "Web application firewall before a Spring-like RS", "2026-04-22T22:22:00Z")
	s.vantage = "client+backend"
	as, k := s.newKey("ES384").named("w-1"), s.newKey("PS256")
	target := "https://tenders.council.example/api/bids"
	token := s.token(as, grant{iss: "https://id.council.example", aud: "https://tenders.council.example", scope: "bids", issued: s.at(-4), bound: k})
	e := s.resource(0, "POST", target, token, proof{key: k}, jsonType).with(`{"lot":3}`).
		answer(401, "", `WWW-Authenticate: DPoP error="invalid_request", error_description="DPoP proof is missing or invalid.", algs="PS256 ES256"`, "Via: 1.1 waf-2")
	arrived := seen("POST", target, []header{{"Host", "tenders.council.example"}, {"X-Forwarded-Proto", "https"}, {"X-Forwarded-Host", "tenders.council.example"}, {"Via", "1.1 waf-2"}, {"Content-Type", "application/json"}, {"Authorization", lookup(e.headers, "Authorization")}})
	s.addBundle([]*exchange{e}, s.backend(0.03, 1, arrived), member{"topology", []string{"client -> waf-2 (TLS ends, header allow list v1) -> rs"}})
	s.fails("dpop-header-stripped-by-proxy", "high", 1)
	s.notThese("proof-missing", "proof-malformed", "bound-token-sent-as-bearer", "proof-missing-at-token-endpoint")
	s.fact("DPoP")
	s.fact("proxy", "waf-2", "stripped", "removed", "on the way", "dropped")
	s.fix("forward", "pass the DPoP", "pass it", "pass DPoP", "allow list", "verify at the edge")
	return s
}

func bAuthorizationLost() *scene {
	s := newScene("b61", "The calendar API asks for a password", "IIS-like reverse proxy before a Node service", "2026-05-18T07:00:00Z")
	s.vantage = "client+backend"
	as := s.newKey("RS256").named("cal-1")
	target := "https://cal.parish.example/api/events"
	token := s.token(as, grant{iss: "https://id.parish.example", aud: "https://cal.parish.example", scope: "events", issued: s.at(-44)})
	reply := `{"error":"No authorization token was found"}`
	out := call(s.at(0), "GET", target, "", auth("Bearer", token), acceptJSON, "User-Agent: parish-android/4").answer(401, reply, "Server: Microsoft-IIS/10.0", `WWW-Authenticate: Negotiate`)
	in := call(s.at(0.01), "GET", "http://cal-node:3000/api/events", "", "Host: cal.parish.example", "X-Original-URL: /api/events", "X-Forwarded-Proto: https", acceptJSON, "User-Agent: parish-android/4").
		answer(401, reply, "X-Powered-By: Express")
	s.addRaw("phone-", out)
	s.addRaw("node-", in)
	s.fails("authorization-header-stripped", "high", 1)
	s.notThese("token-missing", "token-expired", "scheme-unsupported-by-rs", "audience-mismatch", "proof-missing")
	s.fact("Authorization")
	s.fact("backend", "on the way", "lost", "stripped", "removed", "proxy")
	s.fix("forward", "pass Authorization", "pass the Authorization", "pass it")
	return s
}

func bHeadersTooLarge() *scene {
	s := newScene("b62", "Long-time customers cannot open the shop on one browser", "Jetty-like RS, many cookies of other tools on the same domain", "2026-07-01T17:17:00Z")
	as, k := s.newKey("PS256").named("j-1"), s.newKey("PS256")
	target := "https://shop.kettle.example/api/basket"
	token := s.token(as, grant{iss: "https://id.kettle.example", aud: "https://shop.kettle.example", scope: "basket", issued: s.at(-4), bound: k})
	cookies := "Cookie: "
	for i := range 60 {
		cookies += fmt.Sprintf("_exp%02d=%s; ", i, s.value(96))
	}
	session := s.hide("cookie", "", 60)
	e := s.resource(0, "GET", target, token, proof{key: k}, safari, cookies+"SESSION="+session).answer(431, "<h1>Bad Message 431</h1><pre>reason: Request Header Fields Too Large</pre>", "Connection: close")
	other := call(s.at(1), "GET", "https://cdn.kettle.example/logo.png", "", safari).answer(200, "PNG", "Content-Type: image/png")
	s.addHAR("kettle.har", "Charles", "5.1", e, other)
	s.fails("headers-too-large", "high", 1)
	s.notThese("token-malformed", "proof-malformed", "token-expired", "undetermined")
	s.fact("bytes", "KB", "KiB")
	s.fact("431", "Too Large", "limit", "exceed")
	s.fix("limit", "smaller", "fewer claims", "EC key", "raise")
	return s
}
