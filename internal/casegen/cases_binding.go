package main

var bindingCases = []func() *scene{
	codeKeyMismatch, boundTokenForwarded, bindingKeyMismatch, keyUnavailable, tokenNotBound,
	mtlsCertificateMissing, keyUnavailableInsecureContext, bindingKeyMismatchOpaque,
}

func codeKeyMismatch() *scene {
	s := newScene("a09", "Sign-in ends in an invalid grant although PKCE is right", "node-oidc-provider-like AS, app that makes its key lazily", "2026-01-29T19:22:10Z")
	k1, k2 := s.newKey("ES256"), s.newKey("ES256")
	host := "https://op.library.example"
	code, verifier := s.hide("authorization_code", "", 32), s.hide("code_verifier", "", 32)
	request := "urn:ietf:params:oauth:request_uri:" + s.value(16)
	state := s.value(12)
	push := form("client_id", "reader", "response_type", "code", "scope", "openid loans", "redirect_uri", "https://reader.example/cb", "state", state,
		"code_challenge", pkce(verifier), "code_challenge_method", "S256", "dpop_jkt", k1.jkt())
	par := s.grantCall(0, host+"/request", push, proof{key: k1}, chrome).answer(201, `{"expires_in":60,"request_uri":"`+request+`"}`, noStore)
	login := call(s.at(1), "GET", host+"/auth?client_id=reader&request_uri="+request, "", chrome).
		answer(303, "", "Location: https://reader.example/cb?code="+code+"&state="+state+"&iss=https%3A%2F%2Fop.library.example")
	style := call(s.at(2), "GET", "https://reader.example/app.css", "", chrome).answer(200, "body{margin:0}", "Content-Type: text/css")
	body := form("grant_type", "authorization_code", "client_id", "reader", "code", code, "code_verifier", verifier, "redirect_uri", "https://reader.example/cb")
	token := s.grantCall(3, host+"/token", body, proof{key: k2}, chrome).
		answer(400, `{"error":"invalid_grant","error_description":"grant request is invalid"}`, noStore)
	s.addHAR("reader.har", "mitmproxy", "12.1", par, login, style, token)
	s.fails("code-key-mismatch", "high", 4)
	s.notThese("grant-invalid", "grant-consumed-by-nonce-challenge", "refresh-key-mismatch", "proof-signature-invalid")
	s.fact(k1.jkt())
	s.fact(k2.jkt())
	s.fact("dpop_jkt", "PAR", "pushed authorization")
	s.fix("same key", "once per login", "one key", "read the key once")
	return s
}

func boundTokenForwarded() *scene {
	s := newScene("a10", "The front service works, the service behind it refuses the same token", "Two Duende-like APIs in a call chain", "2026-02-12T10:00:00Z")
	s.vantage = "client+backend"
	as, user, service := s.newKey("RS256").named("F1D2"), s.newKey("ES256"), s.newKey("ES256")
	token := s.token(as, grant{
		iss: "https://ids.orders.example", aud: []string{"https://front.orders.example", "https://ledger.orders.example"}, scope: "ledger orders", issued: s.at(-100), bound: user,
		extra: object{{"azp", "orders-spa"}},
	})
	first := s.resource(0, "POST", "https://front.orders.example/checkout", token, proof{key: user}, jsonType)
	first.body = `{"basket":"b-19"}`
	first.answer(502, `{"type":"https://httpstatuses.example/502","title":"Bad Gateway","status":502}`, "Server: Kestrel")
	next := s.resource(0.4, "POST", "https://ledger.orders.example/entries", token, proof{key: service}, jsonType)
	next.body = `{"basket":"b-19","amount":"12.50"}`
	next.answer(401, "", `WWW-Authenticate: DPoP error="invalid_token", error_description="Invalid DPoP key binding"`, "Server: Kestrel")
	next.note = "captured on the outbound side of the front service"
	s.addBundle([]*exchange{first, next},
		member{"topology", []string{"orders-spa -> front.orders.example", "front.orders.example -> ledger.orders.example (own key, forwards the incoming Authorization header)"}},
		member{"downstream_client_key_jkt", service.jkt()})
	s.fails("bound-token-forwarded", "high", 2)
	s.orElse("binding-key-mismatch")
	s.notThese("audience-mismatch", "key-regenerated-token-cached", "token-expired")
	s.fact(user.jkt())
	s.fact(service.jkt())
	s.fact("forward", "front.orders.example", "another party", "passed on")
	s.fix("own token", "token exchange", "exchange")
	return s
}

func bindingKeyMismatch() *scene {
	s := newScene("a11", "A colleague's token does not work from another laptop", "Keycloak-like realm, RS adapter", "2026-03-19T13:37:05Z")
	as, bound, used := s.newKey("RS256").named("kc-rsa-3"), s.newKey("EdDSA"), s.newKey("EdDSA")
	target := "https://reports.hr.example/api/absences?year=2026"
	token := s.token(as, grant{iss: "https://sso.hr.example/realms/staff", aud: "https://reports.hr.example", scope: "absences", issued: s.at(-900), bound: bound})
	e := s.resource(0, "GET", target, token, proof{key: used}).
		answer(401, `{"error":"invalid_token","error_description":"Token verification failed"}`, `WWW-Authenticate: DPoP realm="staff", error="invalid_token", error_description="Token verification failed"`)
	s.addCurl("session.txt", overH2(e)...)
	s.fails("binding-key-mismatch", "high", 1)
	s.notThese("thumbprint-computed-wrong", "key-regenerated-token-cached", "token-signature-invalid", "token-expired")
	s.fact(bound.jkt())
	s.fact(used.jkt())
	s.fact("cnf")
	s.fix("key the token was issued for", "the same key", "issued for", "key it was bound to", "bound to")
	return s
}

func keyUnavailable() *scene {
	s := newScene("a12", "After a new fingerprint was enrolled the app shows a network error", "Android wallet, hardware key store", "2026-04-08T06:12:00Z")
	as, k := s.newKey("ES256").named("iss-1"), s.newKey("ES256")
	refresh := s.hide("refresh_token", "", 30)
	token := s.token(as, grant{iss: "https://as.wallet.example", aud: "https://api.wallet.example", scope: "cards", issued: s.at(-600), bound: k})
	issue := s.grantCall(-600, "https://as.wallet.example/token", form("grant_type", "refresh_token", "client_id", "wallet-android", "refresh_token", refresh), proof{key: k}, "User-Agent: okhttp/5.1.0").
		answer(200, tokenReply(token, "DPoP", 3600, member{"refresh_token", s.hide("refresh_token", "", 30)}), noStore)
	list := s.resource(-590, "GET", "https://api.wallet.example/cards", token, proof{key: k}, "User-Agent: okhttp/5.1.0").answer(200, `{"cards":[]}`)
	later := call(s.at(0), "GET", "https://api.wallet.example/cards", "", "User-Agent: okhttp/5.1.0").
		breaks("request was not sent: interceptor threw java.io.IOException: android.security.keystore.KeyPermanentlyInvalidatedException: Key permanently invalidated")
	s.addBundle([]*exchange{issue, list, later}, member{"client", object{
		{"key_store", "AndroidKeyStore, alias dpop-1: KeyPermanentlyInvalidatedException since 2026-04-08T06:10:41Z"},
		{"token_cache", "EncryptedSharedPreferences, access and refresh token still present, stored jkt " + k.jkt()},
		{"current_key_jkt", nil},
	}})
	s.fails("key-unavailable", "high", 3)
	s.notThese("key-regenerated-token-cached", "proof-missing", "token-missing", "undetermined")
	s.fact("KeyPermanentlyInvalidatedException", "invalidated", "no usable key")
	s.fact("key store", "key_store", "keystore", "AndroidKeyStore")
	s.fix("log in again", "sign in again", "clear", "new login")
	return s
}

func keyUnavailableInsecureContext() *scene {
	s := newScene("a49", "The kiosk page stays blank after the server was renamed", "Browser app on plain HTTP", "2026-10-05T08:00:20Z")
	page := "http://kiosk.museum.example:8080"
	k := s.newKey("ES256")
	index := call(s.at(0), "GET", page+"/", "", chrome).answer(200, "<!doctype html><title>Kiosk</title><script src=/main.js></script>")
	script := call(s.at(0.2), "GET", page+"/main.js", "", chrome).answer(200, "import{start}from'./oidc.js';start()", "Content-Type: text/javascript")
	meta := call(s.at(0.6), "GET", "https://login.museum.example/.well-known/openid-configuration", "", "Origin: "+page, chrome).
		answer(200, `{"issuer":"https://login.museum.example","token_endpoint":"https://login.museum.example/token","dpop_signing_alg_values_supported":["ES256"]}`, "Access-Control-Allow-Origin: *")
	s.addHAR("kiosk.har", "WebInspector", "537.36", index, script, meta)
	s.add("console.txt", "browser-console", []byte("08:00:20.912 main.js:1 [oidc] restoring session for kiosk-4, stored dpop jkt "+k.jkt()+"\n"+
		"08:00:20.915 main.js:1 [oidc] isSecureContext=false origin="+page+"\n"+
		"08:00:20.917 main.js:1 Uncaught (in promise) TypeError: Cannot read properties of undefined (reading 'generateKey')\n    at createProofKey (oidc.js:88:29)\n    at start (main.js:1:412)\n"+
		"08:00:21.004 Fetch finished loading: GET \"https://login.museum.example/.well-known/openid-configuration\".\n"))
	s.fails("key-unavailable", "high", 0)
	s.notThese("token-missing", "proof-missing", "dpop-not-advertised", "no-failure", "dpop-header-blocked-by-preflight")
	s.fact("secure context", "isSecureContext", "HTTPS", "http://kiosk.museum.example:8080")
	s.fact("generateKey", "no usable key", "no key", "crypto.subtle", "Web Crypto", "WebCrypto")
	s.fix("https", "secure context", "log in again", "clear")
	return s
}

func tokenNotBound() *scene {
	s := newScene("a13", "A partner's token is refused as invalid although it is fresh", "FAPI resource server, partner with its own AS", "2026-05-06T15:45:12Z")
	as, k := s.newKey("PS256").named("partner-7"), s.newKey("ES256")
	target := "https://fapi.payments.example/v1/consents/c-88"
	token := s.token(as, grant{iss: "https://as.partner.example", aud: "https://fapi.payments.example", scope: "consents", issued: s.at(-20)})
	e := s.resource(0, "GET", target, token, proof{key: k}, acceptJSON, "x-fapi-interaction-id: 93bac548-d2de-4546-b106-880a5018460d").
		answer(401, `{"errors":[{"code":"UNAUTHORIZED","title":"Access token is not valid","detail":"Access token is not valid"}]}`, noStore,
			`WWW-Authenticate: DPoP error="invalid_token", algs="PS256 ES256"`, "x-fapi-interaction-id: 93bac548-d2de-4546-b106-880a5018460d").zipped()
	s.addTranscript("wire.txt", e)
	s.add("collector-note.txt", "note", []byte("Our production API only takes sender-constrained tokens. The partner sends a fresh token per call.\nWe did not see how the token was requested. Other partners are fine.\n"))
	s.fails("token-not-bound", "high", 1)
	s.notThese("as-ignored-proof", "introspection-cnf-missing", "binding-key-mismatch", "token-expired")
	s.fact("cnf")
	s.fact("not bound", "no confirmation", "no cnf", "unbound", "without cnf", "sender-constrained")
	s.fix("bound token", "bind")
	return s
}

func mtlsCertificateMissing() *scene {
	s := newScene("a14", "Calls through the new load balancer fail, direct calls work", "Open-banking RS, nginx in front", "2026-06-24T12:30:30Z")
	s.vantage = "client+backend"
	as := s.newKey("PS256").named("ob-sig-4")
	x5t := ath(s.value(40))
	target := "https://mtls.bankb.example/open-banking/v3.1/aisp/balances"
	token := s.token(as, grant{
		iss: "https://as.bankb.example", aud: "https://mtls.bankb.example", scope: "accounts", issued: s.at(-45),
		extra: object{{"cnf", object{{"x5t#S256", x5t}}}},
	})
	e := call(s.at(0), "GET", target, "", acceptJSON, auth("Bearer", token), "x-fapi-interaction-id: 6b7d3a5e-30c7-44f7-8b0e-3b1d2a0f6a55").
		answer(401, `{"Code":"401 Unauthorized","Message":"Unauthorized"}`, `WWW-Authenticate: Bearer error="invalid_token"`)
	s.addRaw("", e)
	s.add("access-log.txt", "server-log", []byte(`10.3.0.9 - - [24/Jun/2026:12:30:30 +0000] "GET /open-banking/v3.1/aisp/balances HTTP/1.1" 401 52 ssl_protocol=TLSv1.3 ssl_client_verify=NONE ssl_client_s_dn=- upstream=10.3.4.20:8443 upstream_status=401
`), member{"origin", "https://mtls.bankb.example"})
	s.add("service-log.txt", "server-log", []byte("2026-06-24T12:30:30.118Z WARN  c.b.ob.Confirmation token requires x5t#S256="+x5t+" header ssl-client-cert: <null>, rejecting\n"), member{"origin", "http://10.3.4.20:8443"})
	s.add("nginx.conf", "server-config", []byte("server {\n  listen 443 ssl;\n  server_name mtls.bankb.example;\n  ssl_verify_client off;\n  location / {\n    proxy_set_header ssl-client-cert $ssl_client_escaped_cert;\n    proxy_pass https://ob-backend;\n  }\n}\n"), member{"origin", "https://mtls.bankb.example"})
	s.fails("mtls-certificate-missing", "high", 1)
	s.notThese("mtls-certificate-mismatch", "token-expired", "bound-token-sent-as-bearer", "audience-mismatch")
	s.fact("x5t#S256")
	s.fact("no certificate", "NONE", "no client certificate", "without a certificate", "missing", "absent")
	s.fix("mTLS endpoint", "client certificate", "Client-Cert", "9440", "trusted edge")
	return s
}

func bindingKeyMismatchOpaque() *scene {
	s := newScene("a50", "An opaque token is refused with words about its lifetime", "Ory-like introspection behind an Envoy-like proxy", "2026-11-02T17:20:00Z")
	s.vantage = "server"
	bound, used := s.newKey("ES256"), s.newKey("ES256")
	token := s.hide("access_token", "ory_at_", 32)
	e := s.resource(0, "GET", "https://files.archive.example/objects/9f", token, proof{key: used}).
		answer(401, `{"error":{"code":401,"status":"Unauthorized","message":"Access credentials are not valid or have expired"}}`, noStore)
	s.addBundle([]*exchange{e}, member{"introspection", object{{"endpoint", "https://hydra.archive.example/admin/oauth2/introspect"}, {"response", object{
		{"active", true},
		{"client_id", "archiver"},
		{"scope", "objects.read"},
		{"token_type", "DPoP"},
		{"aud", []string{"https://files.archive.example"}},
		{"exp", s.at(1800).Unix()},
		{"cnf", object{{"jkt", bound.jkt()}}},
	}}}})
	s.fails("binding-key-mismatch", "high", 1)
	s.notThese("token-expired", "token-revoked", "introspection-cnf-missing", "thumbprint-computed-wrong")
	s.fact(bound.jkt())
	s.fact(used.jkt())
	s.fact("introspection", "cnf")
	s.fix("key the token was issued for", "the same key", "issued for", "key it was bound to", "bound to")
	return s
}
