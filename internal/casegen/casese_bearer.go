package main

import "strings"

var bearerCasesE = []func() *scene{eObjectObject, eEarly, eRotated, eRewritten, eRefreshAsAccess, eInactive, eUserInfoAudience, eStepUpMissing, eV1Issuer}

func eObjectObject() *scene {
	s := newScene("e31", "The inspector is logged in and every call is unauthorized", "MCP inspector with a new token store, bearer", "2026-06-30T09:00:00Z")
	e := call(s.at(0), "POST", "https://mcp.botany.example/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, jsonType, "Accept: application/json, text/event-stream", "Authorization: Bearer [object Object]").
		answer(401, oauthError("invalid_token", "Token has expired or is not recognised"), bearerChallenge("invalid_token", "Token has expired or is not recognised"))
	s.addHAR("inspector.har", "Insomnia", "2025.4", e)
	s.fails("token-malformed", "high", 1)
	s.notThese("token-expired", "token-revoked", "token-missing", "undetermined")
	s.fact("[object Object]", "object Object")
	s.fix("trim", "access_token", "string", "token value", "bare token", "only the token")
	return s
}

func eEarly() *scene {
	s := newScene("e32", "The first call after each login fails, waiting a minute helps", "Express-like API, AS on a machine whose clock runs fast", "2026-02-17T19:45:00Z")
	as := s.newKey("RS256").named("fb-2")
	token := s.token(as, grant{iss: "https://identity.puzzle.example", aud: "https://api.puzzle.example", scope: "games", issued: s.at(52)})
	e := call(s.at(0), "GET", "https://api.puzzle.example/games", "", auth("Bearer", token)).
		answer(401, `{"name":"UnauthorizedError","message":"Invalid token"}`, "X-Powered-By: Express", bearerChallenge("invalid_token", "Invalid token"))
	s.addCurl("session.txt", e)
	s.seenAfter(30)
	s.fails("token-not-yet-valid", "high", 1)
	s.notThese("token-expired", "token-signature-invalid", "server-clock-wrong")
	s.fact("iat")
	s.fact("52", "future", "ahead", "not yet")
	s.fix("leeway", "wait", "clock", "sync")
	return s
}

func eRotated() *scene {
	s := newScene("e33", "After a key rotation one of two services rejects all tokens", "Quarkus-like RS with a cached key set, Keycloak-like AS", "2026-03-25T06:10:00Z")
	s.vantage = "client+backend"
	old, next := s.newKey("RS256").named("aPzx1"), s.newKey("RS256").named("Q0dLm")
	realm := "https://sso.quay.example/realms/port"
	token := s.token(next, grant{iss: realm, aud: "https://berths.quay.example", scope: "berths", issued: s.at(-45), life: 300})
	e := call(s.at(0), "GET", "https://berths.quay.example/q/berths", "", auth("Bearer", token), acceptJSON).answer(401, "", "WWW-Authenticate: Bearer")
	s.raw(e)
	s.jwks("certs.json", realm, 40, next, old)
	s.log("service-log.txt", "https://berths.quay.example", "06:10:00,018 DEBUG [io.qua.oid.run] JWK set refresh skipped, last refresh 2026-03-24T22:00:00Z, keys: [aPzx1]", "06:10:00,019 DEBUG [io.qua.oid.run] Token verification failed: Unable to process JOSE object (cause: UnresolvableKeyException)")
	s.fails("token-key-unknown", "high", 1)
	s.notThese("token-signature-invalid", "token-expired", "token-issuer-mismatch")
	s.fact("Q0dLm")
	s.fact("aPzx1", "cache", "JWK", "key set")
	s.fix("refetch", "refresh the key set", "reload", "fetch the key set", "overlap", "fetch again")
	return s
}

func eRewritten() *scene {
	s := newScene("e34", "Calls through the partner's gateway fail, direct calls work", "Nimbus-like RS, gateway that adds a claim to the token", "2026-01-29T12:30:00Z")
	as := s.newKey("ES256").named("ath-5")
	issuer := "https://login.fleet9.example"
	claims := object{{"iss", issuer}, {"sub", "u-" + s.value(6)}, {"aud", "https://trips.fleet9.example"}, {"client_id", "partner-3"}, {"iat", s.at(-30).Unix()}, {"exp", s.at(3570).Unix()}, {"jti", s.value(9)}, {"scope", "trips"}}
	parts := strings.Split(signed(as, object{{"typ", "at+jwt"}, {"alg", as.alg}, {"kid", as.kid}}, claims), ".")
	token := parts[0] + "." + b64(compact(append(claims, member{"tenant", "north"}))) + "." + parts[2]
	s.keep("access_token", token)
	s.keep("access_token_signature", parts[2])
	e := call(s.at(0), "GET", "https://trips.fleet9.example/trips", "", auth("Bearer", token), "Via: 1.1 partner-gw").
		answer(401, "", bearerChallenge("invalid_token", "Signed JWT rejected: Invalid signature"))
	s.raw(e)
	s.jwks("jwks.json", issuer, 10, as)
	s.fails("token-signature-invalid", "high", 1)
	s.notThese("token-key-unknown", "token-expired", "token-issuer-mismatch", "proof-signature-invalid")
	s.fact("signature")
	s.fact("ath-5")
	s.fix("altered", "alter", "changed", "modif", "unchanged", "new token", "rewrit")
	return s
}

func eRefreshAsAccess() *scene {
	s := newScene("e35", "A chat bot can log in and cannot read its own account", "Keycloak-like AS, bot script in PHP", "2026-04-07T14:14:14Z")
	as := s.newKey("RS256").named("kcb-1")
	realm := "https://id.parade.example/realms/bots"
	access := s.token(as, grant{iss: realm, aud: "https://api.parade.example", scope: "profile", issued: s.at(0), life: 300})
	refresh := s.jws("refresh_token", as, "JWT", object{{"exp", s.at(1800).Unix()}, {"iat", s.at(0).Unix()}, {"jti", s.value(12)}, {"iss", realm}, {"aud", realm}, {"sub", "u-" + s.value(5)}, {"typ", "Refresh"}, {"azp", "bot-12"}, {"scope", "profile"}})
	secret := s.hide("client_secret", "", 24)
	a := call(s.at(0), "POST", realm+"/protocol/openid-connect/token", form("grant_type", "client_credentials", "client_id", "bot-12", "client_secret", secret), formType).
		answer(200, tokenReply(access, "Bearer", 300, member{"refresh_token", refresh}, member{"refresh_expires_in", 1800}), noStore)
	b := call(s.at(1), "GET", "https://api.parade.example/v1/account", "", auth("Bearer", refresh)).
		answer(401, `{"error":"unauthorized"}`, bearerChallenge("invalid_token", "The token could not be validated"))
	s.addHAR("bot.har", "Fiddler", "5.0", a, b)
	s.fails("token-wrong-type", "high", 2)
	s.notThese("audience-mismatch", "token-signature-invalid", "token-expired")
	s.fact("refresh token", "refresh_token", "Refresh")
	s.fix("access token", "access_token")
	return s
}

func eInactive() *scene {
	s := newScene("e36", "A session dies minutes after the user changed the password", "Hydra-like AS with opaque tokens, RS with introspection", "2026-07-08T10:05:00Z")
	s.vantage = "server"
	k := s.newKey("ES256")
	token := s.hide("access_token", "ory_at_", 40)
	e := s.resource(0, "GET", "https://mailbox.pigeon7.example/api/folders", token, proof{key: k}, acceptJSON).
		answer(401, `{"error":{"code":401,"status":"Unauthorized","message":"Access credentials are invalid"}}`, `WWW-Authenticate: DPoP error="invalid_token"`)
	s.addBundle([]*exchange{e}, introspected("https://hydra.pigeon7.example/admin/oauth2/introspect", object{{"active", false}}),
		member{"token_response", object{{"captured_at", stamp(s.at(-420))}, {"body", object{{"access_token", token}, {"token_type", "DPoP"}, {"expires_in", 3600}, {"scope", "mail"}}}}})
	s.fails("token-revoked", "high", 1)
	s.notThese("token-expired", "binding-key-mismatch", "introspection-cnf-missing")
	s.fact("active")
	s.fact("introspection", "revoked", "3600")
	s.fix("authorize again", "log in again", "sign in again", "new token", "new login", "authoriz")
	return s
}

func eUserInfoAudience() *scene {
	s := newScene("e43", "The single-page app is logged in but the API refuses its token", "Auth0-like AS, SPA without an audience parameter", "2025-09-16T08:20:00Z")
	as := s.newKey("RS256").named("a0-k")
	host, api := "https://acme.tenant.example/", "https://api.shop9.example"
	token := s.token(as, grant{iss: host, aud: host + "userinfo", scope: "openid profile email", issued: s.at(-10), life: 86400})
	meta := call(s.at(-1), "GET", api+"/.well-known/oauth-protected-resource", "", acceptJSON).answer(200, `{"resource":"`+api+`","authorization_servers":["`+host+`"]}`)
	e := call(s.at(0), "GET", api+"/orders", "", auth("Bearer", token), "Origin: https://shop9.example", chrome).
		answer(401, `{"message":"Unauthorized"}`, "Access-Control-Allow-Origin: https://shop9.example", bearerChallenge("invalid_token", "Unauthorized"))
	s.addHAR("orders.har", "Firefox", "143.0", meta, e)
	s.fails("audience-mismatch", "high", 2)
	s.notThese("token-expired", "insufficient-scope", "token-issuer-mismatch")
	s.fact(host + "userinfo")
	s.fact(api)
	s.fix("resource", "audience")
	return s
}

func eStepUpMissing() *scene {
	s := newScene("e44", "Listing works, deleting is answered with 403", "GitLab-like API with bound tokens, command line tool", "2026-05-21T21:21:00Z")
	as, k := s.newKey("RS256").named("gl-6"), s.newKey("ES256")
	api := "https://code.thicket.example/api/v4"
	token := s.token(as, grant{iss: "https://code.thicket.example", aud: api, scope: "read_api", issued: s.at(-120), life: 7200, bound: k})
	a := s.resource(0, "GET", api+"/projects/4/jobs", token, proof{key: k}).answer(200, "[]")
	b := s.resource(3, "DELETE", api+"/projects/4/jobs/91", token, proof{key: k}).
		answer(403, `{"error":"insufficient_scope","error_description":"The request requires higher privileges than provided by the access token.","scope":"api"}`, `WWW-Authenticate: DPoP error="insufficient_scope", scope="api", algs="ES256"`)
	s.addCurl("jobs.txt", a, b)
	s.fails("insufficient-scope", "high", 2)
	s.notThese("htm-mismatch", "bound-token-sent-as-bearer", "audience-mismatch")
	s.fact("read_api")
	s.fact("scope")
	s.fix("scope")
	return s
}

func eV1Issuer() *scene {
	s := newScene("e45", "An API that follows the guide rejects tokens of its own tenant", "Entra-like AS with two token versions, Spring-like API", "2026-03-10T10:50:00Z")
	as := s.newKey("RS256").named("-KI3Q9nNR7bRofxmeZoXqbHZGew")
	tenant := "https://sts.cloudid.example/2f8c1a34/"
	token := s.token(as, grant{iss: tenant, aud: "api://billing", scope: "invoices.read", issued: s.at(-70)})
	e := call(s.at(0), "GET", "https://billing.lagoon7.example/invoices", "", auth("Bearer", token)).
		answer(401, "", bearerChallenge("invalid_token", "An error occurred while attempting to decode the Jwt: The iss claim is not valid"))
	s.raw(e)
	s.add("application.yml", "server-config", []byte("spring:\n  security:\n    oauth2:\n      resourceserver:\n        jwt:\n          issuer-uri: https://login.cloudid.example/2f8c1a34/v2.0\n          audiences: api://billing\n"), member{"origin", "https://billing.lagoon7.example"})
	s.fails("token-issuer-mismatch", "high", 1)
	s.notThese("token-expired", "audience-mismatch", "token-key-unknown")
	s.fact(tenant)
	s.fact("https://login.cloudid.example/2f8c1a34/v2.0")
	s.fix("issuer", "version")
	return s
}
