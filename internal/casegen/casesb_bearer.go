package main

var bearerCasesB = []func() *scene{
	bTokenMissing, bTokenQuoted, bTokenExpired, bTokenEarly, bIssuerMismatch, bKeyUnknown, bTokenForeignKey, bRefreshAsAccess,
	bTokenRevoked, bRefreshReplayed, bRedirectURIWrong, bSecretWrong, bAudienceMismatch, bScopeMissing,
}

func bTokenMissing() *scene {
	s := newScene("b63", "The nightly export is anonymous since the variable was renamed", "Envoy-like gateway, shell script", "2026-01-06T01:30:00Z")
	target := "https://edge.orchard.example/export"
	get := func(at float64) *exchange {
		return call(s.at(at), "GET", target, "", "X-Job: export").answer(401, "Jwt is missing", `WWW-Authenticate: Bearer realm="https://edge.orchard.example/export"`, "Server: envoy")
	}
	health := call(s.at(3), "GET", "https://edge.orchard.example/healthz", "").answer(200, "ok", "Server: envoy")
	a, b := get(0), get(60)
	s.addCurl("export.txt", overH2(a, health, b)...)
	s.note("export.sh prints nothing unusual. TOKEN was renamed to API_TOKEN last week.")
	s.seenAfter(120)
	s.fails("token-missing", "high", 1)
	s.notThese("no-failure", "authorization-header-stripped", "token-expired", "proof-missing", "undetermined")
	s.fact("Authorization")
	s.fact("no Authorization", "without", "missing", "no credentials", "absent")
	s.fix("send the token", "attach", "Authorization: Bearer", "send it", "Authorization header")
	return s
}

func bTokenQuoted() *scene {
	s := newScene("b64", "A token from a JSON file is not in the form of a token", "Istio-like gateway, Node script", "2026-02-13T12:13:00Z")
	as := s.newKey("EdDSA").named("q-9")
	token := s.token(as, grant{iss: "https://id.ceramics.example", aud: "https://kiln.ceramics.example", scope: "kiln", issued: s.at(-20)})
	e := call(s.at(0), "GET", "https://kiln.ceramics.example/status", "", auth("Bearer", `"`+token+`"`), "User-Agent: node").
		answer(401, "Jwt verification fails", `WWW-Authenticate: Bearer realm="https://kiln.ceramics.example/status", error="invalid_token"`, "Server: istio-envoy")
	icon := call(s.at(1), "GET", "https://kiln.ceramics.example/favicon.ico", "").answer(404, "")
	s.addHAR("kiln.har", "HTTP Toolkit", "1.25", e, icon)
	s.fails("token-malformed", "high", 1)
	s.notThese("token-signature-invalid", "token-key-unknown", "token-expired", "scheme-unsupported-by-rs")
	s.fact("quot")
	s.fact("Authorization", "token")
	s.fix("trim", "remove", "strip", "bare token", "without quot", "without the quot")
	return s
}

func bTokenExpired() *scene {
	s := newScene("b65", "A long-running job is told that its proof is bad", "Zitadel-like AS, gRPC gateway, job without refresh", "2026-03-05T04:50:00Z")
	as, k := s.newKey("ES256").named("zi-2"), s.newKey("EdDSA")
	target := "https://jobs.quartz.example/v1/steps"
	token := s.token(as, grant{iss: "https://id.quartz.example", aud: "https://jobs.quartz.example", scope: "steps", issued: s.at(-3780), bound: k})
	early := s.resource(-300, "POST", target, token, proof{key: k}, jsonType).with(`{"n":41}`).answer(200, `{"ok":true}`)
	late := s.resource(0, "POST", target, token, proof{key: k}, jsonType).with(`{"n":42}`).
		answer(401, `{"code":16,"message":"Errors.DPoP.Invalid","details":[]}`, `WWW-Authenticate: DPoP error="invalid_dpop_proof"`)
	s.addTranscript("job.txt", early, late)
	s.fails("token-expired", "high", 2)
	s.notThese("client-clock-skew", "proof-signature-invalid", "token-revoked", "proof-stale-when-sent", "undetermined")
	s.fact("exp")
	s.fact("180", "179", "181", "3m", "3 min", "04:47:00")
	s.fix("refresh", "new token", "obtain")
	return s
}

func bTokenEarly() *scene {
	s := newScene("b66", "The first minutes of every shift are lost", "ASP.NET-like API, AS whose clock runs ahead", "2026-04-13T05:00:00Z")
	as, k := s.newKey("RS256").named("E7"), s.newKey("ES384")
	token := s.token(as, grant{iss: "https://ids.dock.example", aud: "dock-api", scope: "cranes", issued: s.at(244), bound: k, extra: object{{"nbf", s.at(244).Unix()}}})
	e := s.resource(0, "GET", "https://dock-api.example/cranes", token, proof{key: k}).
		answer(401, "", `WWW-Authenticate: DPoP error="invalid_token", error_description="IDX10222: Lifetime validation failed."`, "Server: Kestrel")
	s.addRaw("", e)
	s.fails("token-not-yet-valid", "high", 1)
	s.notThese("token-expired", "client-clock-skew", "binding-key-mismatch", "undetermined")
	s.fact("nbf")
	s.fact("244", "243", "245", "4m4", "4m04", "05:04:04", "4 min", "not yet valid")
	s.fix("wait", "leeway", "sync", "report")
	return s
}

func bIssuerMismatch() *scene {
	s := newScene("b67", "Tokens of the European tenant do not open the tool server", "MCP server with protected resource metadata, AS with two public names", "2026-05-25T15:15:00Z")
	as, k := s.newKey("ES256").named("eu-1"), s.newKey("ES256")
	rs, public := "https://mcp.atlas.example", "https://login.atlas.example/eu"
	token := s.token(as, grant{iss: "https://eu-west.login.atlas.example", aud: rs, scope: "maps", issued: s.at(-40), bound: k})
	prm := call(s.at(0), "GET", rs+"/.well-known/oauth-protected-resource", "", acceptJSON).answer(200, `{"resource":"`+rs+`","authorization_servers":["`+public+`"],"dpop_signing_alg_values_supported":["ES256"]}`)
	e := s.resource(1, "POST", rs+"/mcp", token, proof{key: k}, jsonType).with(`{"jsonrpc":"2.0","id":3,"method":"tools/list"}`).
		answer(401, `{"error":"invalid_token"}`, `WWW-Authenticate: DPoP error="invalid_token", error_description="unexpected \"iss\" claim value", resource_metadata="`+rs+`/.well-known/oauth-protected-resource"`)
	s.addBundle([]*exchange{prm, e}, member{"authorization_server_metadata", object{{"issuer", public}, {"token_endpoint", "https://login.atlas.example/eu/token"}}})
	s.fails("token-issuer-mismatch", "high", 2)
	s.notThese("token-key-unknown", "audience-mismatch", "token-signature-invalid", "binding-key-mismatch")
	s.fact("https://eu-west.login.atlas.example")
	s.fact(public)
	s.fix("public name", "expect", "one name", "issuer")
	return s
}

func bKeyUnknown() *scene {
	s := newScene("b68", "Half of the users are refused after the emergency key change", "Envoy-like filter with a local key set", "2026-06-17T11:17:00Z")
	s.vantage = "client+backend"
	old, next, k := s.newKey("ES256").named("k-2025"), s.newKey("ES256").named("k-emergency"), s.newKey("EdDSA")
	host, api := "https://sso.ski.example", "https://lifts.ski.example"
	token := s.token(next, grant{iss: host, aud: api, scope: "lifts", issued: s.at(-30), bound: k})
	other := s.token(old, grant{iss: host, aud: api, scope: "lifts", issued: s.at(-2000), bound: k})
	e := s.resource(0, "GET", api+"/open", token, proof{key: k}).answer(401, "Jwks doesn't have key to match kid or alg from Jwt", `WWW-Authenticate: Bearer realm="https://lifts.ski.example/open", error="invalid_token"`, "Server: envoy")
	fine := s.resource(2, "GET", api+"/open", other, proof{key: k}).answer(200, `{"open":[1,2]}`, "Server: envoy")
	keys := []any{old.setMember(), next.setMember()}
	live := call(s.at(9), "GET", host+"/jwks", "").answer(200, object{{"keys", keys}}.String())
	s.addHAR("lifts.har", "Charles", "5.1", e, fine, live)
	s.add("envoy.yaml", "server-config", []byte("http_filters:\n- name: envoy.filters.http.jwt_authn\n  typed_config:\n    providers:\n      ski:\n        issuer: "+host+"\n        local_jwks:\n          inline_string: '"+object{{"keys", []any{old.setMember()}}}.String()+"'\n"), member{"origin", api})
	s.fails("token-key-unknown", "high", 1)
	s.notThese("token-signature-invalid", "scheme-unsupported-by-rs", "token-issuer-mismatch", "no-failure")
	s.fact("k-emergency")
	s.fact("key set", "JWKS", "jwks", "cached")
	s.fix("refetch", "refresh the key set", "reload", "fetch again", "overlap", "remote_jwks")
	return s
}

func bTokenForeignKey() *scene {
	s := newScene("b69", "The copy of production accepts nobody", "Test system with a copied issuer name and its own key", "2026-07-22T20:02:00Z")
	shared, rogue := s.newKey("ES384").named("sig-1"), s.newKey("ES384").named("sig-1")
	k := s.newKey("ES256")
	api := "https://fares.metro.example"
	token := s.token(rogue, grant{iss: "https://id.metro.example", aud: api, scope: "fares", issued: s.at(-10), bound: k})
	e := s.resource(0, "GET", api+"/zones", token, proof{key: k}, acceptJSON).
		answer(401, `{"error":"invalid_token","error_description":"The access token provided is expired, revoked, malformed, or invalid for other reasons."}`, `WWW-Authenticate: DPoP error="invalid_token"`)
	s.addTranscript("zones.txt", e)
	s.jwks("keys.json", "https://id.metro.example", 20, shared)
	s.fails("token-signature-invalid", "high", 1)
	s.notThese("token-key-unknown", "token-expired", "token-revoked", "binding-key-mismatch", "undetermined")
	s.fact("signature")
	s.fact("sig-1", "kid")
	s.fix("altered", "alter", "changed", "modified", "who ", "another key", "other key")
	return s
}

func bRefreshAsAccess() *scene {
	s := newScene("b70", "Token introspection works and the API still says no", "Keycloak-like AS, shell script that cuts the wrong field", "2026-08-10T08:10:00Z")
	as := s.newKey("RS256").named("kc-sig")
	host, api := "https://kc.puzzle.example/realms/p", "https://api.puzzle.example"
	access := s.token(as, grant{iss: host, aud: api, scope: "pieces", issued: s.at(0), life: 300})
	refresh := s.jws("refresh_token", as, "JWT", object{{"exp", s.at(1800).Unix()}, {"iat", s.at(0).Unix()}, {"jti", s.value(12)}, {"iss", host}, {"aud", host}, {"typ", "Refresh"}, {"azp", "cli"}, {"scope", "pieces"}})
	a := call(s.at(0), "POST", host+"/protocol/openid-connect/token", form("grant_type", "client_credentials", "scope", "pieces"), formType, s.basic("cli")).
		answer(200, object{{"access_token", access}, {"expires_in", 300}, {"refresh_expires_in", 1800}, {"refresh_token", refresh}, {"token_type", "Bearer"}}.String(), noStore)
	b := call(s.at(2), "GET", api+"/pieces", "", auth("Bearer", refresh)).answer(403, "", bearerChallenge("invalid_token", "Token is not active"))
	s.addCurl("cut.txt", a, b)
	s.fails("token-wrong-type", "high", 2)
	s.notThese("audience-mismatch", "token-expired", "insufficient-scope", "token-revoked")
	s.fact("refresh token", "refresh_token")
	s.fact("Refresh", "typ")
	s.fix("access token", "access_token")
	return s
}

func bTokenRevoked() *scene {
	s := newScene("b71", "One device out of ten stops in the middle of the day", "Authentik-like AS, JSON:API service with introspection", "2026-09-30T12:00:00Z")
	s.vantage = "client+backend"
	k := s.newKey("ES384")
	token := s.hide("access_token", "", 48)
	api := "https://kiosk-api.zoo.example"
	issue := s.grantCall(-900, "https://auth.zoo.example/application/o/token/", form("grant_type", "client_credentials", "scope", "kiosk"), proof{key: k}, s.basic("kiosk-7")).
		answer(200, tokenReply(token, "DPoP", 7200), noStore)
	ok := s.resource(-60, "GET", api+"/feedings", token, proof{key: k}).answer(200, `{"data":[]}`)
	bad := s.resource(0, "GET", api+"/feedings", token, proof{key: k}).answer(401, `{"errors":[{"status":"401","title":"Unauthorized","detail":"Session has been closed"}]}`, "Content-Type: application/vnd.api+json")
	look := call(s.at(0.02), "POST", "https://auth.zoo.example/application/o/introspect/", form("token", token), formType, s.basic("kiosk-api")).answer(200, `{"active":false}`)
	s.addTranscript("kiosk.txt", issue, ok, bad, look)
	s.fails("token-revoked", "high", 3)
	s.notThese("token-expired", "introspection-cnf-missing", "no-failure", "binding-key-mismatch")
	s.fact("active")
	s.fact("introspection", "revoked")
	s.fix("authorize again", "log in", "sign in", "new authorization", "new token")
	return s
}

func bRefreshReplayed() *scene {
	s := newScene("b72", "A pair of workers log each other out every hour", "Keycloak-like AS with rotation, two workers and one database row", "2026-10-22T03:00:00Z")
	as, k := s.newKey("ES256").named("rot-1"), s.newKey("ES384")
	target := "https://sso.vineyard.example/realms/w/protocol/openid-connect/token"
	r1, r2 := s.hide("refresh_token", "", 44), s.hide("refresh_token", "", 44)
	token := s.token(as, grant{iss: "https://sso.vineyard.example/realms/w", aud: "cellar", scope: "cellar", issued: s.at(0), life: 300, bound: k})
	post := func(at float64, agent string) *exchange {
		return s.grantCall(at, target, form("grant_type", "refresh_token", "refresh_token", r1, "client_id", "cellar-worker"), proof{key: k}, "User-Agent: "+agent)
	}
	a := post(0, "worker/1").answer(200, tokenReply(token, "DPoP", 300, member{"refresh_token", r2}), noStore)
	b := post(1.4, "worker/2").answer(400, oauthError("invalid_grant", "Maximum allowed refresh token reuse exceeded"), noStore)
	s.addCurl("workers.txt", overH2(a, b)...)
	s.fails("refresh-token-replayed", "high", 2)
	s.notThese("refresh-key-mismatch", "grant-invalid", "proof-reused-on-retry", "grant-consumed-by-nonce-challenge")
	s.fact("refresh")
	s.fact("twice", "again", "replay", "already used", "rotated", "second time", "reuse")
	s.fix("single flight", "one at a time", "atomic", "lock", "store the new", "serial")
	return s
}

func bRedirectURIWrong() *scene {
	s := newScene("b73", "Only the preview deployments cannot finish a login", "Entra-like AS, redirect address from an environment variable", "2026-11-04T10:04:00Z")
	k := s.newKey("ES256")
	host := "https://login.planner.example/p1"
	code, verifier := s.hide("authorization_code", "1.B", 44), s.hide("code_verifier", "", 40)
	state := s.value(10)
	a := call(s.at(0), "GET", host+"/oauth2/v2.0/authorize?"+form("client_id", "pl-1", "response_type", "code", "redirect_uri", "https://pr-88.planner.example/cb", "scope", "openid", "state", state, "code_challenge", pkce(verifier), "code_challenge_method", "S256"), "", safari).
		answer(302, "", "Location: https://pr-88.planner.example/cb?code="+code+"&state="+state)
	b := s.grantCall(4, host+"/oauth2/v2.0/token", form("client_id", "pl-1", "grant_type", "authorization_code", "code", code, "redirect_uri", "https://planner.example/cb", "code_verifier", verifier), proof{key: k}, "Origin: https://pr-88.planner.example", safari).
		answer(400, object{{"error", "invalid_grant"}, {"error_description", "AADSTS9002: The request could not be completed. Trace ID: a1"}, {"error_codes", []int{9002}}}.String(), noStore)
	s.addTranscript("preview.txt", a, b)
	s.fails("grant-invalid", "high", 2)
	s.notThese("code-key-mismatch", "grant-consumed-by-nonce-challenge", "client-authentication-failed", "refresh-token-replayed")
	s.fact("redirect_uri")
	s.fact("https://planner.example/cb", "https://pr-88.planner.example/cb", "invalid_grant")
	s.fix("start again", "start over", "new authorization", "again", "new code", "same redirect_uri")
	return s
}

func bSecretWrong() *scene {
	s := newScene("b74", "The integration stopped on the first of the month", "Entra-like AS, expired client secret, proofs are fine", "2026-12-01T00:10:00Z")
	k := s.newKey("ES384")
	target := "https://login.depots.example/d1/oauth2/v2.0/token"
	post := func(at float64) *exchange {
		return s.grantCall(at, target, form("grant_type", "client_credentials", "client_id", "erp-1", "scope", "https://stock.depots.example/.default")+"&client_secret=[REDACTED]", proof{key: k})
	}
	busy := post(0).answer(429, `{"error":"temporarily_unavailable"}`, "Retry-After: 3")
	bad := post(3.2).answer(401, object{{"error", "invalid_client"}, {"error_description", "AADSTS7000222: The provided client secret keys for app 'erp-1' are expired. Trace ID: 0c"}, {"error_codes", []int{7000222}}}.String(), noStore)
	tile := call(s.at(4), "GET", "https://tiles.vendor.example/1/1/1.png", "").answer(200, "PNG", "Content-Type: image/png")
	s.addHAR("erp.har", "Fiddler Everywhere", "7.1", busy, bad, tile)
	s.fails("client-authentication-failed", "medium", 2)
	s.notThese("client-assertion-reused-on-nonce-retry", "token-expired", "proof-missing-at-token-endpoint", "grant-invalid")
	s.fact("invalid_client")
	s.fact("secret")
	s.fix("secret", "credential")
	return s
}

func bAudienceMismatch() *scene {
	s := newScene("b75", "One token for two services was the plan", "Envoy-like gateway before a second API", "2026-03-12T09:12:00Z")
	as, k := s.newKey("ES256").named("two-1"), s.newKey("ES256")
	token := s.token(as, grant{iss: "https://id.kitchen.example", aud: []string{"https://menu.kitchen.example"}, scope: "menu stock", issued: s.at(-60), bound: k})
	ok := s.resource(0, "GET", "https://menu.kitchen.example/today", token, proof{key: k}).answer(200, "{}", "Server: envoy")
	bad := s.resource(1, "GET", "https://stock.kitchen.example/flour", token, proof{key: k}).
		answer(403, "Audiences in Jwt are not allowed", `WWW-Authenticate: Bearer realm="https://stock.kitchen.example/flour", error="invalid_token"`, "Server: envoy")
	s.addCurl("kitchen.txt", ok, bad)
	s.fails("audience-mismatch", "high", 2)
	s.notThese("insufficient-scope", "token-issuer-mismatch", "scheme-unsupported-by-rs", "bound-token-forwarded")
	s.fact("aud")
	s.fact("https://menu.kitchen.example")
	s.fact("stock.kitchen.example")
	s.fix("resource", "8707", "audience")
	return s
}

func bScopeMissing() *scene {
	s := newScene("b76", "Doctors can read prescriptions but not sign them", "SMART on FHIR server, DPoP-bound token", "2026-04-29T14:29:00Z")
	as, k := s.newKey("PS256").named("smart-9"), s.newKey("EdDSA")
	base := "https://rx.clinics.example/fhir/r4"
	token := s.token(as, grant{iss: "https://rx.clinics.example/auth", aud: base, scope: "launch user/MedicationRequest.rs", issued: s.at(-90), bound: k})
	ok := s.resource(0, "GET", base+"/MedicationRequest/3", token, proof{key: k}).answer(200, `{"resourceType":"MedicationRequest"}`)
	bad := s.resource(4, "PUT", base+"/MedicationRequest/3", token, proof{key: k}, "Content-Type: application/fhir+json").with(`{"resourceType":"MedicationRequest","status":"active"}`).
		answer(403, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"forbidden"}]}`, `WWW-Authenticate: DPoP error="insufficient_scope", scope="user/MedicationRequest.u"`)
	s.addRaw("", ok)
	s.addRaw("", bad)
	s.fails("insufficient-scope", "high", 2)
	s.notThese("htm-mismatch", "bound-token-sent-as-bearer", "audience-mismatch", "binding-key-mismatch")
	s.fact("user/MedicationRequest.u")
	s.fact("user/MedicationRequest.rs")
	s.fix("ask for the scope", "request the scope", "scope")
	return s
}
