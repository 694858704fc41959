package explain

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/holdfast-oauth/holdfast"
)

// WriteBundle writes ev as an evidence bundle that [ReadBundle] reads back to
// the same evidence. The same evidence always gives the same bytes. It hides
// nothing: redact first what is to be shared.
func WriteBundle(w io.Writer, ev *Evidence) error {
	out := &bundleWriter{w: bufio.NewWriter(w)}
	out.text("{\n  \"format\": ")
	out.value(bundleFormat, "")
	if ev.Case != "" {
		out.member("case", ev.Case)
	}
	if !ev.ObservedAt.IsZero() {
		out.member("observed_at", bundleTime(ev.ObservedAt))
	}
	if ev.Vantage != "" {
		out.member("vantage", ev.Vantage)
	}
	out.list("exchanges", len(ev.Exchanges), true, func(i int) any { return bundleOf(&ev.Exchanges[i], 0) })
	out.list("views", len(ev.Views), false, func(i int) any { return bundleOf(&ev.Views[i].Request, ev.Views[i].Of) })
	out.list("documents", len(ev.Documents), false, func(i int) any {
		d := &ev.Documents[i]
		b := bundleDocument{Kind: d.Kind, Name: d.Name, Origin: d.Origin, Time: bundleTime(d.Time)}
		if utf8.Valid(d.Body) {
			b.Body = string(d.Body)
		} else {
			b.BodyBase64 = base64.StdEncoding.EncodeToString(d.Body)
		}
		return b
	})
	out.list("sources", len(ev.Sources), false, func(i int) any { return bundleSource(ev.Sources[i]) })
	out.list("problems", len(ev.Problems), false, func(i int) any { return bundleProblem(ev.Problems[i]) })
	out.text("\n}\n")
	if out.err != nil {
		return out.err
	}
	return out.w.Flush()
}

// bundleWriter writes one element at a time and remembers the first error.
type bundleWriter struct {
	w   *bufio.Writer
	err error
}

func (b *bundleWriter) text(s string) {
	if b.err == nil {
		_, b.err = b.w.WriteString(s)
	}
}

func (b *bundleWriter) value(v any, prefix string) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent(prefix, "  ")
	if err := enc.Encode(v); err != nil && b.err == nil {
		b.err = err
	}
	b.text(string(bytes.TrimSuffix(buf.Bytes(), []byte{'\n'})))
}

func (b *bundleWriter) member(name string, v any) {
	b.text(",\n  \"" + name + "\": ")
	b.value(v, "  ")
}

func (b *bundleWriter) list(name string, n int, always bool, element func(int) any) {
	if n == 0 && !always {
		return
	}
	b.text(",\n  \"" + name + "\": [")
	for i := range n {
		if i > 0 {
			b.text(",")
		}
		b.text("\n    ")
		b.value(element(i), "    ")
	}
	if n > 0 {
		b.text("\n  ")
	}
	b.text("]")
}

func bundleOf(x *holdfast.Exchange, of int) bundleExchange {
	e := bundleExchange{
		ID: x.ID, Of: of, Origin: x.Origin, StartedAt: bundleTime(x.Sent), ReceivedAt: bundleTime(x.Received), Error: bundleText(x.Err),
	}
	for _, f := range bundleFacts {
		if x.Request.Hidden&f.fact != 0 {
			e.Hidden = append(e.Hidden, f.name)
		}
	}
	h := x.RequestHeader
	for name, values := range map[string][]holdfast.Secret{"Authorization": x.Request.Authorization, "Dpop": x.Request.Proofs} {
		if len(h[name]) == 0 && len(values) > 0 { // a presentation that was not read from a header
			h = h.Clone()
			if h == nil {
				h = http.Header{}
			}
			for _, v := range values {
				h.Add(name, v.Reveal())
			}
		}
	}
	e.Request = bundleMessageOf(h, x.RequestBody)
	e.Request.Method, e.Request.URL = x.Request.Method, x.Request.URL
	if c := x.Request.PeerCert; c != nil {
		e.Request.Certificate = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	if x.Status != 0 || len(x.Header) > 0 || len(x.Body) > 0 {
		m := bundleMessageOf(x.Header, x.Body)
		m.Status = json.Number(strconv.Itoa(x.Status))
		e.Response = &m
	}
	return e
}

// bundleMessageOf writes fields sorted by name, the values of one name in the
// order received.
func bundleMessageOf(h http.Header, body []byte) bundleMessage {
	m := bundleMessage{Headers: []bundleField{}}
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, v := range h[name] {
			f := bundleField{name, v}
			if !utf8.ValidString(v) {
				f = bundleField{name, base64.StdEncoding.EncodeToString([]byte(v)), "base64"}
			}
			m.Headers = append(m.Headers, f)
		}
	}
	if len(body) > 0 {
		m.Decoded = len(bodyCodings(h)) > 0
		if utf8.Valid(body) {
			m.Body, _ = json.Marshal(string(body))
		} else {
			m.BodyBase64 = base64.StdEncoding.EncodeToString(body)
		}
	}
	return m
}

func bundleTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// bundleCertificate reads a PEM block; nil if it is none.
func bundleCertificate(text string) *x509.Certificate {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil
	}
	return c
}
