package holdfast

import (
	"strings"
	"sync"

	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// Limits of the memory for headers of proofs.
const (
	maxKnownHeaders     = 4096
	maxKnownHeaderBytes = 1 << 10 // encoded; longer headers are read anew each time
)

// headerCache remembers the headers of accepted proofs: those of one client
// share header and key, so both need to be read only once. It saves work and
// changes no verdict: every row is judged all the same. A header enters only
// after its request was accepted, so a stranger cannot fill it, and losing one
// costs a few microseconds. The zero value is empty; safe for concurrent use.
type headerCache struct {
	mu      sync.RWMutex
	headers map[string]*knownHeader
}

// knownHeader is what one encoded header says.
type knownHeader struct {
	protected jose.Protected
	key       *jose.PublicKey
}

// known returns what is remembered of the header of a proof, or nil.
func (c *headerCache) known(proof string) *knownHeader {
	segment, _, _ := strings.Cut(proof, ".")
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.headers[segment]
}

// remember keeps the header of an accepted proof. It reads the header again
// from a copy: what it keeps must not keep the request alive.
func (c *headerCache) remember(segment string, key *jose.PublicKey) {
	if len(segment) > maxKnownHeaderBytes {
		return
	}
	segment = strings.Clone(segment)
	protected, err := jose.ParseProtected(segment)
	if err != nil {
		return // cannot be: it was accepted
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.headers == nil {
		c.headers = make(map[string]*knownHeader)
	}
	for old := range c.headers {
		if len(c.headers) < maxKnownHeaders {
			break
		}
		delete(c.headers, old) // any: the order of a map is arbitrary
	}
	c.headers[segment] = &knownHeader{protected, key}
}
