package main

import (
	"fmt"
	"slices"
)

var noisyCasesB = []func() *scene{bNoisyEndpoint, bNoisyAudience, bNoisyReplay}

// chatter is what a page does besides its API calls: assets, preflights that
// are allowed, telemetry, missing source maps, an unrelated refusal.
func (s *scene) chatter(from float64, count int, origin, agent string) []*exchange {
	var list []*exchange
	for i := range count {
		at := s.at(from + float64(i)*0.37)
		asset := fmt.Sprintf("%s/assets/chunk-%02d", origin, i)
		var e *exchange
		switch i % 8 {
		case 0:
			e = call(at, "GET", asset+".js", "", agent).answer(200, "export{}", "Content-Type: text/javascript", "ETag: \""+s.value(6)+"\"")
		case 1:
			e = call(at, "GET", asset+".css", "", agent).answer(304, "")
		case 2:
			e = call(at, "OPTIONS", "https://flags.vendor.example/v2/flags", "", "Origin: "+origin, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type", agent).
				answer(204, "", "Access-Control-Allow-Origin: "+origin, "Access-Control-Allow-Headers: content-type", "Access-Control-Allow-Methods: POST")
		case 3:
			e = call(at, "POST", "https://flags.vendor.example/v2/flags", `{"user":"anonymous"}`, jsonType, "Origin: "+origin, agent).answer(200, `{"data":{"flags":null},"errors":[{"message":"Unauthorized field: beta"}]}`, "Access-Control-Allow-Origin: "+origin)
		case 4:
			e = call(at, "GET", asset+".js.map", "", agent).answer(404, "not found")
		case 5:
			e = call(at, "POST", "https://rum.vendor.example/collect", `{"t":"timing"}`, "Content-Type: text/plain", agent).answer(204, "")
		case 6:
			e = call(at, "GET", "https://fonts.vendor.example/f.woff2", "", "Origin: "+origin, agent).answer(200, "wOF2", "Content-Type: font/woff2", "Access-Control-Allow-Origin: *")
		default:
			e = call(at, "GET", "https://chat.vendor.example/session", "", "Origin: "+origin, agent).answer(401, `{"error":"no session"}`, "Access-Control-Allow-Origin: "+origin)
		}
		list = append(list, e)
	}
	return list
}

// inOrder sorts exchanges by time, as a recorder lists them.
func inOrder(list []*exchange) []*exchange {
	slices.SortStableFunc(list, func(a, b *exchange) int { return a.at.Compare(b.at) })
	return list
}

func bNoisyEndpoint() *scene {
	s := newScene("b99", "One button of the map does nothing", "Large browser capture, API with path templates", "2026-02-26T16:02:00Z")
	as, k := s.newKey("ES256").named("mp-1"), s.newKey("ES256")
	origin, api := "https://terrain.example", "https://geo.terrain.example"
	token := s.token(as, grant{iss: "https://id.terrain.example", aud: api, scope: "layers", issued: s.at(-120), bound: k})
	list := s.chatter(0, 56, origin, firefox)
	for i := range 12 {
		list = append(list, s.resource(1.1+float64(i)*1.5, "GET", fmt.Sprintf("%s/v1/layers/%d", api, 10+i), token, proof{key: k}, firefox, "Origin: "+origin).
			answer(200, `{"features":[]}`, "Access-Control-Allow-Origin: "+origin))
	}
	bad := s.resource(10.2, "GET", api+"/v1/layers/15/legend", token, proof{key: k, htu: api + "/v1/layers/{id}/legend"}, firefox, "Origin: "+origin).
		answer(401, `{"error":{"code":"AUTH-31","message":"Authentication failed"}}`, "Access-Control-Allow-Origin: "+origin)
	list = inOrder(append(list, bad))
	s.addHAR("terrain.har", "Firefox", "147.0", overH2(list...)...)
	s.fails("htu-wrong-endpoint", "high", slices.Index(list, bad)+1)
	s.notThese("htu-path-encoding-mismatch", "htu-path-prefix-mismatch", "token-missing", "token-expired", "no-failure")
	s.fact("{id}")
	s.fact("/v1/layers/15/legend")
	s.fix("sign the", "final URL", "URL that is called", "URL sent", "called URL", "template")
	return s
}

func bNoisyAudience() *scene {
	s := newScene("b100", "The side panel stays empty for everyone", "Large browser capture, two authorization servers, two APIs", "2026-06-30T10:30:00Z")
	asA, asB, k := s.newKey("EdDSA").named("a-1"), s.newKey("ES384").named("b-1"), s.newKey("ES256")
	origin, main, side := "https://office.hub.example", "https://core.hub.example", "https://mail.hub.example"
	tokenA := s.token(asA, grant{iss: "https://login.hub.example", aud: main, scope: "files mail", issued: s.at(-60), bound: k})
	tokenB := s.token(asB, grant{iss: "https://partner-login.example", aud: "https://weather.partner.example", scope: "weather", issued: s.at(-60), bound: k})
	list := s.chatter(0, 52, origin, chrome)
	cors := "Access-Control-Allow-Origin: " + origin
	for i := range 8 {
		list = append(list,
			s.resource(0.7+float64(i)*2, "GET", fmt.Sprintf("%s/files?page=%d", main, i), tokenA, proof{key: k}, chrome, "Origin: "+origin).answer(200, "[]", cors),
			s.resource(1.4+float64(i)*2, "GET", "https://weather.partner.example/now", tokenB, proof{key: k}, chrome, "Origin: "+origin).answer(200, `{"c":21}`, cors))
	}
	bad := s.resource(9, "GET", side+"/inbox", tokenA, proof{key: k}, chrome, "Origin: "+origin).
		answer(401, "", cors, `WWW-Authenticate: DPoP error="invalid_token", error_description="IDX10214: Audience validation failed."`)
	list = inOrder(append(list, bad))
	s.addHAR("hub.har", "WebInspector", "537.36", overH2(list...)...)
	s.fails("audience-mismatch", "high", slices.Index(list, bad)+1)
	s.notThese("token-issuer-mismatch", "binding-key-mismatch", "insufficient-scope", "no-failure", "bound-token-forwarded")
	s.fact("aud")
	s.fact(main)
	s.fact("mail.hub.example")
	s.fix("resource", "8707", "audience")
	return s
}

func bNoisyReplay() *scene {
	s := newScene("b101", "Saving fails once in a while in a long session", "Large browser capture, service worker that repeats requests", "2026-10-07T07:10:00Z")
	as, k := s.newKey("PS256").named("sw-1"), s.newKey("ES256")
	origin, api := "https://draft.pages.example", "https://sync.pages.example"
	token := s.token(as, grant{iss: "https://id.pages.example", aud: api, scope: "pages", issued: s.at(-600), bound: k})
	list := s.chatter(0, 60, origin, safari)
	cors := "Access-Control-Allow-Origin: " + origin
	for i := range 9 {
		list = append(list, s.resource(1.3+float64(i)*2, "PUT", fmt.Sprintf("%s/pages/%d", api, i), token, proof{key: k}, jsonType, safari, "Origin: "+origin).with(`{"t":"x"}`).answer(204, "", cors))
	}
	lost := s.resource(8.05, "POST", api+"/pages", token, proof{key: k}, jsonType, safari, "Origin: "+origin).with(`{"t":"new"}`).breaks("The network connection was lost.")
	bad := call(s.at(8.9), "POST", api+"/pages", `{"t":"new"}`).answer(400, `{"error":"bad_request","message":"Request has been seen"}`, cors)
	bad.headers = lost.headers
	list = inOrder(append(list, lost, bad))
	s.addHAR("pages.har", "WebInspector", "620.1", overH2(list...)...)
	s.fails("proof-reused-on-retry", "high", slices.Index(list, bad)+1)
	s.notThese("jti-not-unique", "replay-checked-twice", "no-failure", "undetermined", "token-missing")
	s.fact("same proof", "identical", "reused", "sent twice", "same bytes", "again")
	s.fact("POST")
	s.fix("sign inside", "new proof", "fresh proof", "per attempt", "each attempt", "re-sign")
	return s
}
