package holdfast

import (
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// Limits of the memory for headers of proofs.
const (
	maxKnownHeaders     = 4096
	maxKnownHeaderBytes = 1 << 10 // encoded; longer headers are read anew each time
	maxOnce             = 1024
)

// headerCache remembers the headers of accepted proofs: those of one client
// share header and key, so both need to be read only once. It saves work and
// changes no verdict: every row is judged all the same. A header enters only
// with the second request of that header that was accepted: a stranger cannot
// fill it, and a key that is used once costs next to nothing. Losing one costs a
// few microseconds. Safe for concurrent use; there is no usable zero value.
type headerCache struct {
	seed maphash.Seed
	once [maxOnce]atomic.Uint64 // hashes of headers that were accepted once; one may displace another

	mu      sync.RWMutex
	headers map[string]*knownHeader
}

func newHeaderCache() *headerCache {
	return &headerCache{seed: maphash.MakeSeed(), headers: make(map[string]*knownHeader)}
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

// accepted takes note of the header of an accepted proof, and keeps it if it was
// seen before.
func (c *headerCache) accepted(segment string, key *jose.PublicKey) {
	h := maphash.String(c.seed, segment)
	if c.once[h%maxOnce].Swap(h) == h {
		c.remember(segment, key)
	}
}

// remember keeps a header. It reads it again from a copy: what it keeps must not
// keep the request alive.
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
	for old := range c.headers {
		if len(c.headers) < maxKnownHeaders {
			break
		}
		delete(c.headers, old) // any: the order of a map is arbitrary
	}
	c.headers[segment] = &knownHeader{protected, key}
}
