package explain

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// ReadHAR reads an HTTP Archive 1.2, one entry at a time. Of a broken capture
// it returns the entries before the fault together with the [Problem].
func ReadHAR(r io.Reader) (*Evidence, error) { return readAs(r, fileHAR) }

// harEntry holds the members of log.entries[] that matter. Numbers are
// json.Number: some exporters quote them.
type harEntry struct {
	Started string      `json:"startedDateTime"`
	Time    json.Number `json:"time"`
	Error   string      `json:"_error"`
	Request struct {
		Method   string     `json:"method"`
		URL      string     `json:"url"`
		Headers  []harField `json:"headers"`
		PostData struct {
			MimeType string     `json:"mimeType"`
			Text     string     `json:"text"` // may be a reference of harFilter
			Encoding string     `json:"encoding"`
			Params   []harField `json:"params"`
		} `json:"postData"`
	} `json:"request"`
	Response struct {
		Status  json.Number `json:"status"`
		Headers []harField  `json:"headers"`
		Error   string      `json:"_error"`
		Content struct {
			Text     string `json:"text"` // may be a reference of harFilter
			Encoding string `json:"encoding"`
		} `json:"content"`
	} `json:"response"`
}

type harField struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// harSkip reads past a value without keeping it.
type harSkip struct{}

func (*harSkip) UnmarshalJSON([]byte) error { return nil }

// harReader walks one archive.
type harReader struct {
	in      *intake
	dec     *json.Decoder
	gauge   *jsonGauge
	entry   int // number of the entry that is being read
	first   int // index of the first exchange of this file
	browser bool
	creds   bool // some request shows Authorization or Cookie
	found   bool // log.entries was there
	texts   *harFilter
}

func (in *intake) readHAR(r io.Reader) {
	texts := newHARFilter(r)
	g := newGauge(texts)
	h := &harReader{in: in, gauge: g, texts: texts, dec: json.NewDecoder(g), first: len(in.ev.Exchanges)}
	err := jsonObject(h.dec, func(key string) error {
		if key != "log" {
			return h.dec.Decode(&harSkip{})
		}
		return jsonObject(h.dec, h.logMember)
	})
	switch {
	case errors.Is(err, errHARStop):
	case err != nil:
		in.broken(h.place(err), jsonCause(err))
	case !h.found:
		in.lost("", "JSON without log.entries: not an HTTP archive")
	}
	h.conclude()
}

// errHARStop ends the walk after a limit that was reported already.
var errHARStop = errors.New("stop")

func (h *harReader) logMember(key string) error {
	switch key {
	case "creator", "browser":
		var by struct {
			Name    string `json:"name"`
			Version string `json:"version"`
		}
		if err := jsonTolerant(h.dec.Decode(&by)); err != nil {
			return err
		}
		h.browser = h.browser || harIsBrowser(by.Name)
		if s := h.in.src(); s.Creator == "" {
			s.Creator = strings.TrimSpace(by.Name + " " + by.Version)
		}
		return nil
	case "entries":
		h.found = true
		return jsonArray(h.dec, h.readEntry)
	}
	return h.dec.Decode(&harSkip{})
}

// harIsBrowser recognises programs whose default export drops credentials.
func harIsBrowser(name string) bool {
	name = strings.ToLower(name)
	for _, b := range [...]string{"webinspector", "web inspector", "firefox", "chrome", "chromium", "edge", "safari", "opera", "brave", "vivaldi"} {
		if strings.Contains(name, b) {
			return true
		}
	}
	return false
}

func (h *harReader) readEntry() error {
	h.entry++
	var e harEntry
	err := h.dec.Decode(&e)
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		h.in.remark(fmt.Sprintf("entry %d", h.entry), "member %s is not of the type that HAR 1.2 gives it", t.Field)
	} else if err != nil {
		return err
	}
	h.gauge.forget(h.dec.InputOffset())
	place := fmt.Sprintf("entry %d", h.entry)
	if e.Request.Method == "" && e.Request.URL == "" && len(e.Request.Headers) == 0 {
		h.in.lost(place, "entry without a request")
		return nil
	}
	if h.in.add(h.exchange(&e, place), 0) < 0 {
		return errHARStop
	}
	return nil
}

func (h *harReader) exchange(e *harEntry, place string) holdfast.Exchange {
	x := holdfast.Exchange{RequestHeader: http.Header{}, Header: http.Header{}}
	x.Request.Method, x.Request.URL = e.Request.Method, e.Request.URL
	pseudo := map[string]string{}
	count := 0
	for _, f := range e.Request.Headers {
		if strings.HasPrefix(f.Name, ":") {
			pseudo[strings.ToLower(f.Name)] = f.Value
		}
		h.in.putField(x.RequestHeader, &count, f.Name, f.Value, place)
	}
	pseudoTarget(&x.Request, pseudo)
	if len(x.RequestHeader["Authorization"])+len(x.RequestHeader["Cookie"]) > 0 {
		h.creds = true
	}
	count = 0
	for _, f := range e.Response.Headers {
		h.in.putField(x.Header, &count, f.Name, f.Value, place)
	}
	post := h.post(e)
	x.RequestBody = h.in.decodeBody(post, http.Header{"Content-Encoding": x.RequestHeader["Content-Encoding"]}, place+", request")
	h.texts.done(post)
	if status, err := strconv.Atoi(e.Response.Status.String()); err == nil && status >= 100 && status <= 999 {
		x.Status = status
		content := h.content(e, place)
		coding := http.Header{"Content-Encoding": x.Header["Content-Encoding"]}
		body := content
		if len(bodyCodings(coding)) == 0 {
			body = harIdle(status, body) // before it is copied
		}
		x.Body = harIdle(status, h.in.decodeBody(body, coding, place+", response"))
		h.texts.done(content)
	} else {
		x.Err = noAnswer
		if cause := strings.TrimSpace(e.Response.Error + " " + e.Error); cause != "" {
			x.Err += ": " + errText(cause)
		}
	}
	x.Sent = captureTime(e.Started)
	if ms, err := e.Time.Float64(); err == nil && !x.Sent.IsZero() && ms > 0 && ms < 1e9 {
		x.Received = x.Sent.Add(time.Duration(ms * float64(time.Millisecond)))
	}
	return x
}

// pseudoTarget takes method and URL from HTTP/2 pseudo-header fields where the
// capture has no other.
func pseudoTarget(p *holdfast.Presentation, pseudo map[string]string) {
	if p.Method == "" {
		p.Method = pseudo[":method"]
	}
	if p.URL == "" && pseudo[":authority"] != "" {
		scheme := pseudo[":scheme"]
		if scheme == "" {
			scheme = "https"
		}
		p.URL = scheme + "://" + pseudo[":authority"] + pseudo[":path"]
	}
}

// post gives the request body: the text, or the form that the exporter took
// apart.
func (h *harReader) post(e *harEntry) []byte {
	post := &e.Request.PostData
	if text := h.texts.resolve(post.Text); len(text) > 0 {
		if strings.EqualFold(post.Encoding, "base64") {
			if b, err := base64.StdEncoding.DecodeString(string(text)); err == nil {
				return b
			}
		}
		return text
	}
	var form []string
	for _, f := range post.Params {
		form = append(form, harEscape(f.Name)+"="+harEscape(f.Value))
	}
	return []byte(strings.Join(form, "&"))
}

// harEscape encodes a form value unless the exporter left it encoded.
func harEscape(s string) string {
	if u, err := url.QueryUnescape(s); err == nil && u != s {
		return s
	}
	return url.QueryEscape(s)
}

// content gives the response body as stored, base64 removed.
func (h *harReader) content(e *harEntry, place string) []byte {
	text := h.texts.resolve(e.Response.Content.Text)
	if len(text) == 0 {
		return nil
	}
	if strings.EqualFold(e.Response.Content.Encoding, "base64") {
		// Decoding in place: base64 is never shorter than what it stands for.
		text = bytes.TrimRight(bytes.TrimSpace(text), "=")
		n, err := base64.RawStdEncoding.Decode(text, text)
		if err != nil {
			h.in.remark(place, "body says that it is base64 and is not; body unread")
			return nil
		}
		return text[:n]
	}
	if bytes.HasPrefix(text, []byte("\u001f\u008b")) { // bytes that were stored as characters
		var b bytes.Buffer
		for _, r := range string(text) {
			if r > 0xff {
				return text
			}
			b.WriteByte(byte(r))
		}
		return b.Bytes()
	}
	return text
}

// harIdleBody is how much is kept of a long successful answer that does not
// speak of tokens, keys or errors: pages, scripts and lists are most of the
// bytes of an archive and decide nothing.
const harIdleBody = 4 << 10

func harIdle(status int, body []byte) []byte {
	if status < http.StatusBadRequest && len(body) > harIdleBody && !harSpeaks(body) {
		return body[:harIdleBody]
	}
	return body
}

// harSpeaks reports whether a body can matter to a diagnosis.
func harSpeaks(body []byte) bool {
	for _, word := range [...]string{"_token", `"keys"`, `"issuer"`, `"active"`, `"error`, `"resource"`, "_endpoint", "request_uri", "dpop", "DPoP"} {
		if bytes.Contains(body, []byte(word)) {
			return true
		}
	}
	return false
}

// conclude decides what absence of Authorization means: browsers drop it from
// a default export without a mark.
func (h *harReader) conclude() {
	if !h.browser || h.creds || len(h.in.ev.Exchanges) == h.first {
		return
	}
	h.in.src().Sanitised = true
	for i := h.first; i < len(h.in.ev.Exchanges); i++ {
		x := &h.in.ev.Exchanges[i]
		if harWantsCredential(x) {
			x.Request.Hidden |= holdfast.FactAuthorization | holdfast.FactTokenValue
		}
	}
}

// harWantsCredential reports whether a call to a protected resource is likely:
// not a preflight, not discovery, not a form to the authorization server.
func harWantsCredential(x *holdfast.Exchange) bool {
	p := &x.Request
	if p.Method == "OPTIONS" || len(p.Query) > 0 {
		return false
	}
	if strings.Contains(p.URL, "/.well-known/") && x.Status != http.StatusUnauthorized {
		return false
	}
	form := strings.HasPrefix(strings.ToLower(x.RequestHeader.Get("Content-Type")), "application/x-www-form-urlencoded")
	return p.Method != "POST" || !form
}

// place names where err happened.
func (h *harReader) place(err error) string {
	place := h.gauge.place(h.dec, err)
	if h.entry > 0 {
		place += fmt.Sprintf(", entry %d", h.entry)
	}
	return place
}
