package cli

import (
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// bodyFlags are those of a request body, as curl has them.
type bodyFlags struct {
	data, form     []string
	json, dataFile string
}

func (f *bodyFlags) add(c *cobra.Command) {
	fl := c.Flags()
	fl.StringArrayVarP(&f.data, "data", "d", nil, `form data to send; "@FILE" reads a file, "@-" stdin (may be repeated, joined by &)`)
	fl.StringVar(&f.json, "json", "", `JSON to send; "@FILE" reads a file, "@-" stdin`)
	fl.StringVar(&f.dataFile, "data-file", "", `file to send as it is, "-" is stdin`)
	fl.StringArrayVarP(&f.form, "form", "F", nil, "field of a multipart form, NAME=VALUE or NAME=@FILE (may be repeated)")
	c.MarkFlagsMutuallyExclusive("data", "json", "data-file", "form")
}

// callBody is a request body that consists of parts.
type callBody struct {
	kind  string // Content-Type
	json  bool   // JSON is also what is wanted back
	parts []bodyPart
}

// bodyPart is a text, a file or stdin.
type bodyPart struct {
	text  string
	file  string
	stdin io.Reader
}

// body makes the body that the flags describe, nil if there is none.
func (a *app) body(f *bodyFlags) (*callBody, error) {
	switch {
	case len(f.data) > 0:
		b := &callBody{kind: "application/x-www-form-urlencoded"}
		for i, d := range f.data {
			if i > 0 {
				b.parts = append(b.parts, bodyPart{text: "&"})
			}
			b.parts = append(b.parts, a.dataPart(d))
		}
		return b, nil
	case f.json != "":
		return &callBody{kind: "application/json", json: true, parts: []bodyPart{a.dataPart(f.json)}}, nil
	case f.dataFile != "":
		return &callBody{kind: "application/octet-stream", parts: []bodyPart{a.dataPart("@" + f.dataFile)}}, nil
	case len(f.form) > 0:
		return a.formBody(f.form)
	}
	return nil, nil
}

// dataPart reads the value of a flag: "@" names a file, "@-" is stdin.
func (a *app) dataPart(v string) bodyPart {
	name, isFile := strings.CutPrefix(v, "@")
	switch {
	case !isFile:
		return bodyPart{text: v}
	case name == "-":
		return bodyPart{stdin: a.Stdin}
	}
	return bodyPart{file: name}
}

// formBody makes a multipart form (RFC 7578) whose files are read as they are
// sent.
func (a *app) formBody(fields []string) (*callBody, error) {
	var text bytes.Buffer
	w := multipart.NewWriter(&text)
	b := &callBody{kind: w.FormDataContentType()}
	for _, f := range fields {
		name, value, ok := strings.Cut(f, "=")
		if !ok || name == "" {
			return nil, advise(errors.New("--form wants NAME=VALUE or NAME=@FILE"), "--form document=@order.pdf")
		}
		part := a.dataPart(value)
		var err error
		if part.file != "" || part.stdin != nil {
			_, err = w.CreateFormFile(name, filepath.Base(strings.TrimPrefix(value, "@")))
		} else {
			_, err = w.CreateFormField(name)
		}
		if err != nil {
			return nil, err
		}
		// What the writer has written so far comes before this part.
		b.parts = append(b.parts, bodyPart{text: text.String()}, part)
		text.Reset()
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	b.parts = append(b.parts, bodyPart{text: text.String()})
	return b, nil
}

// attach gives a request the body. Without stdin in it, it can be sent again.
func (b *callBody) attach(r *http.Request) error {
	if b == nil {
		return nil
	}
	r.Header.Set("Content-Type", b.kind)
	if b.json {
		r.Header.Set("Accept", "application/json")
	}
	length, again := int64(0), true
	for _, p := range b.parts {
		n, err := p.length()
		if err != nil {
			return err
		}
		if n < 0 {
			again = false
		}
		length += n
	}
	body, err := b.open()
	if err != nil {
		return err
	}
	r.Body, r.ContentLength = body, -1
	if again {
		r.ContentLength, r.GetBody = length, b.open
	}
	return nil
}

// length returns the number of bytes of a part, -1 if nobody knows.
func (p bodyPart) length() (int64, error) {
	switch {
	case p.stdin != nil:
		return -1, nil
	case p.file == "":
		return int64(len(p.text)), nil
	}
	info, err := os.Stat(p.file)
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return -1, nil
	}
	return info.Size(), nil
}

// open begins the body anew.
func (b *callBody) open() (io.ReadCloser, error) {
	var readers []io.Reader
	o := &openBody{}
	for _, p := range b.parts {
		switch {
		case p.stdin != nil:
			readers = append(readers, p.stdin)
		case p.file != "":
			f, err := os.Open(p.file)
			if err != nil {
				_ = o.Close()
				return nil, err
			}
			o.files = append(o.files, f)
			readers = append(readers, f)
		default:
			readers = append(readers, strings.NewReader(p.text))
		}
	}
	o.Reader = io.MultiReader(readers...)
	return o, nil
}

// openBody is a body that is being sent.
type openBody struct {
	io.Reader
	files []*os.File
}

// Close closes the files.
func (o *openBody) Close() error {
	var errs []error
	for _, f := range o.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
