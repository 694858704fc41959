package main

var grantCasesE = []func() *scene{eTwoTerminals, eStrictMode, eAssertionAudience}

func eTwoTerminals() *scene {
	s := newScene("e37", "Using the tool in two terminals logs the user out", "Auth server with rotation, command line tool with one credentials file", "2026-06-05T13:00:00Z")
	k := s.newKey("ES256")
	target := "https://auth.kite.example/oauth/token"
	refresh := s.hide("refresh_token", "kt_rt_", 30)
	body := form("grant_type", "refresh_token", "client_id", "kite-cli", "refresh_token", refresh)
	a := s.grantCall(0, target, body, proof{key: k}, "User-Agent: kite/1.9 (tty1)").
		answer(200, tokenReply(s.hide("access_token", "kt_at_", 30), "DPoP", 3600, member{"refresh_token", s.hide("refresh_token", "kt_rt_", 30)}), noStore)
	b := s.grantCall(1.2, target, body, proof{key: k}, "User-Agent: kite/1.9 (tty2)").
		answer(400, oauthError("invalid_grant", "Session not found"), noStore)
	s.addTranscript("trace.txt", a, b)
	s.fails("refresh-token-replayed", "high", 2)
	s.orElse("grant-invalid")
	s.notThese("refresh-key-mismatch", "proof-reused-on-retry", "grant-consumed-by-nonce-challenge")
	s.fact("refresh")
	s.fact("twice", "again", "already", "same refresh token", "second time", "reused", "rotated")
	s.fix("single flight", "one at a time", "lock", "atomic", "store", "serial")
	return s
}

func eStrictMode() *scene {
	s := newScene("e38", "The login page flashes an error in development builds", "Ory-like AS, React application whose callback runs twice", "2026-02-09T09:30:00Z")
	k := s.newKey("ES256")
	target := "https://project.ory9.example/oauth2/token"
	code, verifier := s.hide("authorization_code", "ory_ac_", 32), s.hide("code_verifier", "", 32)
	body := form("grant_type", "authorization_code", "client_id", "1f0d2c9b", "code", code, "code_verifier", verifier, "redirect_uri", "http://localhost:3000/callback")
	a := s.grantCall(0, target, body, proof{key: k}, "Origin: http://localhost:3000", chrome).
		answer(200, tokenReply(s.hide("access_token", "ory_at_", 32), "DPoP", 3599), noStore, "Access-Control-Allow-Origin: http://localhost:3000")
	b := s.grantCall(0.3, target, body, proof{key: k}, "Origin: http://localhost:3000", chrome).
		answer(400, oauthError("invalid_grant", "The provided authorization grant or refresh token is invalid, expired, revoked, does not match the redirection URI used in the authorization request, or was issued to another client."), noStore, "Access-Control-Allow-Origin: http://localhost:3000")
	s.addHAR("callback.har", "WebInspector", "537.36", a, b)
	s.fails("grant-invalid", "high", 2)
	s.notThese("grant-consumed-by-nonce-challenge", "code-key-mismatch", "proof-reused-on-retry", "refresh-token-replayed")
	s.fact("code")
	s.fact("twice", "already", "used", "second time", "same code", "again")
	s.fix("start again", "once", "new login", "new code", "authoriz")
	return s
}

func eAssertionAudience() *scene {
	s := newScene("e39", "A vendor update locks out every service with a signing key", "PingFederate-like AS that accepts only its issuer as audience", "2026-04-01T07:00:00Z")
	k, login := s.newKey("ES256"), s.newKey("PS256").named("svc-2026")
	host := "https://pf.airline.example"
	body := form("grant_type", "client_credentials", "scope", "crew", "client_assertion_type", assertionType, "client_assertion", s.assertion(login, "crew-planner", host+"/as/token.oauth2", 0))
	e := s.grantCall(0, host+"/as/token.oauth2", body, proof{key: k}).answer(401, oauthError("invalid_client", "Invalid client or client credentials."), noStore)
	s.addBundle([]*exchange{e}, member{"authorization_server_metadata", object{{"issuer", host}, {"token_endpoint", host + "/as/token.oauth2"}, {"token_endpoint_auth_methods_supported", []string{"private_key_jwt"}}, {"dpop_signing_alg_values_supported", []string{"ES256", "PS256"}}}})
	s.fails("client-authentication-failed", "medium", 1)
	s.notThese("client-assertion-reused-on-nonce-retry", "grant-invalid", "proof-signature-invalid")
	s.fact("invalid_client")
	s.fact("assertion", "private_key_jwt")
	s.fix("aud", "key", "secret")
	return s
}
