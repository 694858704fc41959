package client

import (
	"container/list"
	"net/http"
	"sync"

	"github.com/holdfast-oauth/holdfast"
)

// MaxNonceOrigins is how many servers a [NonceJar] remembers a nonce of; the one
// that was not used for longest is forgotten first. Losing one costs a round trip.
const MaxNonceOrigins = 1024

// role is what a server is to us: nonces of an authorization server and of a
// resource are never mixed, even on one origin (RFC 9449 sections 8 and 9).
type role uint8

const (
	roleResource role = iota
	roleServer        // authorization server
)

// NonceJar keeps the latest DPoP-Nonce of each server. The zero value is empty
// and ready to use; a NonceJar is safe for concurrent use and may be shared by
// any number of Transports and Clients. It must not be copied.
type NonceJar struct {
	mu    sync.Mutex
	byKey map[nonceKey]*list.Element
	order list.List // of *nonceEntry, the latest used in front
}

type nonceKey struct {
	role   role
	origin string
}

type nonceEntry struct {
	key   nonceKey
	nonce string
}

// get returns the latest nonce of a server, or "".
func (j *NonceJar) get(r role, origin string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.byKey[nonceKey{r, origin}]
	if e == nil {
		return ""
	}
	j.order.MoveToFront(e)
	return e.Value.(*nonceEntry).nonce
}

// learn takes the nonce of a response, of whatever status, if it has exactly one
// that could go into a proof, and returns it. A nonce is visible ASCII without
// quote and backslash (RFC 9449 section 8.1).
func (j *NonceJar) learn(r role, origin string, h http.Header) string {
	v := h["Dpop-Nonce"]
	if len(v) != 1 || !isNonce(v[0]) {
		return ""
	}
	k := nonceKey{r, origin}
	j.mu.Lock()
	defer j.mu.Unlock()
	if e := j.byKey[k]; e != nil {
		e.Value.(*nonceEntry).nonce = v[0]
		j.order.MoveToFront(e)
		return v[0]
	}
	if j.byKey == nil {
		j.byKey = make(map[nonceKey]*list.Element)
	}
	if len(j.byKey) >= MaxNonceOrigins {
		last := j.order.Back()
		j.order.Remove(last)
		delete(j.byKey, last.Value.(*nonceEntry).key)
	}
	j.byKey[k] = j.order.PushFront(&nonceEntry{k, v[0]})
	return v[0]
}

func isNonce(s string) bool {
	if s == "" || len(s) > holdfast.MaxNonceBytes {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c < 0x21 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
