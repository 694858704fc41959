package main

import "encoding/hex"

var schemeCasesE = []func() *scene{eTwoDocuments, eCapitalised, eHexThumbprint, eRefreshUnsigned, ePreviewFlag}

func eTwoDocuments() *scene {
	s := newScene("e25", "The client never tries to bind its token", "WSO2-like AS with two metadata documents, strict RS", "2026-05-06T06:40:00Z")
	as := s.newKey("RS256").named("wso-8")
	host, api := "https://is.reservoir.example", "https://levels.reservoir.example"
	token := s.token(as, grant{iss: host + "/oauth2/token", aud: api, scope: "levels", issued: s.at(2)})
	a := call(s.at(0), "GET", host+"/.well-known/oauth-authorization-server", "", acceptJSON).
		answer(200, `{"issuer":"`+host+`/oauth2/token","token_endpoint":"`+host+`/oauth2/token","grant_types_supported":["client_credentials","authorization_code"]}`)
	b := call(s.at(2), "POST", host+"/oauth2/token", form("grant_type", "client_credentials", "scope", "levels"), formType, s.basic("gauge")).answer(200, tokenReply(token, "Bearer", 3600), noStore)
	c := call(s.at(3), "GET", api+"/v1/levels", "", auth("Bearer", token)).
		answer(401, "{}", `WWW-Authenticate: DPoP error="invalid_token", error_description="sender-constrained token required", algs="ES256 RS256"`)
	s.addHAR("gauge.har", "mitmproxy", "11.0", a, b, c)
	s.fails("dpop-not-advertised", "high", 3)
	s.orElse("proof-missing-at-token-endpoint", "token-not-bound")
	s.notThese("as-ignored-proof", "token-expired", "bound-token-sent-as-bearer")
	s.fact("dpop_signing_alg_values_supported")
	s.fact("metadata", "discovery", "document")
	s.fix("publish", "advertise", "fail closed", "add dpop_signing_alg_values_supported")
	return s
}

func eCapitalised() *scene {
	s := newScene("e48", "A library update switched the client back to bearer", "Authlib-like client, AS that writes Dpop", "2026-03-03T03:33:00Z")
	as, k := s.newKey("ES256").named("sk-1"), s.newKey("ES256")
	host, api := "https://auth.skiff.example", "https://api.skiff.example"
	token := s.token(as, grant{iss: host, aud: api, scope: "tides", issued: s.at(0), life: 900, bound: k})
	a := s.grantCall(0, host+"/oauth/token", form("grant_type", "client_credentials", "scope", "tides"), proof{key: k}, s.basic("tide-table")).answer(200, tokenReply(token, "Dpop", 900), noStore)
	b := call(s.at(1), "GET", api+"/tides", "", auth("Bearer", token), acceptJSON).
		answer(401, `{"error":"invalid_token"}`, `WWW-Authenticate: DPoP error="invalid_token", algs="ES256"`)
	s.addBundle([]*exchange{a, b})
	s.fails("token-type-case-mishandled", "high", 2)
	s.orElse("bound-token-sent-as-bearer")
	s.notThese("as-ignored-proof", "token-expired", "scheme-unsupported-by-rs")
	s.fact("token_type")
	s.fact("Dpop")
	s.fix("case-insensitive", "case insensitive", "ignore case", "regardless of case", "without case")
	return s
}

func eHexThumbprint() *scene {
	s := newScene("e49", "No resource server accepts the tokens of the new authorization server", "In-house AS in C#, off-the-shelf RS library", "2026-09-22T13:05:00Z")
	as, k := s.newKey("RS256").named("ih-1"), s.newKey("ES256")
	host, api := "https://sts.foundry7.example", "https://parts.foundry7.example"
	wrong := hex.EncodeToString(unb64(k.jkt()))
	token := s.token(as, grant{iss: host, aud: api, scope: "parts", issued: s.at(0), extra: boundAs(wrong)})
	a := s.grantCall(0, host+"/connect/token", form("grant_type", "client_credentials", "client_id", "cell-4", "client_secret", s.hide("client_secret", "", 24)), proof{key: k}).answer(200, tokenReply(token, "DPoP", 3600), noStore)
	b := s.resource(1, "GET", api+"/parts", token, proof{key: k}).
		answer(401, "", `WWW-Authenticate: DPoP error="invalid_token", error_description="key binding failed", algs="ES256"`)
	s.addTranscript("parts.txt", a, b)
	s.fails("thumbprint-computed-wrong", "high", 2)
	s.orElse("binding-key-mismatch")
	s.notThese("key-regenerated-token-cached", "token-expired", "token-malformed")
	s.fact("hex")
	s.fact(k.jkt(), "base64url")
	s.fix("base64url", "7638")
	return s
}

func eRefreshUnsigned() *scene {
	s := newScene("e51", "The first hour is fine, then the user is signed out", "Keycloak-like AS, Vue application with its own refresh code", "2026-01-30T11:00:00Z")
	as, k := s.newKey("RS256").named("yN3c"), s.newKey("ES256")
	target := "https://id.choir.example/realms/choir/protocol/openid-connect/token"
	code, verifier, refresh := s.hide("authorization_code", "", 24), s.hide("code_verifier", "", 32), s.hide("refresh_token", "", 40)
	token := s.token(as, grant{iss: "https://id.choir.example/realms/choir", aud: "account", scope: "openid", issued: s.at(0), bound: k})
	a := s.grantCall(0, target, form("grant_type", "authorization_code", "client_id", "scores", "code", code, "code_verifier", verifier, "redirect_uri", "https://scores.choir.example/"), proof{key: k}, firefox).
		answer(200, tokenReply(token, "DPoP", 3600, member{"refresh_token", refresh}), noStore)
	b := call(s.at(3590), "POST", target, form("grant_type", "refresh_token", "client_id", "scores", "refresh_token", refresh), formType, firefox).
		answer(400, oauthError("invalid_request", "DPoP proof is missing"), noStore)
	s.addHAR("scores.har", "Firefox", "147.0", a, b)
	s.seenAfter(3700)
	s.fails("proof-missing-at-token-endpoint", "high", 2)
	s.orElse("proof-missing")
	s.notThese("refresh-key-mismatch", "refresh-token-replayed", "grant-invalid")
	s.fact("DPoP")
	s.fact("refresh")
	s.fix("DPoP", "send a proof", "add a proof")
	return s
}

func ePreviewFlag() *scene {
	s := newScene("e52", "The agent proves its key and gets an ordinary token", "AS with DPoP behind a preview switch, MCP server that demands it", "2026-08-04T20:20:00Z")
	as, k := s.newKey("RS256").named("pv-1"), s.newKey("ES256")
	host, api := "https://login.kelp.example", "https://mcp.kelp.example/mcp"
	token := s.token(as, grant{iss: host, aud: api, scope: "mcp", issued: s.at(0)})
	code, verifier := s.hide("authorization_code", "", 24), s.hide("code_verifier", "", 32)
	a := s.grantCall(0, host+"/token", form("grant_type", "authorization_code", "client_id", "kelp-agent", "code", code, "code_verifier", verifier, "redirect_uri", "http://127.0.0.1:33418/cb", "resource", api), proof{key: k}).
		answer(200, tokenReply(token, "Bearer", 3600), noStore)
	b := call(s.at(1), "POST", api, `{"jsonrpc":"2.0","id":0,"method":"initialize"}`, jsonType, auth("Bearer", token)).
		answer(401, `{"error":"invalid_token"}`, `WWW-Authenticate: DPoP error="invalid_token", algs="ES256", resource_metadata="https://mcp.kelp.example/.well-known/oauth-protected-resource/mcp"`)
	s.addHAR("agent.har", "mitmproxy", "11.1", a, b)
	s.fails("as-ignored-proof", "high", 2)
	s.orElse("token-not-bound")
	s.notThese("bound-token-sent-as-bearer", "audience-mismatch", "scheme-unsupported-by-rs")
	s.fact("token_type")
	s.fact("Bearer")
	s.fix("authorization server", "enable", "fail closed")
	return s
}
