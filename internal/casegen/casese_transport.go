package main

import (
	"fmt"
	"strings"
)

var transportCasesE = []func() *scene{ePreflight, eHeaderMapping, eWSGI, eEntitlements, eNoHeader}

func ePreflight() *scene {
	s := newScene("e26", "The editor cannot save, the console shows a network error", "Browser editor, ASP.NET-like API with a named CORS policy", "2026-05-11T10:20:00Z")
	origin, target := "https://edit.canvas.example", "https://docs-api.canvas.example/v1/docs/88"
	options := call(s.at(0), "OPTIONS", target, "", "Origin: "+origin, "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: authorization,content-type,dpop", chrome).
		answer(204, "", "Server: Kestrel", "Access-Control-Allow-Origin: "+origin, "Access-Control-Allow-Methods: GET,PUT,DELETE", "Access-Control-Allow-Headers: Authorization,Content-Type", "Vary: Origin")
	s.addHAR("editor.har", "WebInspector", "537.36", overH2(options)...)
	s.add("console.txt", "browser-console", []byte("Access to fetch at '"+target+"' from origin '"+origin+"' has been blocked by CORS policy: Request header field dpop is not allowed by Access-Control-Allow-Headers in preflight response.\nPUT "+target+" net::ERR_FAILED\nTypeError: Failed to fetch\n"))
	s.fails("dpop-header-blocked-by-preflight", "high", 1)
	s.notThese("nonce-not-exposed-by-cors", "proof-missing", "token-missing")
	s.fact("Access-Control-Allow-Headers")
	s.fact("preflight", "OPTIONS")
	s.fix("Access-Control-Allow-Headers", "allow dpop", "allow the DPoP")
	return s
}

func eHeaderMapping() *scene {
	s := newScene("e27", "A serverless API says that no proof was sent", "AWS-like gateway with mapped headers, function as RS", "2026-06-16T11:59:50Z")
	s.vantage = "client+backend"
	as, k := s.newKey("RS256").named("pool-1"), s.newKey("ES256")
	token := s.token(as, grant{iss: "https://users.shelf.example", aud: "https://api.shelf.example", scope: "books", issued: s.at(-18), bound: k})
	refusal := oauthError("invalid_dpop_proof", "DPoP header is required")
	edge := s.resource(0, "GET", "https://api.shelf.example/books/12", token, proof{key: k}, acceptJSON).
		answer(401, refusal, `WWW-Authenticate: DPoP error="invalid_dpop_proof"`, "Apigw-Requestid: d3Kx1hRz")
	inner := call(s.at(0), "GET", "http://127.0.0.1:9001/books/12", "", "Host: 127.0.0.1:9001", "X-Forwarded-Host: api.shelf.example", "X-Forwarded-Proto: https", acceptJSON, auth("DPoP", token)).
		answer(401, refusal, `WWW-Authenticate: DPoP error="invalid_dpop_proof"`)
	s.addRaw("edge-", edge)
	s.addRaw("backend-", inner)
	s.fails("dpop-header-stripped-by-proxy", "high", 1)
	s.notThese("proof-missing", "proof-malformed", "htu-host-mismatch-behind-proxy")
	s.fact("DPoP")
	s.fact("proxy", "gateway", "removed", "stripped", "dropped", "on the way", "lost", "backend")
	s.fix("forward", "pass", "map the DPoP", "verify at the edge", "let the DPoP header through")
	return s
}

func eWSGI() *scene {
	s := newScene("e28", "The same code works in development and asks for a token in production", "Django-like API under mod_wsgi", "2026-02-04T08:45:00Z")
	s.vantage = "client+backend"
	as := s.newKey("RS256").named("dj-1")
	target := "https://data.museum.example/api/objects/31/"
	token := s.token(as, grant{iss: "https://login.museum.example", aud: "https://data.museum.example", scope: "objects", issued: s.at(-50)})
	e := call(s.at(0), "GET", target, "", auth("Bearer", token), acceptJSON).
		answer(401, `{"detail":"Authentication credentials were not provided."}`, "Server: Apache", `WWW-Authenticate: Bearer realm="api"`)
	arrived := seen("GET", target, []header{{"Host", "data.museum.example"}, {"Accept", "application/json"}, {"X-Forwarded-Proto", "https"}})
	s.addBundle([]*exchange{e}, s.backend(0.01, 1, arrived), lines("topology", "client -> httpd (mod_wsgi) -> application"))
	s.fails("authorization-header-stripped", "high", 1)
	s.notThese("token-missing", "token-expired", "token-malformed")
	s.fact("Authorization")
	s.fact("backend", "lost", "removed", "stripped", "on the way", "dropped", "proxy", "does not reach", "did not reach")
	s.fix("forward", "pass", "WSGIPassAuthorization")
	return s
}

func eEntitlements() *scene {
	s := newScene("e29", "Administrators cannot open any page, everyone else can", "Node service behind Envoy, token with every entitlement", "2026-04-02T07:31:00Z")
	as, k := s.newKey("RS256").named("ent-4"), s.newKey("RS256")
	target := "https://console.depot.example/api/sites"
	var grants []string
	for i := range 420 {
		grants = append(grants, fmt.Sprintf("site-%03d:%s", i, "read write admin"))
	}
	token := s.token(as, grant{iss: "https://sso.depot.example", aud: "https://console.depot.example", scope: "sites", issued: s.at(-15), bound: k, extra: object{{"entitlements", strings.Join(grants, ",")}}})
	e := s.resource(0, "GET", target, token, proof{key: k}, acceptJSON).answer(431, "", "Server: envoy", "Connection: close")
	s.raw(e)
	s.fails("headers-too-large", "high", 1)
	s.notThese("token-malformed", "token-expired", "proof-malformed", "insufficient-scope")
	s.fact("431")
	s.fact("bytes", "KB", "KiB", "kB", "size")
	s.fix("smaller", "limit", "fewer claims", "EC key", "raise")
	return s
}

func eNoHeader() *scene {
	s := newScene("e30", "A build agent is unauthorized on one of its two machines", "Package registry with bearer tokens, variable not set", "2026-05-23T23:14:00Z")
	get := func(at float64) *exchange {
		return call(s.at(at), "GET", "https://pkg.forge.example/v3/index.json", "", acceptJSON, "User-Agent: NuGet Command Line/6.14").
			answer(401, `{"errors":[{"code":"UNAUTHORIZED","message":"The token is not valid"}]}`, `WWW-Authenticate: Bearer realm="https://pkg.forge.example/token",service="pkg"`)
	}
	s.addCurl("build.txt", get(0), get(8))
	s.seenAfter(600)
	s.fails("token-missing", "high", 1)
	s.notThese("token-expired", "token-malformed", "authorization-header-stripped", "no-failure")
	s.fact("Authorization")
	s.fact("no Authorization", "missing", "without", "absent", "no credentials", "no token")
	s.fix("send it", "send the token", "send the access token", "send a token", "add the", "Authorization header", "Authorization")
	return s
}
