package explain

import (
	"fmt"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// Limits of what is read. A larger input is refused by the name of its limit;
// what was read before the limit is still judged.
const (
	MaxFileBytes     = 256 << 20 // one evidence file
	MaxExchanges     = 100_000   // over all files
	MaxBodyKept      = 256 << 10 // bytes of one decoded body that are kept
	MaxBodyDecoded   = 64 << 20  // bytes that one compressed body may expand to
	MaxDocumentBytes = 4 << 20   // one log, configuration, key set or note; the rest is cut
	MaxFiles         = 10_000    // files of one folder
	MaxHeaderFields  = 1_000     // fields of one message
	MaxJSONDepth     = 64        // nesting of a capture
)

// Evidence is everything that was collected about one situation: exchanges in
// the order of their numbers, and documents beside them. Readers fill it,
// [Explain] judges it, [Redact] makes a copy that is safe to share.
//
// It is plain data: not safe for concurrent modification.
type Evidence struct {
	Case       string    // id from a manifest, "" without one
	Vantage    string    // "client", "server", "client+backend", "" unknown
	ObservedAt time.Time // the only "now" of the evidence, zero if it names none

	Exchanges []holdfast.Exchange // IDs ascending from 1
	Views     []View              // requests as a later station saw them
	Documents []Document
	Sources   []Source
	Problems  []Problem // what could not be read, with the place
}

// Source is one file, or part of one, that exchanges came from.
type Source struct {
	Name    string // path as given
	Kind    string // a kind of diagnosis evidence: har, http-request, curl-verbose, ...
	Creator string // the capturing program, if it named itself
	First   int    // ID of its first exchange, 0 if it holds none
	Last    int    // ID of its last exchange

	// Sanitised says that this kind of export drops credentials without a
	// mark: absence of Authorization then means nothing.
	Sanitised bool

	// NoBodies says that request bodies are not part of this kind of capture
	// unless shown (curl -v without --data).
	NoBodies bool

	// SchemeAssumed says that the capture does not tell http from https for
	// every request: https stands in those URLs without evidence.
	SchemeAssumed bool
}

// View is a request as a station behind the first one received it.
type View struct {
	Of      int // ID of the exchange that it is a later sight of
	Request holdfast.Exchange
}

// Document is evidence that is not an exchange.
type Document struct {
	Kind   string // one of the Kind constants
	Name   string // path or member that it came from
	Origin string // the server it belongs to, if known
	Time   time.Time
	Body   []byte
}

// Kinds of documents.
const (
	KindMetadata          = "metadata"            // authorization server or protected resource metadata (JSON)
	KindJWKS              = "jwks"                // JSON Web Key Set
	KindIntrospection     = "introspection"       // introspection response (JSON)
	KindTokenResponse     = "token_response"      // token response (JSON)
	KindTokenRequestProof = "token_request_proof" // compact proof of the token request
	KindClient            = "client"              // state of the client (JSON object, free text values)
	KindCertificate       = "certificate"         // PEM of the client certificate that was presented
	KindTopology          = "topology"            // lines of text: what stands between client and server
	KindDownstreamKey     = "downstream_client_key_jkt"
	KindServerLog         = "server-log"
	KindServerConfig      = "server-config"
	KindConsole           = "browser-console"
	KindNote              = "note"
)

// Problem is something that could not be read: named, placed, never silent.
type Problem struct {
	Source string // file
	Place  string // "line 12, entry 3", "offset 4096", ""
	Text   string // what was seen and what was needed
	Limit  string // name of the limit that was hit, if one was
	Lost   bool   // part of the evidence is missing because of it
}

// Error makes a Problem an error.
func (p Problem) Error() string {
	s := p.Source
	if p.Place != "" {
		s += ", " + p.Place
	}
	if s != "" {
		s += ": "
	}
	return s + p.Text
}

// Broken reports whether part of the evidence could not be read.
func (e *Evidence) Broken() bool {
	for i := range e.Problems {
		if e.Problems[i].Lost {
			return true
		}
	}
	return false
}

// String names the evidence without its contents.
func (e *Evidence) String() string {
	return fmt.Sprintf("evidence: %d exchanges, %d documents", len(e.Exchanges), len(e.Documents))
}
