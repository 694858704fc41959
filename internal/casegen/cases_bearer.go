package main

import (
	"encoding/base64"
	"strings"
)

var bearerCases = []func() *scene{
	tokenMissing, tokenMalformed, tokenCut, tokenNotYetValid, tokenKeyUnknown, tokenSignatureInvalid, tokenWrongType,
	tokenRevoked, tokenExpiredByWordsOnly, refreshReplayed, grantInvalid, clientAuthFailed,
}

func tokenMissing() *scene {
	s := newScene("a30", "An agent gets a token and then asks without it", "MCP server, agent with a broken header hook", "2026-09-21T12:00:00Z")
	as := s.newKey("RS256").named("mcp-as-1")
	target, host := "https://mcp.wiki.example/mcp", "https://auth.wiki.example"
	ask := `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}`
	challenge := `WWW-Authenticate: Bearer resource_metadata="https://mcp.wiki.example/.well-known/oauth-protected-resource/mcp"`
	token := s.token(as, grant{iss: host, aud: target, scope: "wiki:read", issued: s.at(4)})
	post := func(at float64) *exchange {
		return call(s.at(at), "POST", target, ask, jsonType, "Accept: application/json, text/event-stream").answer(401, `{"error":"unauthorized"}`, challenge)
	}
	prm := call(s.at(1), "GET", "https://mcp.wiki.example/.well-known/oauth-protected-resource/mcp", "", acceptJSON).
		answer(200, `{"resource":"`+target+`","authorization_servers":["`+host+`"]}`)
	meta := call(s.at(2), "GET", host+"/.well-known/oauth-authorization-server", "", acceptJSON).
		answer(200, `{"issuer":"`+host+`","token_endpoint":"`+host+`/token","response_types_supported":["code"]}`)
	body := form("grant_type", "client_credentials", "client_id", "agent", "client_secret", s.hide("client_secret", "", 24), "resource", target)
	grantCall := call(s.at(4), "POST", host+"/token", body, formType).answer(200, tokenReply(token, "Bearer", 3600), noStore)
	s.addTranscript("wire.txt", post(0), prm, meta, grantCall, post(5), post(7))
	s.fails("token-missing", "high", 5)
	s.notThese("no-failure", "authorization-header-stripped", "audience-mismatch", "proof-missing", "token-expired")
	s.fact("Authorization")
	s.fact("no Authorization", "without", "missing", "no credentials", "absent")
	s.fix("send the token", "attach", "Authorization: Bearer", "send it", "Authorization header")
	return s
}

func tokenMalformed() *scene {
	s := newScene("a31", "The signature key was not found, says the API", "ASP.NET-like API, shell script", "2026-01-05T10:55:00Z")
	as := s.newKey("RS256").named("aad-5")
	token := s.token(as, grant{iss: "https://login.acme.example/v2.0", aud: "api://acme", scope: "tasks", issued: s.at(-50)})
	e := call(s.at(0), "GET", "https://tasks.acme.example/api/tasks", "", auth("Bearer Bearer", token)).
		answer(401, "", `WWW-Authenticate: Bearer error="invalid_token", error_description="The signature key was not found"`, "Server: Kestrel")
	s.addCurl("session.txt", e)
	s.fails("token-malformed", "high", 1)
	s.notThese("token-key-unknown", "token-signature-invalid", "token-expired", "bound-token-sent-as-bearer")
	s.fact("Bearer")
	s.fact("twice", "doubled", "Bearer Bearer", "repeated", "duplicate")
	s.fix("trim", "remove", "once", "only the token", "strip", "bare token")
	return s
}

func tokenNotYetValid() *scene {
	s := newScene("a32", "Fresh tokens fail for two minutes, then they work", "Kong-like gateway, bank AS with delayed activation", "2026-02-25T07:00:00Z")
	as := s.newKey("PS256").named("bank-as")
	token := s.token(as, grant{iss: "https://as.bankc.example", aud: "https://api.bankc.example", scope: "fx", issued: s.at(-3), extra: object{{"nbf", s.at(117).Unix()}}})
	e := call(s.at(0), "GET", "https://api.bankc.example/fx/rates", "", "User-Agent: treasury/7", auth("Bearer", token)).
		answer(401, `{"message":"Unauthorized"}`, `WWW-Authenticate: Bearer error="invalid_token"`, "Server: kong/3.9.0")
	e.base64 = true
	logo := call(s.at(1), "GET", "https://static.bankc.example/logo.svg", "", "User-Agent: treasury/7").answer(200, "<svg xmlns='http://www.w3.example/2000/svg'/>", "Content-Type: image/svg+xml")
	s.addHAR("fx.har", "Charles", "5.0.2", e, logo)
	s.fails("token-not-yet-valid", "high", 1)
	s.notThese("token-expired", "server-clock-wrong", "token-signature-invalid", "undetermined")
	s.fact("nbf")
	s.fact("117", "1m57", "07:01:57", "not yet valid")
	s.fix("wait", "leeway", "sync", "report")
	return s
}

func tokenKeyUnknown() *scene {
	s := newScene("a33", "Since midnight every new token has a bad signature", "Envoy-like filter with a long key cache", "2026-03-01T00:20:00Z")
	s.vantage = "client+backend"
	old, next := s.newKey("RS256").named("2026-02"), s.newKey("RS256").named("2026-03")
	token := s.token(next, grant{iss: "https://idp.city.example", aud: "https://api.city.example", scope: "permits", issued: s.at(-60)})
	e := call(s.at(0), "GET", "https://api.city.example/permits/3", "", auth("Bearer", token), acceptJSON).
		answer(401, "Jwt verification fails", `WWW-Authenticate: Bearer realm="https://api.city.example/permits/3", error="invalid_token"`, "server: envoy")
	s.addRaw("", e)
	s.add("live-jwks.json", "jwks", indented(object{{"keys", []any{old.setMember(), next.setMember()}}}), member{"issuer", "https://idp.city.example"}, member{"fetched_at", stamp(s.at(40))})
	s.add("filter-log.txt", "server-log", []byte("[2026-03-01 00:20:00.044][31][debug][jwt] provider city: jwks cache age 43170s ttl 86400s kids=[2026-02]\n"+
		"[2026-03-01 00:20:00.044][31][debug][jwt] provider city: token kid=2026-03 no match in cached jwks, not refetching\n"), member{"origin", "https://api.city.example"})
	s.fails("token-key-unknown", "high", 1)
	s.notThese("token-signature-invalid", "token-expired", "token-issuer-mismatch")
	s.fact("2026-03")
	s.fact("key set", "JWKS", "cached")
	s.fix("refetch", "refresh the key set", "reload", "fetch again", "overlap")
	return s
}

func tokenSignatureInvalid() *scene {
	s := newScene("a34", "A tester raised a scope by hand", "Generic RS, token edited in a debugger", "2026-04-14T16:16:00Z")
	as := s.newKey("ES256").named("as-main")
	g := grant{iss: "https://id.lab.example", aud: "https://bench.lab.example", scope: "bench.read", issued: s.at(-500)}
	good := s.token(as, g)
	parts := strings.Split(good, ".")
	claims := string(must(base64.RawURLEncoding.DecodeString(parts[1])))
	edited := parts[0] + "." + b64([]byte(strings.Replace(claims, `"bench.read"`, `"bench.read bench.admin"`, 1))) + "." + parts[2]
	s.secrets = nil
	s.keep("access_token", edited)
	s.keep("access_token_signature", parts[2])
	e := call(s.at(0), "DELETE", "https://bench.lab.example/runs/5", "", auth("Bearer", edited)).
		answer(401, `{"error":"invalid_token","message":"Invalid or expired token"}`, `WWW-Authenticate: Bearer error="invalid_token"`)
	s.addCurl("session.txt", overH2(e)...)
	s.add("jwks.json", "jwks", indented(object{{"keys", []any{s.newKey("ES256").named("as-next").setMember(), as.setMember()}}}), member{"issuer", "https://id.lab.example"}, member{"fetched_at", stamp(s.at(30))})
	s.add("collector-note.txt", "note", []byte("Token came from a colleague over chat. Reads used to work with his token.\n"))
	s.fails("token-signature-invalid", "high", 1)
	s.notThese("token-key-unknown", "token-expired", "insufficient-scope")
	s.fact("signature")
	s.fact("as-main", "kid")
	s.fix("altered", "alter", "changed", "modified", "who ")
	return s
}

func tokenWrongType() *scene {
	s := newScene("a35", "The API says that the audience is wrong right after login", "Okta-like AS, SPA that sends the first token it finds", "2026-05-02T11:40:00Z")
	as := s.newKey("RS256").named("ok-9")
	host, client := "https://org-9.example/oauth2/default", "0oa9spa"
	code, verifier := s.hide("authorization_code", "", 24), s.hide("code_verifier", "", 32)
	access := s.token(as, grant{iss: host, aud: "https://trips.example", scope: "openid trips.read", issued: s.at(0)})
	half := must(base64.RawURLEncoding.DecodeString(ath(access)))
	id := s.jws("id_token", as, "JWT", object{
		{"sub", "00u5"},
		{"name", "Sam Reed"},
		{"ver", 1},
		{"iss", host},
		{"aud", client},
		{"iat", s.at(0).Unix()},
		{"exp", s.at(3600).Unix()},
		{"jti", "ID." + s.value(12)},
		{"amr", []string{"pwd"}},
		{"nonce", s.value(16)},
		{"at_hash", b64(half[:16])},
	})
	body := form("grant_type", "authorization_code", "client_id", client, "code", code, "code_verifier", verifier, "redirect_uri", "https://trips.example/cb")
	login := call(s.at(0), "POST", host+"/v1/token", body, formType, "Origin: https://trips.example", chrome).
		answer(200, object{{"id_token", id}, {"access_token", access}, {"token_type", "Bearer"}, {"expires_in", 3600}, {"scope", "openid trips.read"}}.String(), noStore).zipped()
	read := call(s.at(1), "GET", "https://trips.example/api/trips", "", auth("Bearer", id), chrome).
		answer(401, "", `WWW-Authenticate: Bearer error="invalid_token", error_description="The audience '`+client+`' is invalid"`)
	image := call(s.at(1.2), "GET", "https://img.cdn.example/hero.jpg", "", chrome).answer(403, "Forbidden")
	s.addHAR("trips.har", "HTTP Toolkit", "1.21", overH2(login, read, image)...)
	s.fails("token-wrong-type", "high", 2)
	s.notThese("audience-mismatch", "token-expired", "token-issuer-mismatch", "no-failure")
	s.fact("ID token", "id_token", "identity token")
	s.fact("at_hash", "nonce", client)
	s.fix("access token", "access_token")
	return s
}

func tokenRevoked() *scene {
	s := newScene("a36", "Everything fails the moment an administrator ends the session", "PingFederate-like AS, RS with introspection", "2026-06-29T18:00:00Z")
	s.vantage = "server"
	as, k := s.newKey("ES256").named("pf-6"), s.newKey("ES256")
	target := "https://desk.support.example/tickets"
	token := s.token(as, grant{iss: "https://sso.support.example", aud: "https://desk.support.example", scope: "tickets", issued: s.at(-600), life: 7200, bound: k})
	e := s.resource(0, "GET", target, token, proof{key: k}, acceptJSON).
		answer(401, `{"error":"invalid_token","error_description":"Token expired"}`, `WWW-Authenticate: DPoP error="invalid_token", error_description="Token expired", algs="ES256"`)
	s.addBundle([]*exchange{e}, member{"introspection", object{{"endpoint", "https://sso.support.example/as/introspect.oauth2"}, {"response", object{{"active", false}}}}})
	s.fails("token-revoked", "high", 1)
	s.notThese("token-expired", "introspection-cnf-missing", "binding-key-mismatch", "token-not-bound")
	s.fact("active")
	s.fact("introspection", "revoked")
	s.fact("exp")
	s.fix("authorize again", "log in", "sign in", "new authorization")
	return s
}

func refreshReplayed() *scene {
	s := newScene("a37", "People with two tabs are logged out at random", "Auth0-like AS with rotation, SPA", "2026-08-24T14:00:00Z")
	as, k := s.newKey("RS256").named("a0-1"), s.newKey("ES256")
	target := "https://login.tunes.example/oauth/token"
	r1, r2 := s.hide("refresh_token", "v1.", 32), s.hide("refresh_token", "v1.", 32)
	body := func(r string) string {
		return object{{"grant_type", "refresh_token"}, {"client_id", "tunes"}, {"refresh_token", r}}.String()
	}
	post := func(at float64, r string) *exchange {
		e := s.grantCall(at, target, body(r), proof{key: k}, "Origin: https://tunes.example", chrome)
		for i := range e.headers {
			if e.headers[i].name == "Content-Type" {
				e.headers[i].value = "application/json"
			}
		}
		return e
	}
	token := s.token(as, grant{iss: "https://login.tunes.example/", aud: "https://api.tunes.example", scope: "openid library", issued: s.at(0), bound: k})
	refused := `{"error":"invalid_grant","error_description":"Unknown or invalid refresh token."}`
	a := post(0, r1).answer(200, tokenReply(token, "DPoP", 3600, member{"refresh_token", r2}), noStore)
	b := post(0.35, r1).answer(403, refused, noStore)
	beacon := call(s.at(0.5), "POST", "https://stats.vendor.example/collect", `{"e":"error"}`, jsonType, chrome).answer(204, "")
	c := post(2, r2).answer(403, refused, noStore)
	s.addHAR("tabs.har", "Proxyman", "5.14", a, b, beacon, c)
	s.fails("refresh-token-replayed", "high", 2)
	s.notThese("refresh-key-mismatch", "proof-reused-on-retry", "grant-consumed-by-nonce-challenge", "client-authentication-failed")
	s.fact("refresh")
	s.fact("twice", "again", "replay", "already used", "rotated", "second time")
	s.fix("single flight", "one at a time", "atomic", "lock", "store the new", "serial")
	return s
}

func grantInvalid() *scene {
	s := newScene("a38", "Logging in works only on the second try", "Ory-like AS, SPA that overwrites its verifier", "2026-10-13T09:41:00Z")
	k := s.newKey("EdDSA")
	host := "https://oauth.bikes.example"
	code := s.hide("authorization_code", "ory_ac_", 32)
	sent, used := s.value(32), s.hide("code_verifier", "", 32)
	state := s.value(12)
	a := call(s.at(0), "GET", host+"/oauth2/auth?"+form("client_id", "bikes", "response_type", "code", "redirect_uri", "https://bikes.example/cb", "scope", "openid rides",
		"state", state, "code_challenge", pkce(sent), "code_challenge_method", "S256"), "", chrome).
		answer(302, "", "Location: https://bikes.example/cb?code="+code+"&scope=openid+rides&state="+state)
	b := s.grantCall(5, host+"/oauth2/token", form("grant_type", "authorization_code", "client_id", "bikes", "code", code, "code_verifier", used, "redirect_uri", "https://bikes.example/cb"), proof{key: k}, chrome).
		answer(400, `{"error":"invalid_grant","error_description":"The provided authorization grant (e.g., authorization code, resource owner credentials) or refresh token is invalid, expired, revoked, does not match the redirection URI used in the authorization request, or was issued to another client."}`, noStore).zipped()
	s.addHAR("bikes.har", "mitmproxy", "12.1", a, b)
	s.fails("grant-invalid", "high", 2)
	s.notThese("code-key-mismatch", "grant-consumed-by-nonce-challenge", "refresh-token-replayed", "client-authentication-failed")
	s.fact("PKCE", "code_challenge", "code_verifier")
	s.fact("invalid_grant")
	s.fix("start again", "start over", "new authorization", "again", "new code")
	return s
}

func clientAuthFailed() *scene {
	s := newScene("a39", "The service principal cannot log in since it was moved", "Entra-like AS, private_key_jwt client", "2026-11-10T06:30:00Z")
	k, clientKey := s.newKey("ES256"), s.newKey("PS256").named("spn-cert-2")
	target := "https://login.cloud.example/t-new/oauth2/v2.0/token"
	attempt := func(at float64) *exchange {
		assertion := s.jws("client_assertion", clientKey, "JWT", object{
			{"aud", "https://login.cloud.example/t-old/oauth2/v2.0/token"},
			{"iss", "spn-3"},
			{"sub", "spn-3"},
			{"jti", s.value(12)},
			{"nbf", s.at(at).Unix()},
			{"iat", s.at(at).Unix()},
			{"exp", s.at(at + 300).Unix()},
		})
		body := form("client_id", "spn-3", "scope", "https://graph.cloud.example/.default", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
			"client_assertion", assertion, "grant_type", "client_credentials")
		return s.grantCall(at, target, body, proof{key: k}, acceptJSON)
	}
	s.addRaw("", attempt(0).breaks("lookup login.cloud.example: i/o timeout"))
	s.addRaw("", attempt(9).answer(401, `{"error":"invalid_client","error_description":"AADSTS700021: Client assertion application identifier doesn't match 'client_id' parameter or the assertion is not acceptable.","error_codes":[700021],"trace_id":"9f0c"}`, noStore).zipped())
	s.fails("client-authentication-failed", "high", 2)
	s.notThese("client-assertion-reused-on-nonce-retry", "proof-missing-at-token-endpoint", "grant-invalid", "proof-reused-on-retry")
	s.fact("invalid_client")
	s.fact("assertion")
	s.fact("t-old", "aud")
	s.fix("aud", "key", "secret")
	return s
}

func tokenCut() *scene {
	s := newScene("a52", "The token from the settings file is refused as expired", "Auth0-like API, token stored in a field of limited length", "2026-03-24T08:00:00Z")
	as, k := s.newKey("RS256").named("a0-7"), s.newKey("ES256")
	whole := signed(as, object{{"typ", "at+jwt"}, {"alg", "RS256"}, {"kid", "a0-7"}}, object{
		{"iss", "https://login.maps2.example/"},
		{"sub", "svc"},
		{"aud", "https://api.maps2.example"},
		{"iat", s.at(-60).Unix()},
		{"exp", s.at(3540).Unix()},
		{"scope", "routes"},
		{"cnf", object{{"jkt", k.jkt()}}},
	})
	token := whole[:255]
	s.keep("access_token", token)
	e := s.resource(0, "GET", "https://api.maps2.example/routes", token, proof{key: k}, acceptJSON).
		answer(401, `{"statusCode":401,"error":"Unauthorized","message":"Expired or invalid token"}`, `WWW-Authenticate: DPoP error="invalid_token"`)
	s.addRaw("", e)
	s.fails("token-malformed", "high", 1)
	s.notThese("token-expired", "token-signature-invalid", "binding-key-mismatch", "undetermined")
	s.fact("255", "cut", "truncated", "two parts", "2 parts", "incomplete", "segment", "three parts")
	s.fix("whole token", "complete token", "full token", "trim", "entire", "length")
	return s
}

func tokenExpiredByWordsOnly() *scene {
	s := newScene("a53", "An opaque token and a single sentence", "AWS-like gateway, opaque bearer token", "2026-08-19T06:06:06Z")
	token := s.hide("access_token", "", 36)
	e := call(s.at(0), "GET", "https://photos.cloudy.example/v1/albums", "", auth("Bearer", token)).
		answer(401, `{"message":"The incoming token has expired"}`, "x-amzn-ErrorType: UnauthorizedException", "x-amzn-RequestId: 77c2d1be-3a30-4f0e-a8c3-8a54c1a7b0f1")
	s.addCurl("session.txt", overH2(e)...)
	s.fails("token-expired", "low", 1)
	s.notThese("token-revoked", "proof-missing", "token-malformed", "client-clock-skew")
	s.fact("expired")
	s.fact("opaque", "introspection", "cannot be read", "not a JWT", "only the server")
	s.fix("refresh", "new token", "obtain")
	return s
}
