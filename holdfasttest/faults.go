package holdfasttest

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"time"
)

// Faults make a [Server] or a [Resource] misbehave. The zero value is a server
// without fault.
type Faults struct {
	// IgnoreProofs issues Bearer tokens, whatever proof came (Server only). It is
	// how an authorization server behaves that does not know DPoP.
	IgnoreProofs bool
	// WrongAudience issues tokens for another resource (Server only).
	WrongAudience bool
	// StaleNonces hands out a new nonce every time that is stale already.
	StaleNonces bool
	// NonceNeverChanges demands a nonce of every proof and always hands out the
	// one that was refused.
	NonceNeverChanges bool
	// ClockOffset is how far the clock is ahead; the Date field shows it.
	ClockOffset time.Duration
	// HugeResponse answers every request with 200 and [HugeBytes] of white space.
	HugeResponse bool
}

// HugeBytes is how much of an answer [Faults.HugeResponse] sends, unless the
// client hangs up before.
const HugeBytes = 1 << 30

// writeHuge sends an answer that no client should read to its end.
func writeHuge(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	blanks := bytes.Repeat([]byte(" "), 64<<10)
	for sent := 0; sent < HugeBytes; sent += len(blanks) {
		if _, err := w.Write(blanks); err != nil {
			return // the client had enough
		}
	}
}

// quiet drops what net/http has to say about clients that hang up.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
