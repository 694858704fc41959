package explain

import "testing"

// TestWordsOfServers maps sentences that authorization and resource servers are
// known to answer with to what they are about.
func TestWordsOfServers(t *testing.T) {
	for _, c := range []struct {
		words string
		want  topic
	}{
		{"DPoP proof is not active", topicClock},
		{"DPoP proof is missing", topicProofMissing},
		{"DPoP HTTP URL mismatch", topicHTU},
		{"DPoP HTTP method mismatch", topicHTM},
		{"DPoP proof access token hash mismatch", topicAth},
		{"No access token hash in DPoP proof", topicAth},
		{"DPoP mandatory claims are missing", topicClaim},
		{"DPoP proof and token binding verification failed", topicBinding},
		{"No JWK in DPoP header", topicJWK},
		{"Private key is present in DPoP header", topicPrivateKey},
		{"Unsupported DPoP algorithm: HS256", topicAlg},
		{"Invalid or missing type in DPoP header: JWT", topicTyp},
		{"DPoP proof has already been used", topicReplay},
		{"'htu' claim in the DPoP proof JWT is invalid.", topicHTU},
		{"The DPoP proof JWT header is missing.", topicProofMissing},
		{"DPoP Proof iat is not recent enough", topicClock},
		{"DPoP proof JWT Replay detected", topicReplay},
		{"Detected DPoP proof token replay.", topicReplay},
		{"invalid DPoP key binding", topicBinding},
		{"nonce is required in the DPoP proof", topicNonce},
		{"Authorization server requires nonce in DPoP proof", topicNonce},
		{"ath claim is required.", topicAth},
		{"jti claim is invalid.", topicReplay | topicClaim},
		{"iat claim is invalid.", topicClock},
		{"htm claim is invalid.", topicHTM},
		{"InvalidIssuedAt", topicClock},
		{"DPoP signature verification failed", topicProofSignature},
		{"failed to verify the DPoP proof signature", topicProofSignature},
		{"Jwt is expired", topicExpired},
		{"Jwt is not valid yet", topicNotYet},
		{"Audiences in Jwt are not allowed", topicAudience},
		{"Jwks doesn't have key to match kid or alg from Jwt", topicTokenKey},
		{"Jwt issuer is not configured", topicIssuer},
		{"Jwt is missing", topicTokenMissing},
		{"The issuer 'http://localhost:8080/realms/x' is invalid", topicIssuer},
		{"The audience 'empty' is invalid", topicAudience},
		{"The signature key was not found", topicTokenKey},
		{"The token expired at '01/30/2026 09:18:00'", topicExpired},
		{"The token is not valid before '06/11/2026 13:00:00'", topicNotYet},
		{"An error occurred while attempting to decode the Jwt: Jwt expired at 2026-01-30T09:18:00Z", topicExpired},
		{"An error occurred while attempting to decode the Jwt: Signed JWT rejected: Another algorithm expected, or no matching key(s) found", topicTokenKey},
		{"The request requires higher privileges than provided by the access token.", topicScope},
		{"Insufficient scope, expected any of: read:logs", topicScope},
		{"Token is not active", topicRevoked},
		{"Session not active", topicRevoked},
		{"Code not valid", topicGrant},
		{"PKCE verification failed", topicGrant},
		{"Maximum allowed refresh token reuse exceeded", topicRefreshReuse},
		{"Refresh token has already been used", topicRefreshReuse},
		{"Request Header Or Cookie Too Large", topicSize},
		{"Invalid client or Invalid client credentials", topicClientAuth},
		{"Token used in wrong context: DPoP bound token used as bearer", topicScheme | topicBinding | topicProof},
		{"client certificate required", topicCertificate},
		{"Full authentication is required to access this resource", topicTokenMissing},
		{"DPoP-bound access token required", topicNotBound | topicProofMissing},
		{"token not bound to a DPoP key", topicNotBound},
	} {
		if got := topicsOf(c.words); got&c.want == 0 {
			t.Errorf("%q is about %b, want some of %b", c.words, got, c.want)
		}
	}
}
