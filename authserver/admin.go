package authserver

import "net/http"

// Limits of the administration.
const (
	MaxAdminBytes   = 64 << 10 // of a body
	MaxAdminText    = 200      // bytes of reason and by
	MaxAdminEntries = 10000    // of one list; a longer one says "truncated": true
)

// AdminHandler serves the administration of the server: JSON over HTTP. It
// authenticates nobody, so that its listener has to: a socket with file
// permissions, or loopback. A request that a browser made for some page is
// refused: one with an Origin, or with a Host that is neither of this machine nor
// of a socket (DNS rebinding). A body is a JSON object, application/json, without
// unknown members.
//
// Times are RFC 3339 in UTC. reason and by (who does it) are optional in every
// body and kept, at most [MaxAdminText] bytes each. Every change is an [Event] of
// the endpoint "admin". An error has the members of RFC 6749 section 5.2.
//
//	GET    /clients               {"clients":[CLIENT]}
//	POST   /clients               RFC 7591 metadata; 201 with what was registered,
//	                              client_secret included, which is shown only here
//	DELETE /clients/{id}          204; 404; 409 for a client of the configuration.
//	                              Also cuts off everything issued to it
//	GET    /clients/{id}/keys     {"keys":[SEEN]}: keys the client used, first and last
//	GET    /signing-keys          {"keys":[KEY]}, oldest first
//	POST   /signing-keys/rotate   no body. A new key that signs after the overlap; {"keys":[KEY]}
//	POST   /signing-keys/{kid}/retire
//	                              no body. For a key that is compromised: gone from the
//	                              key set at once, with every token it signed; {"keys":[KEY]}
//	GET    /sessions?subject=S    {"sessions":[SESSION]}
//	POST   /revoke                exactly one of {"user":S}, {"client":S}, {"session":S},
//	                              {"thumbprint":S}, {"token":S}. The first four cut off:
//	                              everything issued until now is dead. 200 CUTOFF; of a
//	                              token 200 {}, whether there was one or not
//	GET    /cutoffs               {"cutoffs":[CUTOFF]}
//	GET    /blocks                {"blocks":[BLOCK]}
//	POST   /blocks                exactly one of {"thumbprint":S}, {"client":S}; 200 BLOCK
//	DELETE /blocks?thumbprint=S   or ?client=S; 204, or 404 if it was not blocked
//
//	CLIENT  RFC 7591 metadata, "source": "configuration" or "registration"
//	SEEN    {"kind":"jkt" or "x5t#S256", "thumbprint":S, "first":T, "last":T}
//	KEY     {"kid":S, "alg":S, "state":"pending", "signing" or "published", "from":T, "until":T}
//	        from: when it begins to sign; until: when it leaves the key set, if that is known
//	SESSION {"session":S, "subject":S, "through":S, "started":T, "expires":T}
//	CUTOFF  {"user", "client", "session" or "thumbprint":S, "before":T, "reason":S, "by":S}
//	BLOCK   {"thumbprint" or "client":S, "at":T, "reason":S, "by":S}
func (s *Server) AdminHandler() http.Handler { return http.NotFoundHandler() }
