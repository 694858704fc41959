package authserver

import (
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// Event is one decision, for the audit log and for metrics. It holds nothing
// secret; texts that came from outside are shortened, not escaped.
type Event struct {
	Time     time.Time
	Endpoint string // "token", "par", "authorize", "login", "consent", "device", "introspect", "revoke", "register", "admin"
	Decision string // "granted", "refused", "challenged" or "unavailable"

	Error  string        // OAuth error of a refusal
	Code   holdfast.Code // of the check table, if a check refused
	Reason string        // one line for the operator

	Client, Subject string
	Grant           string              // grant type
	Holder          holdfast.Thumbprint // proof key or certificate of the request
	ClientKey       string              // key id or certificate that authenticated the client
	Remote          string              // address of the peer
	Request         string              // X-Request-Id, if there was one
}
