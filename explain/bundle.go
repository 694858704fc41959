package explain

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// bundleFormat is the value of the member "format".
const bundleFormat = "evidence-bundle/1"

// ReadBundle reads an evidence bundle, one exchange at a time. Unknown members
// are ignored. Of a broken bundle it returns what comes before the fault
// together with the [Problem].
func ReadBundle(r io.Reader) (*Evidence, error) { return readAs(r, fileBundle) }

// bundleMessage is a request or a response.
type bundleMessage struct {
	Method      string          `json:"method,omitempty"`
	URL         string          `json:"url,omitempty"`
	Status      json.Number     `json:"status,omitempty"`
	Headers     []bundleField   `json:"headers"`
	Body        json.RawMessage `json:"body,omitempty"`
	BodyBase64  string          `json:"body_base64,omitempty"`
	Decoded     bool            `json:"body_decoded,omitempty"` // content codings are removed
	Certificate string          `json:"peer_certificate,omitempty"`
}

// bundleField is a pair of name and value. A third element "base64" says that
// the value is not UTF-8.
type bundleField []string

// bundleExchange is one element of exchanges, and the form of a view.
type bundleExchange struct {
	ID         int            `json:"id,omitempty"`
	Of         int            `json:"exchange,omitempty"` // views only
	Origin     string         `json:"origin,omitempty"`
	StartedAt  string         `json:"started_at,omitempty"`
	CapturedAt string         `json:"captured_at,omitempty"`
	ReceivedAt string         `json:"received_at,omitempty"`
	Note       string         `json:"note,omitempty"`
	Hidden     []string       `json:"hidden,omitempty"`
	Request    bundleMessage  `json:"request"`
	Response   *bundleMessage `json:"response,omitempty"`
	Error      bundleText     `json:"error,omitempty"`
}

// bundleText is a string; of any other value its JSON text counts.
type bundleText string

// UnmarshalJSON implements [encoding/json.Unmarshaler].
func (t *bundleText) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) != nil {
		s = string(b)
	}
	if string(b) == "null" {
		s = ""
	}
	*t = bundleText(s)
	return nil
}

type bundleDocument struct {
	Kind       string `json:"kind"`
	Name       string `json:"name,omitempty"`
	Origin     string `json:"origin,omitempty"`
	Time       string `json:"time,omitempty"`
	Body       string `json:"body,omitempty"`
	BodyBase64 string `json:"body_base64,omitempty"`
}

type bundleSource struct {
	Name          string `json:"name"`
	Kind          string `json:"kind"`
	Creator       string `json:"creator,omitempty"`
	First         int    `json:"first,omitempty"`
	Last          int    `json:"last,omitempty"`
	Sanitised     bool   `json:"sanitised,omitempty"`
	NoBodies      bool   `json:"no_bodies,omitempty"`
	SchemeAssumed bool   `json:"scheme_assumed,omitempty"`
}

type bundleProblem struct {
	Source string `json:"source,omitempty"`
	Place  string `json:"place,omitempty"`
	Text   string `json:"text"`
	Limit  string `json:"limit,omitempty"`
	Lost   bool   `json:"lost,omitempty"`
}

// bundleFacts names the facts that a presentation can hide.
var bundleFacts = [...]struct {
	fact holdfast.Fact
	name string
}{
	{holdfast.FactAuthorization, "authorization"},
	{holdfast.FactProof, "proof"},
	{holdfast.FactProofSignature, "proof_signature"},
	{holdfast.FactTokenValue, "token_value"},
	{holdfast.FactMethod, "method"},
	{holdfast.FactURL, "url"},
	{holdfast.FactTime, "time"},
	{holdfast.FactCertificate, "certificate"},
	{holdfast.FactIssuers, "issuers"},
	{holdfast.FactAudience, "audience"},
	{holdfast.FactNeed, "need"},
}

// bundleReader walks one bundle.
type bundleReader struct {
	in    *intake
	dec   *json.Decoder
	gauge *jsonGauge
	n     int         // number of the exchange that is being read
	ids   map[int]int // number in the bundle -> number in the evidence
	views []bundleExchange

	sources []bundleSource
	seen    bool
}

func (in *intake) readBundle(r io.Reader) {
	g := newGauge(r)
	b := &bundleReader{in: in, gauge: g, dec: json.NewDecoder(g), ids: map[int]int{}}
	err := jsonObject(b.dec, b.member)
	if err != nil && !errors.Is(err, errHARStop) {
		place := g.place(b.dec, err)
		if b.n > 0 {
			place += fmt.Sprintf(", exchange %d", b.n)
		}
		in.broken(place, jsonCause(err))
	} else if !b.seen {
		in.lost("", "JSON without exchanges: not an evidence bundle")
	}
	b.addViews()
	b.addSources()
}

func (b *bundleReader) member(key string) error {
	b.gauge.forget(b.dec.InputOffset())
	switch key {
	case "exchanges":
		b.seen = true
		return jsonArray(b.dec, b.exchange)
	case "views":
		return jsonArray(b.dec, func() error {
			var v bundleExchange
			err := jsonTolerant(b.dec.Decode(&v))
			if err == nil && len(b.views) < MaxExchanges {
				b.views = append(b.views, v)
			}
			return err
		})
	case "sources":
		return jsonArray(b.dec, func() error {
			var s bundleSource
			err := jsonTolerant(b.dec.Decode(&s))
			if err == nil && len(b.sources) < MaxFiles {
				b.sources = append(b.sources, s)
			}
			return err
		})
	case "documents":
		b.seen = true
		return jsonArray(b.dec, b.document)
	case "problems":
		return jsonArray(b.dec, func() error {
			var p bundleProblem
			err := jsonTolerant(b.dec.Decode(&p))
			if err == nil && len(b.in.ev.Problems) < MaxFiles {
				b.in.ev.Problems = append(b.in.ev.Problems, Problem(p))
			}
			return err
		})
	}
	var raw json.RawMessage
	if err := b.dec.Decode(&raw); err != nil {
		return err
	}
	b.loose(key, raw)
	return nil
}

func (b *bundleReader) exchange() error {
	b.n++
	place := fmt.Sprintf("exchange %d", b.n)
	var e bundleExchange
	err := b.dec.Decode(&e)
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		b.in.remark(place, "member %s is not of the type that the format gives it", t.Field)
	} else if err != nil {
		return err
	}
	b.gauge.forget(b.dec.InputOffset())
	at := b.in.add(b.convert(&e, place), e.ID)
	if at < 0 {
		return errHARStop
	}
	x := &b.in.ev.Exchanges[at]
	number := e.ID
	if number == 0 {
		number = b.n // without numbers the order counts
	}
	if _, known := b.ids[number]; !known {
		b.ids[number] = x.ID
	}
	if e.Note != "" {
		b.in.document(Document{Kind: KindNote, Name: fmt.Sprintf("note on exchange %d", x.ID), Time: x.Sent, Body: []byte(e.Note)})
	}
	return nil
}

// convert makes an exchange. add fills its presentation.
func (b *bundleReader) convert(e *bundleExchange, place string) holdfast.Exchange {
	x := holdfast.Exchange{Origin: e.Origin, Err: string(e.Error)}
	x.Request.Method, x.Request.URL = e.Request.Method, e.Request.URL
	x.Request.PeerCert = bundleCertificate(e.Request.Certificate)
	x.RequestHeader, x.RequestBody = b.message(&e.Request, place+", request")
	x.Header = http.Header{}
	if e.Response != nil {
		x.Header, x.Body = b.message(e.Response, place+", response")
		if n, err := e.Response.Status.Int64(); err == nil && n >= 100 && n <= 999 {
			x.Status = int(n)
		}
	}
	if x.Status == 0 && x.Err == "" {
		x.Err = noAnswer
	}
	for _, name := range e.Hidden {
		for _, f := range bundleFacts {
			if f.name == name {
				x.Request.Hidden |= f.fact
			}
		}
	}
	x.Sent, x.Received = captureTime(e.StartedAt), captureTime(e.ReceivedAt)
	if x.Sent.IsZero() {
		x.Sent = captureTime(e.CapturedAt)
	}
	return x
}

func (b *bundleReader) message(m *bundleMessage, place string) (http.Header, []byte) {
	h := http.Header{}
	count := 0
	for _, f := range m.Headers {
		if len(f) < 2 {
			continue
		}
		value := f[1]
		if len(f) == 3 && f[2] == "base64" {
			raw, _ := base64.StdEncoding.DecodeString(value)
			value = string(raw)
		}
		b.in.putField(h, &count, f[0], value, place)
	}
	var body []byte
	switch {
	case m.BodyBase64 != "":
		raw, err := base64.StdEncoding.DecodeString(m.BodyBase64)
		if err != nil {
			b.in.remark(place, "body_base64 is not base64; body unread")
		}
		body = raw
	case len(m.Body) > 0 && string(m.Body) != "null":
		var s string
		if json.Unmarshal(m.Body, &s) == nil {
			body = []byte(s)
		} else {
			body = m.Body
		}
	}
	if m.Decoded {
		return h, b.in.keepBody(body)
	}
	return h, b.in.decodeBody(body, h, place)
}

func (b *bundleReader) document() error {
	var d bundleDocument
	if err := jsonTolerant(b.dec.Decode(&d)); err != nil {
		return err
	}
	b.gauge.forget(b.dec.InputOffset())
	if _, known := documentKinds[d.Kind]; !known || len(b.in.ev.Documents) >= MaxFiles {
		return nil
	}
	body := []byte(d.Body)
	if d.BodyBase64 != "" {
		body, _ = base64.StdEncoding.DecodeString(d.BodyBase64)
	}
	b.in.document(Document{Kind: d.Kind, Name: d.Name, Origin: d.Origin, Time: captureTime(d.Time), Body: body})
	return nil
}

// loose reads a member beside exchanges.
func (b *bundleReader) loose(key string, raw json.RawMessage) {
	var text string
	isText := json.Unmarshal(raw, &text) == nil
	put := func(kind, origin string, at time.Time, body []byte) {
		b.seen = true
		if len(body) > 0 && !bytes.Equal(body, []byte("null")) {
			b.in.document(Document{Kind: kind, Name: key, Origin: origin, Time: at, Body: body})
		}
	}
	switch key {
	case "case":
		if b.in.ev.Case == "" {
			b.in.ev.Case = text
		}
	case "vantage":
		b.in.setScene(text, "", b.in.name)
	case "observed_at":
		b.in.setScene("", text, b.in.name)
	case "authorization_server_metadata", "protected_resource_metadata":
		put(KindMetadata, documentOrigin(KindMetadata, raw), time.Time{}, raw)
	case "jwks":
		put(KindJWKS, "", time.Time{}, raw)
	case "client":
		put(KindClient, "", time.Time{}, raw)
	case "token_request_proof", "downstream_client_key_jkt":
		if isText {
			put(key, "", time.Time{}, []byte(text))
		}
	case "server_log", "topology", "server_config", "browser_console", "notes", "note":
		kind := map[string]string{
			"server_log": KindServerLog, "topology": KindTopology, "server_config": KindServerConfig,
			"browser_console": KindConsole, "notes": KindNote, "note": KindNote,
		}[key]
		put(kind, "", time.Time{}, bundleLines(raw))
	case "token_response", "introspection", "client_certificate":
		b.wrapped(key, raw, put)
	case "backend_view":
		b.backendView(raw)
	}
}

// wrapped reads members that carry a document inside.
func (b *bundleReader) wrapped(key string, raw json.RawMessage, put func(kind, origin string, at time.Time, body []byte)) {
	var w struct {
		CapturedAt string          `json:"captured_at"`
		Body       json.RawMessage `json:"body"`
		Endpoint   string          `json:"endpoint"`
		Response   json.RawMessage `json:"response"`
		PEM        string          `json:"presented_pem"`
		Source     string          `json:"source"`
	}
	if jsonTolerant(json.Unmarshal(raw, &w)) != nil {
		return
	}
	switch key {
	case "token_response":
		put(KindTokenResponse, "", captureTime(w.CapturedAt), bundleJSON(w.Body))
	case "introspection":
		put(KindIntrospection, w.Endpoint, captureTime(w.CapturedAt), bundleJSON(w.Response))
	default:
		put(KindCertificate, "", captureTime(w.CapturedAt), []byte(w.PEM))
		if w.Source != "" {
			b.in.document(Document{Kind: KindNote, Name: key + ".source", Body: []byte(w.Source)})
		}
	}
}

// bundleJSON gives a JSON value; one that was put into a string is taken out.
func bundleJSON(raw json.RawMessage) []byte {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return []byte(s)
	}
	return raw
}

// bundleLines joins lines of text; a string stands for itself.
func bundleLines(raw json.RawMessage) []byte {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return []byte(s)
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return raw
	}
	lines := make([]string, len(list))
	for i, l := range list {
		var t bundleText
		_ = t.UnmarshalJSON(l)
		lines[i] = string(t)
	}
	return []byte(strings.Join(lines, "\n"))
}

// backendView reads one later sight of an exchange, or a list of them.
func (b *bundleReader) backendView(raw json.RawMessage) {
	var list []bundleExchange
	if jsonTolerant(json.Unmarshal(raw, &list)) != nil || len(list) == 0 {
		var one bundleExchange
		if jsonTolerant(json.Unmarshal(raw, &one)) != nil || string(raw) == "null" {
			return
		}
		list = []bundleExchange{one}
	}
	for i := range list {
		if list[i].Origin == "" {
			list[i].Origin = "backend"
		}
	}
	if len(b.views)+len(list) <= MaxExchanges {
		b.views = append(b.views, list...)
	}
}

// addViews runs last: a view may come before the exchange that it is of.
func (b *bundleReader) addViews() {
	for i := range b.views {
		v := &b.views[i]
		of, ok := b.ids[v.Of]
		if !ok {
			b.in.remark(fmt.Sprintf("view %d", i+1), "is of an exchange that is not in the bundle")
			continue
		}
		x := b.convert(v, fmt.Sprintf("view %d", i+1))
		if v.Response == nil && v.Error == "" {
			x.Err = "" // a view is a sight of the request
		}
		x.ID = v.ID
		presentFields(&x)
		b.in.ev.Views = append(b.in.ev.Views, View{Of: of, Request: x})
	}
}

// addSources puts the sources that the bundle was made from in the place of
// the bundle itself: they say what absence means.
func (b *bundleReader) addSources() {
	if len(b.sources) == 0 {
		return
	}
	in := b.in
	in.ev.Sources = in.ev.Sources[:in.source]
	for _, s := range b.sources {
		s.First, s.Last = b.ids[s.First], b.ids[s.Last]
		in.ev.Sources = append(in.ev.Sources, Source(s))
	}
	in.source = len(in.ev.Sources) - 1
}
