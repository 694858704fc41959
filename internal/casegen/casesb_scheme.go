package main

var schemeCasesB = []func() *scene{bBoundAsBearer, bTokenTypeCase, bSchemeUnsupported, bProofIgnored, bNotAdvertised, bIntrospectionCnf}

func bBoundAsBearer() *scene {
	s := newScene("b52", "Mutations fail although the role has every permission", "GraphQL API in a browser app, code generator that writes Bearer", "2026-01-21T12:00:00Z")
	as, k := s.newKey("EdDSA").named("gq-1"), s.newKey("ES256")
	origin, target := "https://desk.charity.example", "https://graph.charity.example/graphql"
	token := s.token(as, grant{iss: "https://id.charity.example", aud: "https://graph.charity.example", scope: "donors:read donors:write", issued: s.at(-10), bound: k})
	list := []*exchange{
		call(s.at(-1), "GET", origin+"/runtime.js", "", chrome).answer(200, "0", "Content-Type: text/javascript"),
		call(s.at(0), "OPTIONS", target, "", "Origin: "+origin, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization,content-type", chrome).
			answer(200, "", "Access-Control-Allow-Origin: "+origin, "Access-Control-Allow-Headers: authorization, content-type, dpop"),
		call(s.at(0.2), "POST", target, `{"query":"{ me { name } }"}`, jsonType, "Origin: "+origin, chrome, auth("Bearer", token)).
			answer(403, `{"errors":[{"message":"insufficient_scope","extensions":{"code":"FORBIDDEN"}}],"data":null}`, "Access-Control-Allow-Origin: "+origin, `WWW-Authenticate: Bearer error="insufficient_scope", scope="donors:write"`),
	}
	s.addHAR("desk.har", "WebInspector", "537.36", overH2(list...)...)
	s.fails("bound-token-sent-as-bearer", "high", 3)
	s.orElse("proof-missing")
	s.notThese("insufficient-scope", "token-type-case-mishandled", "audience-mismatch", "dpop-header-blocked-by-preflight")
	s.fact("Bearer")
	s.fact("cnf", k.jkt())
	s.fix("scheme DPoP", "DPoP scheme", "with DPoP", "Authorization: DPoP", "DPoP and a proof")
	return s
}

func bTokenTypeCase() *scene {
	s := newScene("b53", "One provider out of five does not work with the agent", "Go agent, AS that writes token_type in capitals", "2026-02-25T05:25:00Z")
	as, k := s.newKey("RS256").named("cap-1"), s.newKey("ES384")
	host, api := "https://login.crane.example", "https://tools.crane.example"
	token := s.token(as, grant{iss: host, aud: api, scope: "lift", issued: s.at(0), bound: k})
	a := s.grantCall(0, host+"/token", form("grant_type", "client_credentials", "scope", "lift", "resource", api), proof{key: k}, s.basic("agent-4")).
		answer(200, tokenReply(token, "DPOP", 1800), noStore)
	b := call(s.at(1), "POST", api+"/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, jsonType, auth("Bearer", token)).
		answer(401, `{"jsonrpc":"2.0","error":{"code":-32001,"message":"Unauthorized"},"id":1}`, `WWW-Authenticate: Bearer resource_metadata="https://tools.crane.example/.well-known/oauth-protected-resource/mcp", error="invalid_token"`)
	s.addTranscript("agent.txt", a, b)
	s.fails("token-type-case-mishandled", "high", 2)
	s.orElse("bound-token-sent-as-bearer")
	s.notThese("token-expired", "audience-mismatch", "as-ignored-proof", "proof-missing", "scheme-unsupported-by-rs")
	s.fact("DPOP")
	s.fact("token_type")
	s.fact("Bearer")
	s.fix("without case", "case-insensitive", "ignoring case", "spell", "regardless of case")
	return s
}

func bSchemeUnsupported() *scene {
	s := newScene("b54", "The partner API has no idea what we are sending", "Kong-like gateway with a key plug-in and a bearer plug-in", "2026-03-18T18:18:00Z")
	as, k := s.newKey("PS256").named("par-8"), s.newKey("ES384")
	target := "https://partner-api.hotel.example/rooms"
	token := s.token(as, grant{iss: "https://id.travel.example", aud: "https://partner-api.hotel.example", scope: "rooms", issued: s.at(-30), bound: k})
	e := s.resource(0, "GET", target, token, proof{key: k}, acceptJSON).answer(401, `{"message":"Unauthorized"}`, `WWW-Authenticate: Bearer realm="kong"`, "Server: kong/3.12.0")
	bare := call(s.at(5), "GET", target, "", acceptJSON).answer(401, `{"message":"Unauthorized"}`, `WWW-Authenticate: Bearer realm="kong"`, "Server: kong/3.12.0")
	rates := call(s.at(6), "GET", "https://rates.vendor.example/latest", "").answer(200, `{"eur":1}`)
	s.addHAR("rooms.har", "HTTP Toolkit", "1.24", e, bare, rates)
	s.fails("scheme-unsupported-by-rs", "high", 1)
	s.notThese("token-malformed", "binding-key-mismatch", "token-missing", "undetermined", "token-expired")
	s.fact("Bearer")
	s.fact("without credentials", "same answer", "challenge", "unauthenticated")
	s.fix("ask the owner", "add the scheme", "support", "downgrade")
	return s
}

func bProofIgnored() *scene {
	s := newScene("b55", "The claims API wants something that our provider does not give", "ADFS-like AS, strict claims API", "2026-04-27T15:00:00Z")
	as, k := s.newKey("RS256").named("adfs-3"), s.newKey("PS256")
	host, api := "https://adfs.insurer.example/adfs", "https://claims.insurer.example"
	token := s.token(as, grant{iss: host, aud: api, scope: "claims", issued: s.at(0)})
	a := s.grantCall(0, host+"/oauth2/token", form("grant_type", "client_credentials", "client_id", "c9", "client_secret", s.hide("client_secret", "", 30), "resource", api), proof{key: k}).
		answer(200, tokenReply(token, "bearer", 3600), noStore, "Server: Microsoft-HTTPAPI/2.0")
	b := s.resource(1, "GET", api+"/claims/1", token, proof{key: k}).answer(401, `{"title":"Unauthorized","status":401}`, problemType, `WWW-Authenticate: DPoP error="invalid_token", error_description="jkt claim is required."`)
	s.addRaw("", a)
	s.addRaw("", b)
	s.fails("as-ignored-proof", "high", 2)
	s.orElse("token-not-bound")
	s.notThese("dpop-not-advertised", "binding-key-mismatch", "introspection-cnf-missing", "token-type-case-mishandled")
	s.fact("bearer")
	s.fact("cnf", "not bound", "unbound", "token_type")
	s.fix("enable", "check token_type", "fail closed", "enforce")
	return s
}

func bNotAdvertised() *scene {
	s := newScene("b56", "The upgrade promised bound tokens and nothing changed", "Auth0-like AS, SDK that looks into the metadata first", "2026-05-31T10:10:00Z")
	as := s.newKey("RS256").named("t-77")
	host, api := "https://tenant9.login.example", "https://vaults.example/api"
	token := s.token(as, grant{iss: host + "/", aud: api, scope: "vaults", issued: s.at(2)})
	meta := call(s.at(0), "GET", host+"/.well-known/openid-configuration", "").
		answer(200, `{"issuer":"`+host+`/","token_endpoint":"`+host+`/oauth/token","grant_types_supported":["client_credentials"],"jwks_uri":"`+host+`/.well-known/jwks.json","token_endpoint_auth_methods_supported":["client_secret_post"]}`)
	a := call(s.at(2), "POST", host+"/oauth/token", form("grant_type", "client_credentials", "client_id", "v1", "client_secret", s.hide("client_secret", "", 40), "audience", api), formType).
		answer(200, tokenReply(token, "Bearer", 86400), noStore)
	b := call(s.at(3), "GET", api+"/main", "", auth("Bearer", token)).answer(401, `{"statusCode":401,"error":"Unauthorized","message":"DPoP proof and key-bound token required"}`, `WWW-Authenticate: DPoP algs="ES256"`)
	s.addCurl("vaults.txt", overH2(meta, a, b)...)
	s.fails("dpop-not-advertised", "high", 3)
	s.orElse("token-not-bound")
	s.notThese("as-ignored-proof", "proof-missing", "bound-token-sent-as-bearer", "token-expired", "audience-mismatch")
	s.fact("dpop_signing_alg_values_supported")
	s.fact("metadata", "discovery", "openid-configuration")
	s.fix("publish", "advertise", "fail closed", "dpop_signing_alg_values_supported")
	return s
}

func bIntrospectionCnf() *scene {
	s := newScene("b57", "The microservice trusts nobody although logins look right", "Curity-like phantom tokens, service with introspection", "2026-06-26T06:26:00Z")
	s.vantage = "client+backend"
	k := s.newKey("EdDSA")
	host := "https://idsvr.museumshop.example/oauth/v2"
	token := s.hide("access_token", "_0XBPWQQ_", 30)
	a := s.grantCall(0, host+"/oauth-token", form("grant_type", "client_credentials", "scope", "prints"), proof{key: k}, s.basic("till-2")).
		answer(200, tokenReply(token, "DPoP", 300, member{"scope", "prints"}), noStore)
	b := s.resource(1, "GET", "https://api.museumshop.example/prints", token, proof{key: k}).answer(401, "", dpopChallenge("invalid_token", "Access token is not bound"))
	c := call(s.at(1.02), "POST", host+"/oauth-introspect", form("token", token), formType, acceptJSON, s.basic("prints-svc")).
		answer(200, object{{"active", true}, {"sub", "till-2"}, {"client_id", "till-2"}, {"scope", "prints"}, {"token_type", "DPoP"}, {"exp", s.at(300).Unix()}}.String(), noStore)
	s.addTranscript("trace.txt", a, b, c)
	s.fails("introspection-cnf-missing", "high", 2)
	s.orElse("token-not-bound")
	s.notThese("as-ignored-proof", "token-revoked", "binding-key-mismatch", "scheme-unsupported-by-rs")
	s.fact("cnf")
	s.fact("introspection")
	s.fix("copy cnf", "copy the cnf", "return cnf", "include cnf", "cnf in the introspection", "cnf")
	return s
}
