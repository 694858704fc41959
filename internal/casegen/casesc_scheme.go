package main

var schemeCasesC = []func() *scene{cRealScope, cScopeWordsBearer, cProofIgnored, cCnfLost}

func cRealScope() *scene {
	s := newScene("c24", "Reading works, deleting fails with a binding code", "DPoP-aware RS with terse codes", "2026-11-21T21:12:00Z")
	as, k := s.newKey("ES384").named("lib-4"), s.newKey("EdDSA")
	target := "https://shelf.library.example/loans/31"
	token := s.token(as, grant{iss: "https://id.library.example", aud: "https://shelf.library.example", scope: "loans.read", issued: s.at(-10), bound: k})
	a := s.resource(0, "GET", target, token, proof{key: k}).answer(200, `{"id":31}`)
	b := s.resource(2, "DELETE", target, token, proof{key: k}).answer(403, `{"code":"AZ-BIND-7","text":"operation not bound to grant"}`, `WWW-Authenticate: DPoP error="insufficient_scope", scope="loans.read loans.delete", algs="EdDSA ES256"`)
	s.addCurl("loans.txt", overH2(a, b)...)
	s.fails("insufficient-scope", "high", 2)
	s.notThese("htm-mismatch", "binding-key-mismatch", "bound-token-sent-as-bearer", "no-failure")
	s.fact("loans.delete")
	s.fact("loans.read")
	s.fix("ask for the scope", "request the scope", "scope")
	return s
}

func cScopeWordsBearer() *scene {
	s := newScene("c25", "Fresh tokens with all rights are refused for lack of rights", "Elixir client with a generic HTTP plug-in, API with a Bearer fallback", "2026-12-05T05:50:00Z")
	as, k := s.newKey("RS256").named("ft-1"), s.newKey("ES256")
	host, api := "https://idp.ferret.example", "https://api.ferret.example"
	token := s.token(as, grant{iss: host, aud: api, scope: "burrows burrows.write", issued: s.at(0), bound: k})
	a := s.grantCall(0, host+"/token", form("grant_type", "client_credentials", "scope", "burrows burrows.write"), proof{key: k}, s.basic("ferret-sync")).answer(200, tokenReply(token, "DPoP", 3600), noStore)
	b := call(s.at(1), "POST", api+"/burrows", `{"depth":2}`, jsonType, auth("Bearer", token)).answer(403, `{"error":"insufficient_scope"}`, `WWW-Authenticate: Bearer error="insufficient_scope", scope="burrows.write"`)
	s.addHAR("ferret.har", "Charles", "5.2", a, b)
	s.fails("bound-token-sent-as-bearer", "high", 2)
	s.orElse("proof-missing")
	s.notThese("insufficient-scope", "token-type-case-mishandled", "as-ignored-proof", "audience-mismatch")
	s.fact("cnf", "jkt")
	s.fact("Bearer")
	s.fix("scheme DPoP", "DPoP scheme", "Authorization: DPoP", "DPoP")
	return s
}

func cProofIgnored() *scene {
	s := newScene("c26", "The ledger says that our key has changed, but it has not", "AS without the feature switched on, RS that compares with an empty thumbprint", "2026-12-18T18:08:00Z")
	as, k := s.newKey("ES256").named("led-3"), s.newKey("ES384")
	host, api := "https://signin.abacus.example", "https://ledger.abacus.example"
	token := s.token(as, grant{iss: host, aud: api, scope: "entries", issued: s.at(0)})
	a := s.grantCall(0, host+"/oauth2/token", form("grant_type", "client_credentials", "scope", "entries"), proof{key: k}, s.basic("books")).answer(200, tokenReply(token, "Bearer", 3600), noStore)
	b := s.resource(1, "GET", api+"/entries", token, proof{key: k}).answer(401, `{"error":"invalid_token","error_description":"Proof key has changed since the token was issued"}`, dpopChallenge("invalid_token", "Proof key has changed since the token was issued"))
	s.addTranscript("books.txt", a, b)
	s.fails("as-ignored-proof", "high", 2)
	s.orElse("token-not-bound")
	s.notThese("binding-key-mismatch", "key-regenerated-token-cached", "introspection-cnf-missing", "bound-token-sent-as-bearer")
	s.fact("token_type")
	s.fact("Bearer")
	s.fact("cnf")
	s.fix("authorization server", "enable DPoP", "check token_type", "fail closed")
	return s
}

func cCnfLost() *scene {
	s := newScene("c27", "The service believes that we hold an ordinary token", "Introspection behind a caching façade, only loose evidence", "2026-01-24T14:42:00Z")
	s.vantage = "client+backend"
	k := s.newKey("EdDSA")
	token := s.hide("access_token", "", 42)
	host, api := "https://as.weaver.example", "https://looms.weaver.example"
	request := s.prove(proof{key: k, htm: "POST", htu: host + "/token", iat: s.at(-21)})
	e := s.resource(0, "GET", api+"/looms", token, proof{key: k}).
		answer(401, `{"detail":"client did not ask for a sender-constrained token"}`, problemType, `WWW-Authenticate: DPoP error="invalid_token", algs="EdDSA"`)
	s.addBundle([]*exchange{e},
		member{"token_response", object{{"captured_at", stamp(s.at(-21))}, {"body", object{{"access_token", token}, {"token_type", "DPoP"}, {"expires_in", 1800}, {"scope", "looms"}}}}},
		member{"token_request_proof", request},
		introspected("https://facade.weaver.example/introspect", object{{"active", true}, {"client_id", "loom-ui"}, {"scope", "looms"}, {"token_type", "DPoP"}, {"aud", api}, {"exp", s.at(1779).Unix()}}))
	s.fails("introspection-cnf-missing", "high", 1)
	s.orElse("token-not-bound")
	s.notThese("as-ignored-proof", "token-revoked", "binding-key-mismatch", "token-expired")
	s.fact("introspection")
	s.fact("cnf")
	s.fact("active", "token_type")
	s.fix("copy cnf", "cnf", "include cnf")
	return s
}
