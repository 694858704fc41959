package main

import "strings"

var bearerCasesC = []func() *scene{cSchemeTwice, cKeyNotCached, cIDTokenUsed, cIssuerSlash}

func cSchemeTwice() *scene {
	s := newScene("c32", "The gateway complains about a header that is too long or broken", "Perl script that adds the scheme to a value that has it", "2026-04-10T20:40:00Z")
	as, k := s.newKey("ES256").named("gr-2"), s.newKey("ES256")
	target := "https://silo.granary.example/lots"
	token := s.token(as, grant{iss: "https://id.granary.example", aud: "https://silo.granary.example", scope: "lots", issued: s.at(-40), bound: k})
	e := s.resource(0, "GET", target, token, proof{key: k}, "User-Agent: libwww-perl/6.79").set("Authorization", "DPoP DPoP "+token).
		answer(400, "<html><head><title>400 Bad Request</title></head><body><center><h1>400 Bad Request</h1></center><hr><center>nginx</center></body></html>", "Server: nginx", `WWW-Authenticate: DPoP error="invalid_request"`)
	s.addRaw("", e)
	s.fails("token-malformed", "high", 1)
	s.notThese("headers-too-large", "proof-malformed", "ath-mismatch", "token-missing", "undetermined")
	s.fact("scheme", "DPoP DPoP")
	s.fact("twice", "doubled", "two times", "repeated", "duplicate", "second scheme")
	s.fix("trim", "once", "remove", "only the token", "without the scheme", "single scheme", "bare token")
	return s
}

func cKeyNotCached() *scene {
	s := newScene("c33", "Since midnight the API calls good tokens forged", "Lua gateway that keeps its key set for a day, AS that rotates keys", "2026-04-25T00:25:00Z")
	s.vantage = "client+backend"
	old, next, k := s.newKey("RS256").named("2026-03"), s.newKey("RS256").named("2026-04"), s.newKey("ES256")
	api := "https://berths.marina.example"
	token := s.token(next, grant{iss: "https://id.marina.example", aud: api, scope: "berths", issued: s.at(-300), bound: k})
	e := s.resource(0, "GET", api+"/berths", token, proof{key: k}).
		answer(401, `{"message":"Invalid signature"}`, `WWW-Authenticate: DPoP error="invalid_token", error_description="token signature could not be verified"`)
	s.addRaw("", e)
	s.jwks("live-keys.json", "https://id.marina.example", 30, next, old)
	s.log("gateway-trace.txt", api, "00:25:00 [debug] jwks cache hit, fetched 2026-04-24T03:00:10Z, kids: 2026-02 2026-03", "00:25:00 [error] signature: no candidate key verified the token")
	s.fails("token-key-unknown", "high", 1)
	s.notThese("token-signature-invalid", "token-issuer-mismatch", "proof-signature-invalid", "token-expired")
	s.fact("2026-04")
	s.fact("cache", "key set", "JWKS", "jwks")
	s.fix("refetch", "refresh the key set", "reload", "fetch again", "overlap", "fetch the key set")
	return s
}

func cIDTokenUsed() *scene {
	s := newScene("c34", "The planner API says that the token is for somebody else", "Browser app that takes id_token from the answer, RS that checks aud first", "2026-05-10T15:51:00Z")
	as, k := s.newKey("RS256").named("pl-5"), s.newKey("ES256")
	host, api, client := "https://accounts.sundial.example", "https://planner.sundial.example", "0oa77sundial"
	access := s.token(as, grant{iss: host, aud: api, scope: "openid plans", issued: s.at(0), bound: k})
	id := s.jws("id_token", as, "JWT", object{
		{"iss", host},
		{"sub", "u-" + s.value(5)},
		{"aud", client},
		{"iat", s.at(0).Unix()},
		{"exp", s.at(3600).Unix()},
		{"nonce", s.value(12)},
		{"at_hash", b64(hash256(access)[:16])},
		{"auth_time", s.at(-4).Unix()},
	})
	code, verifier := s.hide("authorization_code", "", 20), s.hide("code_verifier", "", 32)
	a := s.grantCall(0, host+"/v1/token", form("grant_type", "authorization_code", "client_id", client, "code", code, "code_verifier", verifier, "redirect_uri", "https://app.sundial.example/cb"), proof{key: k}, safari).
		answer(200, tokenReply(access, "DPoP", 3600, member{"id_token", id}), noStore)
	b := s.resource(1, "GET", api+"/plans", id, proof{key: k}, safari).answer(401, "", `WWW-Authenticate: DPoP error="invalid_token", error_description="The audience '0oa77sundial' is invalid", algs="ES256"`)
	s.addHAR("sundial.har", "WebInspector", "620.1", overH2(a, b)...)
	s.fails("token-wrong-type", "high", 2)
	s.notThese("audience-mismatch", "token-issuer-mismatch", "bound-token-forwarded", "insufficient-scope")
	s.fact("ID token", "id_token")
	s.fact("at_hash", "nonce", client)
	s.fix("access token", "access_token")
	return s
}

func cIssuerSlash() *scene {
	s := newScene("c35", "A new deployment rejects everybody with an audience text", "Flask RS with one catch-all message, issuer written with a final slash", "2026-05-23T23:05:00Z")
	as, k := s.newKey("ES384").named("sl-1"), s.newKey("ES384")
	api := "https://loft.pigeon.example"
	token := s.token(as, grant{iss: "https://tenant.pigeon.example/", aud: api, scope: "letters", issued: s.at(-12), bound: k})
	e := s.resource(0, "GET", api+"/letters", token, proof{key: k}).
		answer(401, `{"code":"invalid_claims","description":"incorrect claims, please check the audience and issuer"}`, dpopChallenge("invalid_token", "incorrect claims"))
	s.addRaw("", e)
	s.add("settings.py", "server-config", []byte(strings.Join([]string{"AUTH_ISSUER = 'https://tenant.pigeon.example'", "AUTH_AUDIENCE = '" + api + "'", "AUTH_ALGORITHMS = ['ES384']", "DPOP_REQUIRED = True", ""}, "\n")), member{"origin", api})
	s.fails("token-issuer-mismatch", "high", 1)
	s.notThese("audience-mismatch", "token-key-unknown", "insufficient-scope", "undetermined")
	s.fact("https://tenant.pigeon.example/")
	s.fact("slash", "https://tenant.pigeon.example'", `"https://tenant.pigeon.example"`, "issuer")
	s.fix("issuer", "same name", "public name", "expect")
	return s
}
