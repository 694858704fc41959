package main

var bindingCasesE = []func() *scene{eCodeOtherKey, eMCPForwards, eWrongKey, eIndexedDB, eNoCnf, eNoCertificate}

func eCodeOtherKey() *scene {
	s := newScene("e09", "Sign-in ends with an invalid code after the backend was put in between", "atproto-like AS, mobile app with a helper backend", "2026-02-26T17:40:10Z")
	first, second := s.newKey("ES256"), s.newKey("ES256")
	host, client := "https://entryway.example", "https://feed.example/client-metadata.json"
	nonce, verifier, code := s.value(24), s.hide("code_verifier", "", 32), s.hide("authorization_code", "cod-", 24)
	a := s.grantCall(0, host+"/oauth/par", form("client_id", client, "response_type", "code", "code_challenge", pkce(verifier), "code_challenge_method", "S256", "scope", "atproto", "redirect_uri", "example.feed:/cb"), proof{key: first, nonce: nonce}, "User-Agent: feed-backend/2").
		answer(201, `{"request_uri":"urn:ietf:params:oauth:request_uri:req-3f01","expires_in":300}`, noStore, "DPoP-Nonce: "+nonce)
	b := s.grantCall(31, host+"/oauth/token", form("grant_type", "authorization_code", "client_id", client, "code", code, "code_verifier", verifier, "redirect_uri", "example.feed:/cb"), proof{key: second, nonce: nonce}, "User-Agent: feed-ios/2").
		answer(400, oauthError("invalid_grant", "Invalid code"), noStore, "DPoP-Nonce: "+nonce)
	s.addBundle([]*exchange{a, b})
	s.fails("code-key-mismatch", "high", 2)
	s.orElse("binding-key-mismatch")
	s.notThese("grant-invalid", "grant-consumed-by-nonce-challenge", "nonce-expired")
	s.fact(first.jkt())
	s.fact(second.jkt())
	s.fix("same key", "one key", "key once")
	return s
}

func eMCPForwards() *scene {
	s := newScene("e10", "The tool server is called successfully and cannot call the next API", "MCP server that passes the user's token on", "2026-08-11T09:18:00Z")
	s.vantage = "server"
	as, k, own := s.newKey("ES256").named("mcp-as"), s.newKey("ES256"), s.newKey("ES256")
	mcp, api := "https://mcp.invoice.example/mcp", "https://ledger.invoice.example"
	token := s.token(as, grant{iss: "https://auth.invoice.example", aud: []string{mcp, api}, scope: "ledger.read", issued: s.at(-20), bound: k, extra: object{{"azp", "desk-agent"}}})
	a := s.resource(0, "POST", mcp, token, proof{key: k}, jsonType).with(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"balance"}}`).
		answer(200, `{"jsonrpc":"2.0","id":2,"result":{"isError":true,"content":[{"type":"text","text":"upstream said 401"}]}}`)
	b := s.resource(0.2, "GET", api+"/v1/balance", token, proof{key: own}, "User-Agent: mcp-invoice/0.4").
		answer(401, `{"title":"Unauthorized","status":401}`, problemType, `WWW-Authenticate: DPoP error="invalid_token", error_description="token confirmation failed", algs="ES256"`)
	s.addBundle([]*exchange{a, b}, lines("topology", "desk-agent -> mcp-invoice -> ledger"), member{"downstream_client_key_jkt", own.jkt()})
	s.fails("bound-token-forwarded", "high", 2)
	s.orElse("binding-key-mismatch")
	s.notThese("audience-mismatch", "key-regenerated-token-cached", "thumbprint-computed-wrong")
	s.fact(k.jkt())
	s.fact(own.jkt())
	s.fix("own token", "token exchange", "exchange", "token of its own")
	return s
}

func eWrongKey() *scene {
	s := newScene("e11", "A test call copied from the documentation is unauthorized", "APISIX-like gateway, API console", "2026-05-04T13:27:33Z")
	as, k, used := s.newKey("RS256").named("apx-7"), s.newKey("ES256"), s.newKey("ES256")
	target := "https://gw.orchard.example/v2/trees/19"
	token := s.token(as, grant{iss: "https://id.orchard.example", aud: "https://gw.orchard.example", scope: "trees", issued: s.at(-240), bound: k})
	e := s.resource(0, "GET", target, token, proof{key: used}, acceptJSON).
		answer(401, `{"message":"jwt token invalid"}`, "Server: APISIX/3.12", `WWW-Authenticate: DPoP error="invalid_token"`)
	s.raw(e)
	s.seenAfter(70)
	s.fails("binding-key-mismatch", "high", 1)
	s.notThese("token-expired", "token-signature-invalid", "thumbprint-computed-wrong")
	s.fact(k.jkt())
	s.fact(used.jkt())
	s.fix("key the token was issued for", "same key", "key pair", "key that", "right key", "matching key")
	return s
}

func eIndexedDB() *scene {
	s := newScene("e12", "Returning visitors see an endless loading screen after a week", "Okta-like AS, browser SDK with keys in IndexedDB", "2026-04-30T07:50:00Z")
	as, k := s.newKey("RS256").named("Kz1x"), s.newKey("ES256")
	api := "https://plans.studio.example"
	token := s.token(as, grant{iss: "https://studio.okt.example/oauth2/default", aud: api, scope: "plans offline_access", issued: s.at(-604800), bound: k})
	a := s.resource(-604000, "GET", api+"/v1/plans", token, proof{key: k}, safari).answer(200, `{"plans":[]}`)
	b := call(s.at(0), "POST", "https://studio.okt.example/oauth2/default/v1/token", "", formType, safari).
		breaks("request was not sent: AuthSdkError: Unable to find DPoP key pair: " + k.jkt())
	s.addBundle([]*exchange{a, b}, member{"client", object{{"token_cache", "localStorage, tokens with dpopPairId, still there"}, {"key_store", "IndexedDB OktaAuthJs/DPoPKeys, empty (storage evicted after seven days without a visit)"}}})
	s.fails("key-unavailable", "high", 2)
	s.notThese("key-regenerated-token-cached", "proof-missing-at-token-endpoint", "token-expired")
	s.fact("IndexedDB", "key store", "key pair")
	s.fact(k.jkt(), "not found", "unable to find", "empty", "evicted", "no key")
	s.fix("log in", "sign in", "clear", "new login", "authoriz")
	return s
}

func eNoCnf() *scene {
	s := newScene("e13", "The strict API does not take the token of the new identity provider", "Kong-like gateway with a DPoP plug-in", "2026-03-06T09:11:12Z")
	as, k := s.newKey("RS256").named("2026-a"), s.newKey("ES256")
	target := "https://gateway.brewery.example/batches"
	token := s.token(as, grant{iss: "https://login.brewery.example", aud: "https://gateway.brewery.example", scope: "batches", issued: s.at(-33)})
	e := s.resource(0, "GET", target, token, proof{key: k}).
		answer(401, `{"message":"Unauthorized"}`, "Server: kong/3.9", `WWW-Authenticate: DPoP realm="kong", error="invalid_token", error_description="token not DPoP bound", algs="ES256 PS256"`)
	s.addCurl("session.txt", e)
	s.fails("token-not-bound", "high", 1)
	s.orElse("as-ignored-proof")
	s.notThese("binding-key-mismatch", "token-expired", "introspection-cnf-missing")
	s.fact("cnf")
	s.fact("no cnf", "without", "missing", "not bound", "unbound", "absent", "lacks")
	s.fix("bound token", "bind", "authorization server")
	return s
}

func eNoCertificate() *scene {
	s := newScene("e14", "Consent works, reading accounts is refused", "Open-finance bank, client that calls the public host", "2026-06-09T18:03:20Z")
	as := s.newKey("PS256").named("bank-sig")
	bound := certificateHash(s.certificate("tpp-31", "2026-01-05T00:00:00Z"))
	target := "https://api.saving.example/open-banking/accounts/v2/accounts"
	token := s.token(as, grant{iss: "https://auth.saving.example", aud: "https://api.saving.example", scope: "openid accounts", issued: s.at(-25), life: 900, extra: object{{"cnf", object{{"x5t#S256", bound}}}}})
	e := call(s.at(0), "GET", target, "", auth("Bearer", token), "x-fapi-interaction-id: 73cac523-d3ae-2289-b106-330a6218710d", acceptJSON).
		answer(401, `{"errors":[{"code":"NAO_AUTORIZADO","title":"Unauthorized","detail":"-"}]}`, `WWW-Authenticate: Bearer error="invalid_token"`)
	s.addBundle([]*exchange{e}, member{"authorization_server_metadata", object{{"issuer", "https://auth.saving.example"}, {"tls_client_certificate_bound_access_tokens", true}, {"mtls_endpoint_aliases", object{{"token_endpoint", "https://matls-auth.saving.example/token"}}}}},
		lines("server_log", "18:03:20.114 api-edge tls sni=api.saving.example client_cert=none", "18:03:20.117 accounts cnf.x5t#S256 present, no client certificate in request, denying"))
	s.fails("mtls-certificate-missing", "high", 1)
	s.notThese("mtls-certificate-mismatch", "bound-token-sent-as-bearer", "token-expired")
	s.fact("x5t#S256")
	s.fact("no client certificate", "no certificate", "client_cert=none", "without a certificate", "certificate is missing", "absent")
	s.fix("mTLS", "client certificate", "mutual")
	return s
}
