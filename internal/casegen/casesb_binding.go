package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"time"
)

var bindingCasesB = []func() *scene{
	bKeyRegenerated, bRefreshKey, bCodeKey, bThumbprintHex, bTokenExchanged, bBindingMismatch, bKeychainEmpty, bOpaqueUnbound,
	bCertificateMissing, bCertificateRenewed,
}

func bKeyRegenerated() *scene {
	s := newScene("b18", "After a browser update people are half logged in", "Browser app, token in local storage and key in memory", "2026-01-26T18:30:00Z")
	as, first, second := s.newKey("EdDSA").named("ory-9"), s.newKey("ES384"), s.newKey("ES384")
	host, api, origin := "https://project.slate.example", "https://notes-api.slate.example", "https://notes.slate.example"
	code, verifier := s.hide("authorization_code", "ory_ac_", 28), s.hide("code_verifier", "", 32)
	token := s.token(as, grant{iss: host, aud: []string{api}, scope: "notes", issued: s.at(0), bound: first})
	login := s.grantCall(0, host+"/oauth2/token", form("grant_type", "authorization_code", "client_id", "b8c1", "code", code, "code_verifier", verifier, "redirect_uri", origin+"/cb"), proof{key: first}, firefox, "Origin: "+origin).
		answer(200, tokenReply(token, "DPoP", 3600), noStore, "Access-Control-Allow-Origin: "+origin)
	ok := s.resource(2, "GET", api+"/notes", token, proof{key: first}, firefox, "Origin: "+origin).answer(200, "[]", "Access-Control-Allow-Origin: "+origin)
	page := call(s.at(640), "GET", origin+"/", "", firefox).answer(200, "<!doctype html><title>Slate</title>")
	js := call(s.at(641), "GET", origin+"/assets/index-3f.js", "", firefox).answer(200, "export{}", "Content-Type: text/javascript")
	bad := s.resource(642, "GET", api+"/notes", token, proof{key: second}, firefox, "Origin: "+origin).
		answer(401, `{"error":{"code":401,"status":"Unauthorized","request":"c1","reason":"The access credentials are expired or otherwise invalid","message":"The request could not be authorized"}}`, "Access-Control-Allow-Origin: "+origin)
	s.addHAR("slate.har", "Firefox", "147.0", overH2(login, ok, page, js, bad)...)
	s.note("Customer: it broke when I restarted the browser (it asked me to update). Signing out and in again helps.")
	s.seenAfter(700)
	s.fails("key-regenerated-token-cached", "high", 5)
	s.orElse("binding-key-mismatch")
	s.notThese("token-expired", "bound-token-forwarded", "token-revoked", "key-unavailable")
	s.fact(first.jkt())
	s.fact(second.jkt())
	s.fact("restart", "new key", "regenerated", "another key", "different key", "key changed")
	s.fix("together", "store the key", "keep the key", "drop both", "persist")
	return s
}

func bRefreshKey() *scene {
	s := newScene("b19", "Restoring a phone backup ends every banking session", "Keycloak-like AS, confidential mobile backend, PS256", "2026-02-21T04:00:00Z")
	as, one, two := s.newKey("PS256").named("kc-ps"), s.newKey("PS256"), s.newKey("PS256")
	host := "https://keys.credit.example/realms/app"
	refresh := s.hide("refresh_token", "", 40)
	again := s.hide("refresh_token", "", 40)
	token := s.token(as, grant{iss: host, aud: "https://api.credit.example", scope: "balances", issued: s.at(0), life: 300, bound: one})
	post := func(at float64, k *key, r string) *exchange {
		return s.grantCall(at, host+"/protocol/openid-connect/token", form("grant_type", "refresh_token", "client_id", "credit-app", "refresh_token", r), proof{key: k}, "User-Agent: okhttp/5.3.2")
	}
	a := post(0, one, refresh).answer(200, tokenReply(token, "DPoP", 300, member{"refresh_token", again}), noStore)
	b := post(290, two, again).answer(400, oauthError("invalid_grant", "Token is not active"), noStore)
	s.addTranscript("phone.txt", a, b)
	s.seenAfter(400)
	s.fails("refresh-key-mismatch", "high", 2)
	s.orElse("binding-key-mismatch")
	s.notThese("refresh-token-replayed", "grant-invalid", "token-expired", "proof-signature-invalid")
	s.fact(one.jkt())
	s.fact(two.jkt())
	s.fact("refresh")
	s.fix("keep the key", "same key", "new authorization", "log in again", "original key")
	return s
}

func bCodeKey() *scene {
	s := newScene("b20", "Anmeldung endet mit einer Fehlerseite", "Landesportal, PingFederate-like AS with German texts, dpop_jkt in the front channel", "2026-03-06T07:50:00Z")
	k1, k2 := s.newKey("ES512"), s.newKey("ES512")
	host := "https://anmeldung.land.example"
	code, verifier := s.hide("authorization_code", "", 20), s.hide("code_verifier", "", 32)
	state := s.value(9)
	start := call(s.at(0), "GET", host+"/as/authorization.oauth2?"+form("client_id", "antrag", "response_type", "code", "redirect_uri", "https://antrag.land.example/zurueck", "scope", "openid antrag", "state", state,
		"code_challenge", pkce(verifier), "code_challenge_method", "S256", "dpop_jkt", k1.jkt()), "").
		answer(302, "", "Location: https://antrag.land.example/zurueck?code="+code+"&state="+state)
	redeem := s.grantCall(9, host+"/as/token.oauth2", form("grant_type", "authorization_code", "client_id", "antrag", "code", code, "code_verifier", verifier, "redirect_uri", "https://antrag.land.example/zurueck"), proof{key: k2}).
		answer(400, "<!doctype html><html lang=\"de\"><title>Fehler</title><h1>Ungültige Anfrage</h1><p>Der Autorisierungscode ist ungültig oder abgelaufen. (invalid_grant)</p></html>", "Content-Type: text/html; charset=utf-8")
	s.addCurl("sitzung.txt", overH2(start, redeem)...)
	s.fails("code-key-mismatch", "high", 2)
	s.notThese("grant-invalid", "grant-consumed-by-nonce-challenge", "refresh-key-mismatch", "key-regenerated-token-cached")
	s.fact(k1.jkt())
	s.fact(k2.jkt())
	s.fact("dpop_jkt")
	s.fix("same key", "once per login", "one key", "read the key once")
	return s
}

func bThumbprintHex() *scene {
	s := newScene("b21", "A home-made issuer and a library never agree", "C++ AS, RS with a standard library", "2026-04-24T21:00:00Z")
	as, k := s.newKey("RS256").named("cpp-as"), s.newKey("RS256")
	sum := must(base64.RawURLEncoding.DecodeString(k.jkt()))
	wrong := hex.EncodeToString(sum)
	target := "https://telemetry.turbine.example/feeds"
	token := s.token(as, grant{iss: "https://as.turbine.example", aud: "https://telemetry.turbine.example", scope: "feeds", issued: s.at(-9), extra: object{{"cnf", object{{"jkt", wrong}}}}})
	e := s.resource(0, "GET", target, token, proof{key: k}, acceptJSON).
		answer(401, "key confirmation failed\n", `WWW-Authenticate: DPoP error="invalid_token", error_description="The access token is bound to a different key"`)
	s.addRaw("", e)
	s.log("rs-trace.txt", "https://telemetry.turbine.example", "21:00:00.012 WARN cnf check: token says "+wrong+", proof says "+k.jkt())
	s.fails("thumbprint-computed-wrong", "high", 1)
	s.notThese("binding-key-mismatch", "key-regenerated-token-cached", "bound-token-forwarded", "token-malformed")
	s.fact("hex")
	s.fact(k.jkt(), wrong)
	s.fact("base64url", "7638")
	s.fix("base64url", "7638")
	return s
}

func bTokenExchanged() *scene {
	s := newScene("b22", "The order service cannot exchange the caller's token", "Token exchange at a Spring-like AS, service with its own key", "2026-05-03T10:30:00Z")
	s.vantage = "client+backend"
	as, user, service := s.newKey("ES256").named("sas-1"), s.newKey("EdDSA"), s.newKey("ES256")
	host := "https://sts.bakery.example"
	token := s.token(as, grant{iss: host, aud: []string{"https://orders.bakery.example", host}, scope: "orders", issued: s.at(-90), bound: user, extra: object{{"azp", "bakery-ios"}}})
	in := s.resource(0, "POST", "https://orders.bakery.example/v2/orders", token, proof{key: user}, jsonType, "User-Agent: bakery-ios/12").
		with(`{"sku":"rye"}`).answer(500, `{"timestamp":"2026-05-03T10:30:01Z","status":500,"error":"Internal Server Error","path":"/v2/orders"}`)
	body := form("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token", token, "subject_token_type", "urn:ietf:params:oauth:token-type:access_token", "audience", "stock", "scope", "stock.write")
	out := s.grantCall(0.2, host+"/oauth2/token", body, proof{key: service}, s.basic("orders-svc")).
		answer(400, oauthError("invalid_grant", "OAuth 2.0 Parameter: subject_token"), noStore)
	s.addTranscript("service-side.txt", in, out)
	s.note("Recorded inside the orders pod: request 1 is what came in, request 2 is what we send to the STS.")
	s.fails("bound-token-forwarded", "high", 2)
	s.orElse("binding-key-mismatch")
	s.notThese("audience-mismatch", "grant-invalid", "client-authentication-failed", "key-regenerated-token-cached", "token-revoked")
	s.fact(user.jkt())
	s.fact(service.jkt())
	s.fact("subject_token", "exchange", "bakery-ios")
	s.fix("own token", "proof by the holder", "allow exchange", "exchange")
	return s
}

func bBindingMismatch() *scene {
	s := newScene("b23", "A saved request collection stopped working after the team shared it", "WSO2-like API manager, API test tool", "2026-06-02T12:12:00Z")
	as, bound, used := s.newKey("RS256").named("gateway_certificate_alias"), s.newKey("RS256"), s.newKey("RS256")
	target := "https://apim.ferry.example:8243/tickets/1.0.0/trips"
	token := s.token(as, grant{iss: "https://apim.ferry.example:9443/oauth2/token", aud: "ferry-portal", scope: "trips", issued: s.at(-600), bound: bound})
	e := s.resource(0, "GET", target, token, proof{key: used}, "Postman-Token: 0e5f", "User-Agent: PostmanRuntime/7.51").
		answer(401, `{"code":"900901","message":"Invalid Credentials","description":"Invalid JWT token. Make sure you have provided the correct security credentials"}`, `WWW-Authenticate: OAuth2 realm="WSO2 API Manager", error="invalid_token"`).zipped()
	s.addHAR("collection.har", "Insomnia", "2026.1", e)
	s.fails("binding-key-mismatch", "high", 1)
	s.notThese("key-regenerated-token-cached", "token-signature-invalid", "scheme-unsupported-by-rs", "thumbprint-computed-wrong", "token-expired", "token-malformed")
	s.fact(bound.jkt())
	s.fact(used.jkt())
	s.fact("cnf")
	s.fix("key the token was issued for", "the same key", "issued for", "key it was bound to", "bound to")
	return s
}

func bKeychainEmpty() *scene {
	s := newScene("b24", "Employees are stuck on a spinner after moving to a new laptop", "macOS agent, Secure Enclave key, settings migrated by backup", "2026-07-13T08:08:00Z")
	as, k := s.newKey("ES256").named("jc-1"), s.newKey("ES256")
	token := s.token(as, grant{iss: "https://login.agency.example", aud: "https://mdm.agency.example", scope: "checkin", issued: s.at(-300), bound: k})
	ok := s.resource(-200, "POST", "https://mdm.agency.example/checkin", token, proof{key: k}, jsonType).with("{}").answer(204, "")
	bad := call(s.at(0), "POST", "https://mdm.agency.example/checkin", "{}", jsonType).
		breaks("not sent: proof could not be made: The operation couldn't be completed. (OSStatus error -25300.)")
	s.addTranscript("agent.txt", ok, bad)
	s.log("agent-log.txt", "https://mdm.agency.example",
		"2026-07-13 08:07:58.410 mdmagent[412] restored session from preferences, dpop jkt="+k.jkt(),
		"2026-07-13 08:08:00.002 mdmagent[412] SecItemCopyMatching(tag=dpop.key) = -25300 errSecItemNotFound",
		"2026-07-13 08:08:00.003 mdmagent[412] cannot sign, will retry in 30 s")
	s.fails("key-unavailable", "high", 2)
	s.notThese("key-regenerated-token-cached", "proof-missing", "token-missing", "undetermined", "binding-key-mismatch")
	s.fact("errSecItemNotFound", "-25300")
	s.fact(k.jkt(), "stored", "key store", "keychain")
	s.fix("log in again", "sign in again", "clear", "new login")
	return s
}

func bOpaqueUnbound() *scene {
	s := newScene("b25", "The accounting API turns away one customer", "Gateway with introspection, opaque tokens", "2026-08-07T11:40:00Z")
	s.vantage = "server"
	k := s.newKey("EdDSA")
	token := s.hide("access_token", "at_", 33)
	e := s.resource(0, "GET", "https://books.tax.example/ledgers", token, proof{key: k}, acceptJSON).
		answer(403, `{"type":"https://docs.tax.example/problems/not-permitted","title":"Not permitted","status":403,"detail":"Client policy requires stronger credentials"}`, problemType)
	s.addBundle([]*exchange{e}, member{"introspection", object{{"endpoint", "https://id.tax.example/oauth/v2/oauth-introspect"}, {"response", object{
		{"active", true},
		{"client_id", "cust-88"},
		{"scope", "ledgers"},
		{"aud", "https://books.tax.example"},
		{"exp", s.at(1200).Unix()},
		{"token_type", "Bearer"},
	}}}},
		member{"server_log", []string{"11:40:00.104 policy=sender-constrained result=deny reason=no-confirmation-method client=cust-88"}})
	s.fails("token-not-bound", "high", 1)
	s.notThese("as-ignored-proof", "insufficient-scope", "introspection-cnf-missing", "token-revoked", "binding-key-mismatch")
	s.fact("cnf", "confirmation")
	s.fact("not bound", "no confirmation", "no cnf", "unbound", "without cnf", "Bearer")
	s.fix("bound token", "bind")
	return s
}

func bCertificateMissing() *scene {
	s := newScene("b26", "Insurance brokers get 403 from the new cluster", "HAProxy-like edge, Java RS, RFC 8705 tokens", "2026-09-02T14:00:00Z")
	s.vantage = "client+backend"
	as := s.newKey("PS256").named("broker-as")
	der := s.certificate("broker-12", "2026-01-01T00:00:00Z")
	x5t := certificateHash(der)
	target := "https://mtls-api.broker.example/policies/77"
	token := s.token(as, grant{iss: "https://as.broker.example", aud: "https://mtls-api.broker.example", scope: "policies", issued: s.at(-10), extra: object{{"cnf", object{{"x5t#S256", x5t}}}}})
	e := call(s.at(0), "GET", target, "", auth("Bearer", token), acceptJSON).answer(403, `{"errors":[{"code":"FORBIDDEN","message":"Insufficient privileges"}]}`)
	s.addCurl("broker.txt", overH2(e)...)
	s.log("edge-log.txt", "https://mtls-api.broker.example",
		"Sep  2 14:00:00 lb1 haproxy[8]: 198.51.100.9:50110 [02/Sep/2026:14:00:00.020] fe_api~ be_rs/rs2 0/0/1/9/10 403 310 - - ssl_c_used=0 ssl_c_verify=0 ssl_fc_sni=mtls-api.broker.example {|} \"GET /policies/77 HTTP/2.0\"")
	s.log("rs-log.txt", "http://rs2:8080", "14:00:00.026 WARN  X509Confirmation  cnf x5t#S256="+x5t+" but request attribute jakarta.servlet.request.X509Certificate is null")
	s.fails("mtls-certificate-missing", "high", 1)
	s.notThese("insufficient-scope", "mtls-certificate-mismatch", "bound-token-sent-as-bearer", "audience-mismatch")
	s.fact("x5t#S256")
	s.fact("no certificate", "ssl_c_used=0", "no client certificate", "without a certificate", "missing", "absent")
	s.fix("mTLS endpoint", "client certificate", "Client-Cert", "9440", "trusted edge")
	return s
}

func bCertificateRenewed() *scene {
	s := newScene("b27", "Nightly settlement stops at the certificate change", "Clearing house, edge passes the certificate in a header", "2026-10-15T01:00:00Z")
	s.vantage = "client+backend"
	as := s.newKey("ES256").named("ch-as")
	old, next := s.certificate("settle-1", "2025-10-14T00:00:00Z"), s.certificate("settle-1", "2026-10-14T00:00:00Z")
	target := "https://clearing.house.example/v1/settlements"
	token := s.token(as, grant{iss: "https://as.house.example", aud: "https://clearing.house.example", scope: "settle", issued: s.at(-7000), life: 86400, extra: object{{"cnf", object{{"x5t#S256", certificateHash(old)}}}}})
	body := `{"batch":"2026-10-14"}`
	refusal := `{"status":401,"error":"invalid_token"}`
	edge := call(s.at(0), "POST", target, body, jsonType, auth("Bearer", token)).answer(401, refusal, `WWW-Authenticate: Bearer error="invalid_token"`, "Server: nginx")
	inner := call(s.at(0.02), "POST", "http://10.8.0.4:8080/v1/settlements", body, "Host: clearing.house.example", "X-Forwarded-Proto: https", jsonType, auth("Bearer", token),
		"Client-Cert: :"+base64.StdEncoding.EncodeToString(next)+":").answer(401, refusal, `WWW-Authenticate: Bearer error="invalid_token"`)
	s.addRaw("outside-", edge)
	s.addRaw("inside-", inner)
	s.log("rs-log.txt", "http://10.8.0.4:8080", "01:00:00.024 INFO confirmation presented="+certificateHash(next)+" expected="+certificateHash(old)+" -> reject")
	s.fails("mtls-certificate-mismatch", "high", 1)
	s.notThese("mtls-certificate-missing", "token-expired", "thumbprint-computed-wrong", "bound-token-sent-as-bearer")
	s.fact("x5t#S256")
	s.fact(certificateHash(old))
	s.fact(certificateHash(next))
	s.fix("new token", "fresh token", "re-obtain", "request a token", "obtain a")
	return s
}

// certificate makes a self-signed certificate in DER. Ed25519 keeps it the same
// from run to run.
func (s *scene) certificate(name, from string) []byte {
	start := must(time.Parse(time.RFC3339, from))
	private := ed25519.NewKeyFromSeed(s.bytes(32))
	template := &x509.Certificate{SerialNumber: new(big.Int).SetBytes(s.bytes(8)), Subject: pkix.Name{CommonName: name}, NotBefore: start, NotAfter: start.AddDate(1, 0, 7)}
	return must(x509.CreateCertificate(s.source, template, template, private.Public(), private))
}

// certificateHash is the RFC 8705 x5t#S256 of a certificate.
func certificateHash(der []byte) string {
	sum := sha256.Sum256(der)
	return b64(sum[:])
}
