package authserver

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"slices"

	"github.com/holdfast-oauth/holdfast/internal/fetch"
	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// Limits of the administration.
const (
	MaxAdminBytes   = 64 << 10 // of a body
	MaxAdminText    = 200      // bytes of reason and by
	MaxAdminValue   = 2048     // bytes of what a request is about, but for a token
	MaxAdminEntries = 10000    // of one list; a longer one says "truncated": true
)

// AdminHandler serves the administration of the server: JSON over HTTP. It
// authenticates nobody, so that its listener has to: a socket with file
// permissions, or loopback. A request that a browser made for some page is
// refused: one with an Origin, or with a Host that is neither of this machine nor
// of a socket (DNS rebinding). A body is a JSON object, application/json, without
// unknown members (save in the metadata of a client, RFC 7591 section 2); none at
// all is as good as {}.
//
// Times are RFC 3339 in UTC. reason and by (who does it) are optional in every
// other body, and in the query of a DELETE, at most [MaxAdminText] bytes each;
// they are kept. Every change is an [Event] of the endpoint "admin". An error has
// the members of RFC 6749 section 5.2.
//
//	GET    /clients               {"clients":[CLIENT]}
//	POST   /clients               RFC 7591 metadata; 201 with what was registered,
//	                              client_secret included, which is shown only here
//	DELETE /clients/{id}          204; 404; 409 for a client of the configuration.
//	                              Also cuts off everything issued to it
//	GET    /clients/{id}/keys     {"keys":[SEEN]}: keys the client used, first and last
//	GET    /signing-keys          {"keys":[KEY]}, oldest first
//	POST   /signing-keys/rotate   a new key that signs after the overlap; {"keys":[KEY]}
//	POST   /signing-keys/{kid}/retire
//	                              for a key that is compromised: gone from the key set
//	                              at once, and so is every token it signed; {"keys":[KEY]}
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
func (s *Server) AdminHandler() http.Handler {
	m := http.NewServeMux()
	for pattern, do := range map[string]adminAction{
		"GET /clients":           s.adminClients,
		"POST /clients":          s.adminRegister,
		"DELETE /clients/{id}":   s.adminDeleteClient,
		"GET /clients/{id}/keys": s.adminSeen,

		"GET /signing-keys":               s.adminKeys,
		"POST /signing-keys/rotate":       s.adminRotate,
		"POST /signing-keys/{kid}/retire": s.adminRetire,

		"GET /sessions": s.adminSessions,
		"POST /revoke":  s.adminRevoke,
		"GET /cutoffs":  s.adminCutoffs,

		"GET /blocks":    s.adminBlocks,
		"POST /blocks":   s.adminBlock,
		"DELETE /blocks": s.adminUnblock,
	} {
		m.Handle(pattern, s.admin(do))
	}
	return m
}

// adminAction does what a request to the administration asks for. A nil answer
// has no body. Reason of the event says what is done.
type adminAction func(r *http.Request, e *Event) (answer any, err error)

// admin runs an action for a request that no browser made, and tells the audit
// log of it unless it only reads.
func (s *Server) admin(do adminAction) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := s.event(r, "admin")
		e.Reason = r.Pattern
		var answer any
		err := fromThisMachine(r)
		if err == nil {
			r.Body = http.MaxBytesReader(w, r.Body, MaxAdminBytes)
			answer, err = do(r, e)
		}
		if r.Method != http.MethodGet || err != nil {
			s.audit(r.Context(), e, err)
		}
		switch {
		case err != nil:
			refusalOf(err).write(w, s.now())
		case answer == nil:
			w.WriteHeader(http.StatusNoContent)
		case r.Pattern == "POST /clients":
			writeJSON(w, http.StatusCreated, answer)
		default:
			writeJSON(w, http.StatusOK, answer)
		}
	})
}

// fromThisMachine refuses what a browser sends for a page: scripts cannot leave
// out the Origin of a request that changes something, and a page that had its
// name resolved to this machine (DNS rebinding) still asks for that name.
func fromThisMachine(r *http.Request) error {
	f := refuse(errAccessDenied, "")
	f.status = http.StatusForbidden
	if _, sent := r.Header["Origin"]; sent {
		f.text = "the field Origin is there: the administration is not for browsers"
		return f
	}
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && a.Network() == "unix" {
		return nil
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if !fetch.Loopback(host) {
		f.text = "the field Host does not name this machine"
		return f
	}
	return nil
}

// adminBody reads a JSON object whose members are all known and are text.
func adminBody(r *http.Request, known ...dimension) (map[string]string, order, error) {
	values := map[string]string{}
	if r.ContentLength != 0 {
		o, err := adminObject(r)
		if err != nil {
			return nil, order{}, err
		}
		for name, v := range o.All() {
			text, ok := v.Text()
			if !ok {
				return nil, order{}, refuse(errInvalidRequest, "the member "+shown(name)+" is not text")
			}
			values[name] = text
		}
	}
	o, err := adminOrder(values, known)
	return values, o, err
}

// adminQuery reads the same from the query of a DELETE.
func adminQuery(r *http.Request, known ...dimension) (map[string]string, order, error) {
	values := map[string]string{}
	for name, v := range r.URL.Query() {
		if len(v) > 1 {
			return nil, order{}, refuse(errInvalidRequest, "the parameter "+shown(name)+" is repeated")
		}
		values[name] = v[0]
	}
	o, err := adminOrder(values, known)
	return values, o, err
}

// adminOrder takes reason and by out of the values and refuses those that are
// not known: a misspelled one must not be overlooked.
func adminOrder(values map[string]string, known []dimension) (order, error) {
	o := order{Reason: values["reason"], By: values["by"]}
	delete(values, "reason")
	delete(values, "by")
	if len(o.Reason) > MaxAdminText || len(o.By) > MaxAdminText {
		return o, refuse(errInvalidRequest, fmt.Sprintf("reason or by is longer than %d bytes", MaxAdminText))
	}
	for name := range values {
		if !slices.Contains(known, dimension(name)) {
			return o, refuse(errInvalidRequest, "the member "+shown(name)+" is not known")
		}
	}
	return o, nil
}

// adminObject reads the body as one JSON object of which the values are text.
func adminObject(r *http.Request) (strictjson.Object, error) {
	text, err := adminText(r)
	if err != nil {
		return strictjson.Object{}, err
	}
	o, err := strictjson.Parse(string(text), MaxAdminBytes)
	if err != nil {
		f := refuse(errInvalidRequest, "the body is not a JSON object")
		f.why = err
		return o, f
	}
	return o, nil
}

// adminText reads a body. The content type keeps away forms, which browsers send
// anywhere without asking.
func adminText(r *http.Request) ([]byte, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, withStatus(http.StatusUnsupportedMediaType, "the Content-Type is not application/json")
	}
	text, err := io.ReadAll(r.Body)
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return nil, withStatus(http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is longer than %d bytes", MaxAdminBytes))
	}
	if err != nil {
		return nil, refuse(errInvalidRequest, "the body cannot be read")
	}
	return text, nil
}
