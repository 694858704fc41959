package main

var bindingCasesC = []func() *scene{
	cThumbprintAlg, cThumbprintPEM, cThumbprintOrder, cOpaqueOtherKey, cServiceInBetween, cKeyLostInStore,
}

func cThumbprintAlg() *scene {
	s := newScene("c18", "A migrated issuer makes every key look foreign", "Erlang AS that keeps the alg member, strict Rust RS", "2026-09-12T12:21:00Z")
	as, k := s.newKey("ES256").named("erl-1"), s.newKey("ES256")
	j := k.jwk()
	wrong := digest(compact(append(object{{"alg", "ES256"}, j[1]}, j[0], j[2], j[3])))
	target := "https://meters.grid.example/v1/readings"
	token := s.token(as, grant{iss: "https://auth.grid.example", aud: "https://meters.grid.example", scope: "readings", issued: s.at(-25), extra: boundAs(wrong)})
	e := s.resource(0, "GET", target, token, proof{key: k}).
		answer(401, `{"error":"invalid_token"}`, `WWW-Authenticate: DPoP error="invalid_token", error_description="The key of the proof is not the key of the token. Did the client make a new key?", algs="ES256"`)
	s.addRaw("", e)
	s.fails("thumbprint-computed-wrong", "high", 1)
	s.notThese("binding-key-mismatch", "key-regenerated-token-cached", "bound-token-forwarded", "ath-mismatch")
	s.fact(wrong)
	s.fact(k.jkt())
	s.fact("alg", "extra member", "optional member", "additional member")
	s.fix("7638", "required members")
	return s
}

func cThumbprintPEM() *scene {
	s := newScene("c19", "Every new client is turned away with the wrong key", "AS that fingerprints PEM files, RS with introspection", "2026-09-25T16:05:00Z")
	s.vantage = "server"
	k := s.newKey("RS256")
	wrong := digest(pemOf(k))
	token := s.hide("access_token", "", 40)
	e := s.resource(0, "POST", "https://rs.lighthouse.example/keepers", token, proof{key: k}, jsonType).with(`{"name":"Ann"}`).
		answer(401, "", dpopChallenge("invalid_token", "cnf.jkt does not match"))
	s.addBundle([]*exchange{e}, introspected("https://as.lighthouse.example/introspect", object{
		{"active", true},
		{"client_id", "keeper-ui"},
		{"token_type", "DPoP"},
		{"scope", "keepers"},
		{"aud", "https://rs.lighthouse.example"},
		{"iat", s.at(-30).Unix()},
		{"exp", s.at(1770).Unix()},
		{"cnf", object{{"jkt", wrong}}},
	}),
		member{"client", object{{"current_key_jkt", k.jkt()}, {"key_store", "file, unchanged since the first start"}}})
	s.fails("thumbprint-computed-wrong", "high", 1)
	s.notThese("binding-key-mismatch", "key-regenerated-token-cached", "bound-token-forwarded", "token-revoked")
	s.fact(wrong)
	s.fact(k.jkt())
	s.fact("PEM", "SPKI", "SubjectPublicKeyInfo", "encoded key")
	s.fix("7638", "required members")
	return s
}

func cThumbprintOrder() *scene {
	s := newScene("c20", "Ed25519 Schlüssel passen nie, alle anderen schon", "German in-house AS that hashes the key as received, RS with a library", "2026-10-02T08:32:00Z")
	as, k, other := s.newKey("ES256").named("haus-1"), s.newKey("EdDSA"), s.newKey("ES256")
	wrong := digest(compact(k.jwk()))
	api := "https://zaehler.stadtwerk.example"
	good := s.token(as, grant{iss: "https://anmelden.stadtwerk.example", aud: api, scope: "lesen", issued: s.at(-60), bound: other})
	token := s.token(as, grant{iss: "https://anmelden.stadtwerk.example", aud: api, scope: "lesen", issued: s.at(-50), extra: boundAs(wrong)})
	a := s.resource(0, "GET", api+"/stand", good, proof{key: other}).answer(200, `{"kwh":5120}`)
	b := s.resource(3, "GET", api+"/stand", token, proof{key: k}).answer(401, `{"fehler":"Schlüsselbindung verletzt","code":"KB-2"}`, `WWW-Authenticate: DPoP error="invalid_token", algs="ES256 EdDSA"`)
	s.addTranscript("vergleich.txt", a, b)
	s.note("Anfrage 1: Gerät mit P-256. Anfrage 2: anderes Gerät mit Ed25519. Beide Geräte sind neu angemeldet.")
	s.fails("thumbprint-computed-wrong", "high", 2)
	s.orElse("binding-key-mismatch")
	s.notThese("key-regenerated-token-cached", "bound-token-forwarded", "proof-alg-not-accepted", "no-failure")
	s.fact(wrong)
	s.fact(k.jkt())
	s.fix("7638", "lexicographic", "required members")
	return s
}

func cOpaqueOtherKey() *scene {
	s := newScene("c21", "A partner suspects a broken thumbprint routine", "RS with introspection behind Istio, opaque token, history unknown", "2026-10-13T13:31:00Z")
	bound, used := s.newKey("ES384"), s.newKey("ES384")
	token := s.hide("access_token", "ot.", 36)
	e := s.resource(0, "GET", "https://fleet.caravan.example/trucks/4", token, proof{key: used}).
		answer(401, `{"err":4013,"msg":"thumbprint computation failed or differs"}`, `WWW-Authenticate: DPoP error="invalid_token", algs="ES384"`, "Server: istio-envoy")
	s.addBundle([]*exchange{e}, introspected("https://idm.caravan.example/oauth2/introspect", object{{"active", true}, {"sub", "truck-app"}, {"token_type", "DPoP"}, {"scope", "trucks"}, {"exp", s.at(900).Unix()}, {"cnf", object{{"jkt", bound.jkt()}}}}),
		lines("server_log", "13:31:00.020 authz WARN thumbprint of proof key "+used.jkt()+" wanted "+bound.jkt()))
	s.fails("binding-key-mismatch", "high", 1)
	s.notThese("thumbprint-computed-wrong", "token-revoked", "introspection-cnf-missing", "bound-token-forwarded")
	s.fact(bound.jkt())
	s.fact(used.jkt())
	s.fix("key the token was issued for", "same key", "right key", "key the token", "bound key", "original key", "issued for", "new token")
	return s
}

func cServiceInBetween() *scene {
	s := newScene("c22", "Only the reporting page fails, and it blames the audience", "Backend for frontend that passes the user's token on, evidence from the second service", "2026-10-28T19:19:00Z")
	s.vantage = "client+backend"
	as, user, bff := s.newKey("PS256").named("bf-2"), s.newKey("ES256"), s.newKey("EdDSA")
	front, back := "https://portal.orchard.example", "https://reports.orchard.example"
	token := s.token(as, grant{iss: "https://id.orchard.example", aud: []string{front, back}, scope: "portal reports", issued: s.at(-75), bound: user, extra: object{{"azp", "orchard-web"}}})
	a := s.resource(0, "GET", front+"/api/page/reports", token, proof{key: user}).answer(502, `{"error":"upstream_failed"}`)
	b := s.resource(0.1, "GET", back+"/v1/yearly", token, proof{key: bff}, "User-Agent: portal-bff/3").answer(401, `{"error":"invalid_token","error_description":"token was not meant for this caller"}`, dpopChallenge("invalid_token", "token was not meant for this caller"))
	a.note, b.note = "browser to portal", "portal to reports"
	s.addBundle([]*exchange{a, b}, lines("topology", "browser -> portal-bff -> reports"), member{"downstream_client_key_jkt", bff.jkt()})
	s.fails("bound-token-forwarded", "high", 2)
	s.orElse("binding-key-mismatch")
	s.notThese("audience-mismatch", "key-regenerated-token-cached", "thumbprint-computed-wrong", "insufficient-scope")
	s.fact(user.jkt())
	s.fact(bff.jkt())
	s.fact("forward", "passed on", "another party", "another client", "other party", "does not hold", "orchard-web", "two parties")
	s.fix("own token", "exchange", "token for the next hop", "its own")
	return s
}

func cKeyLostInStore() *scene {
	s := newScene("c23", "After a profile migration the desktop app is mute", "Windows desktop app, key container that was not migrated", "2026-11-09T09:09:00Z")
	old := s.newKey("ES256")
	token := s.hide("access_token", "", 40)
	e := call(s.at(0), "GET", "https://sync.harvest.example/changes", "", auth("DPoP", token), "User-Agent: HarvestDesk/9.2 (Windows)").
		answer(401, "", dpopChallenge("invalid_dpop_proof", "DPoP header missing"))
	s.addBundle([]*exchange{e}, member{"client", object{
		{"key_store", "CNG: NTE_BAD_KEYSET (0x80090016) Keyset does not exist, container harvest-dpop"},
		{"stored_key_jkt", old.jkt()},
		{"current_key_jkt", nil},
		{"token_cache", "roaming profile, entry found"},
	}},
		member{"token_response", object{{"captured_at", stamp(s.at(-3000))}, {"body", object{{"access_token", token}, {"token_type", "DPoP"}, {"expires_in", 7200}}}}})
	s.fails("key-unavailable", "high", 1)
	s.orElse("proof-missing")
	s.notThese("key-regenerated-token-cached", "dpop-header-stripped-by-proxy", "token-expired", "binding-key-mismatch")
	s.fact("NTE_BAD_KEYSET", "Keyset does not exist", "0x80090016")
	s.fact("key store", "no key", "key is gone", "no usable key", "without a key", "key not found", "cannot be loaded", "unavailable")
	s.fix("log in again", "clear", "sign in again", "new authorization", "authorize again", "new key")
	return s
}
