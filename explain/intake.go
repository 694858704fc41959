package explain

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sort"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// Kinds of files that hold exchanges. The kinds of documents are the exported
// Kind constants.
const (
	fileHAR        = "har"
	fileRequest    = "http-request"
	fileResponse   = "http-response"
	fileNoAnswer   = "transport-error"
	fileTranscript = "http-transcript"
	fileCurl       = "curl-verbose"
	fileBundle     = "evidence-bundle"
)

// intake collects what the readers find over all files of one situation. It
// numbers exchanges, fills their presentations and names every loss.
type intake struct {
	ev   *Evidence
	used map[int]bool   // numbers that are taken
	seat map[string]int // pairing key -> index of the exchange of a request and a response file
	base int            // numbers given by a file count from here
	last int            // highest number so far

	name   string // file that is being read
	source int    // its index in ev.Sources, -1 before the first
	told   map[string]bool

	cutBodies int   // bodies of this file that were longer than is kept
	budget    int64 // bytes that may still be expanded only to learn a length
}

func newIntake() *intake {
	return &intake{
		ev: &Evidence{}, used: map[int]bool{}, seat: map[string]int{}, source: -1,
		told: map[string]bool{}, budget: 4 * MaxBodyDecoded,
	}
}

// begin opens a source. Everything until end belongs to it.
func (in *intake) begin(name, kind string) {
	in.name, in.cutBodies = name, 0
	in.told = map[string]bool{}
	in.ev.Sources = append(in.ev.Sources, Source{Name: name, Kind: kind})
	in.source = len(in.ev.Sources) - 1
}

// end closes the source that begin opened.
func (in *intake) end() {
	if in.cutBodies > 0 {
		in.ev.Problems = append(in.ev.Problems, Problem{
			Source: in.name, Limit: "MaxBodyKept",
			Text: fmt.Sprintf("%d bodies have more than %d bytes, the rest of each is not kept (limit MaxBodyKept)", in.cutBodies, MaxBodyKept),
		})
	}
	in.cutBodies = 0
}

func (in *intake) src() *Source { return &in.ev.Sources[in.source] }

// finish puts exchanges in the order of their numbers.
func (in *intake) finish() *Evidence {
	for i := range in.ev.Exchanges {
		if x := &in.ev.Exchanges[i]; x.Status == 0 && x.Err == "" {
			x.Err = noAnswer
		}
	}
	if len(in.ev.Problems) > 0 { // names of files and what a manifest says are shown in errors
		v := newVault(in.ev)
		for i := range in.ev.Problems {
			p := &in.ev.Problems[i]
			p.Source, p.Place, p.Text = v.scrub(p.Source), v.scrub(p.Place), v.scrub(p.Text)
		}
	}
	sort.SliceStable(in.ev.Exchanges, func(i, j int) bool { return in.ev.Exchanges[i].ID < in.ev.Exchanges[j].ID })
	return in.ev
}

// maxProblems bounds the list for one file: a hostile capture can be wrong in
// every entry.
const maxProblems = 100

// problem records p for the current file. Of one file only the first
// maxProblems are kept, of one limit only the first.
func (in *intake) problem(p Problem) {
	if p.Source == "" {
		p.Source = in.name
	}
	if p.Limit != "" {
		if in.told[p.Limit] {
			return
		}
		in.told[p.Limit] = true
	}
	n := 0
	for i := len(in.ev.Problems) - 1; i >= 0 && in.ev.Problems[i].Source == p.Source; i-- {
		n++
	}
	if n > maxProblems {
		return
	}
	if n == maxProblems {
		p = Problem{Source: p.Source, Text: fmt.Sprintf("more than %d problems, the others are not listed", maxProblems), Lost: p.Lost}
	}
	in.ev.Problems = append(in.ev.Problems, p)
}

// lost records that part of the file is missing from the evidence.
func (in *intake) lost(place, format string, args ...any) {
	in.problem(Problem{Place: place, Text: fmt.Sprintf(format, args...), Lost: true})
}

// remark records something that was not read and that the rest can do without.
func (in *intake) remark(place, format string, args ...any) {
	in.problem(Problem{Place: place, Text: fmt.Sprintf(format, args...)})
}

// broken records why reading stopped.
func (in *intake) broken(place string, err error) {
	p := Problem{Place: place, Text: err.Error(), Lost: true}
	if l, ok := errors.AsType[*limitError](err); ok {
		p.Limit = l.limit
	}
	in.problem(p)
}

// limitError is a refusal by a named limit.
type limitError struct{ limit, text string }

func (e *limitError) Error() string { return e.text + " (limit " + e.limit + ")" }

// add numbers x and appends it. It returns the index of x, or -1 if the limit
// is reached. A number that the file gives is kept if it is free.
func (in *intake) add(x holdfast.Exchange, want int) int {
	if len(in.ev.Exchanges) >= MaxExchanges {
		in.broken("", &limitError{"MaxExchanges", fmt.Sprintf("evidence has more than %d exchanges", MaxExchanges)})
		return -1
	}
	id := in.base + want
	if want <= 0 || want > MaxExchanges || in.used[id] {
		id = in.last + 1
	}
	in.used[id] = true
	in.last = max(in.last, id)
	x.ID = id
	if x.Origin == "" {
		x.Origin = in.name
	}
	presentFields(&x)
	in.ev.Exchanges = append(in.ev.Exchanges, x)
	in.covers(id)
	return len(in.ev.Exchanges) - 1
}

// noAnswer is why an exchange has no response if the capture does not say.
const noAnswer = "no response was captured"

// covers notes that the current source holds exchange id.
func (in *intake) covers(id int) {
	s := in.src()
	if s.First == 0 || id < s.First {
		s.First = id
	}
	s.Last = max(s.Last, id)
}

// document keeps body, cut at its limit.
func (in *intake) document(d Document) {
	if len(d.Body) > MaxDocumentBytes {
		d.Body = d.Body[:MaxDocumentBytes]
		in.broken("", documentTooLong())
	}
	d.Body = append([]byte(nil), d.Body...) // never a view into a whole file
	in.ev.Documents = append(in.ev.Documents, d)
}

func documentTooLong() error {
	return &limitError{"MaxDocumentBytes", fmt.Sprintf("document has more than %d bytes, the rest is cut", MaxDocumentBytes)}
}

// presentFields fills the credentials of x.Request from its header and URL and
// says what a redaction mark hides. At stays zero: the judge sets it.
func presentFields(x *holdfast.Exchange) {
	p := &x.Request
	p.Authorization = presentSecrets(x.RequestHeader["Authorization"])
	p.Proofs = presentSecrets(x.RequestHeader["Dpop"])
	p.Query = nil
	if _, q, ok := strings.Cut(p.URL, "?"); ok && strings.Contains(q, "access_token") {
		q, _, _ = strings.Cut(q, "#")
		values, _ := url.ParseQuery(q) // a query that does not parse still counts
		p.Query = presentSecrets(values["access_token"])
	}
	p.Hidden |= markFacts(p)
}

func presentSecrets(values []string) []holdfast.Secret {
	var out []holdfast.Secret
	for _, v := range values {
		out = append(out, holdfast.NewSecret(v))
	}
	return out
}

// putField adds a header field under its canonical name. Pseudo-header fields
// of HTTP/2 begin with ':' and are never stored.
func (in *intake) putField(h http.Header, count *int, name, value, place string) {
	name = strings.TrimSpace(name)
	if name == "" || name[0] == ':' {
		return
	}
	if *count++; *count > MaxHeaderFields {
		in.broken(place, &limitError{"MaxHeaderFields", fmt.Sprintf("message has more than %d header fields", MaxHeaderFields)})
		return
	}
	name = http.CanonicalHeaderKey(name)
	h[name] = append(h[name], strings.TrimSpace(value))
}

// keepBody returns a copy of b, cut at MaxBodyKept.
func (in *intake) keepBody(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	if len(b) > MaxBodyKept {
		in.cutBodies++
		b = b[:MaxBodyKept]
	}
	return append([]byte(nil), b...)
}

// timeForms are the ways captures write a time.
var timeForms = [...]string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999999999-0700", "2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999", time.RFC1123, time.RFC1123Z,
}

// captureTime reads a time of a capture; zero if it is none. Times far outside
// of any capture are none: they cannot be written back.
func captureTime(s string) time.Time {
	if s = strings.TrimSpace(s); s == "" || len(s) > 64 {
		return time.Time{}
	}
	for _, form := range timeForms {
		if t, err := time.Parse(form, s); err == nil && t.Year() > 1900 && t.Year() < 9000 {
			return t
		}
	}
	return time.Time{}
}

// quoteShort makes text of unknown origin safe to show: 60 printable ASCII
// characters at most, quoted.
func quoteShort(s string) string {
	var b strings.Builder
	for _, r := range s {
		if b.Len() == 60 {
			break
		}
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			r = '?'
		}
		b.WriteRune(r)
	}
	return `"` + b.String() + `"`
}

// cappedReader refuses more than MaxFileBytes.
type cappedReader struct {
	r    io.Reader
	left int64
}

func capFile(r io.Reader) *cappedReader { return &cappedReader{r, MaxFileBytes} }

func (c *cappedReader) Read(p []byte) (int, error) {
	if c.left <= 0 {
		var one [1]byte
		n, err := c.r.Read(one[:])
		if n == 0 {
			return 0, err
		}
		return 0, &limitError{"MaxFileBytes", fmt.Sprintf("file has more than %d bytes", int64(MaxFileBytes))}
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.r.Read(p)
	c.left -= int64(n)
	return n, err
}
