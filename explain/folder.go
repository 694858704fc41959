package explain

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
)

// UnreadableError says that nothing of what was given could be read.
type UnreadableError struct {
	Problems []Problem // at least one for every file
}

// Error names every file with what it looked like, and what is accepted.
func (e *UnreadableError) Error() string {
	if len(e.Problems) == 0 {
		return "no evidence was given; " + accepted
	}
	var b strings.Builder
	b.WriteString("no evidence could be read: ")
	for i, p := range e.Problems {
		if i == 10 {
			fmt.Fprintf(&b, "and %d more; ", len(e.Problems)-i)
			break
		}
		p.Text = strings.TrimSuffix(p.Text, "; "+accepted)
		b.WriteString(p.Error() + "; ")
	}
	return b.String() + accepted
}

// ReadPaths reads files and folders in the order given; "-" is stdin. Numbers
// of exchanges continue over files. A folder with a case.json is read by that
// manifest, of any other folder every file is read by its content.
//
// What cannot be read is named in [Evidence.Problems]. The error is non-nil, an
// [*UnreadableError], only if nothing at all could be read.
func ReadPaths(paths []string, stdin io.Reader) (*Evidence, error) {
	in := newIntake()
	for _, p := range paths {
		in.base = in.last
		in.readPath(p, stdin, len(paths) == 1)
	}
	ev := in.finish()
	if len(ev.Exchanges)+len(ev.Documents)+len(ev.Views) == 0 {
		return nil, &UnreadableError{Problems: ev.Problems}
	}
	return ev, nil
}

// ReadFolder reads one folder as [ReadPaths] does.
func ReadFolder(dir string) (*Evidence, error) { return ReadPaths([]string{dir}, nil) }

// readAs reads one stream of a known kind for the exported readers.
func readAs(r io.Reader, kind string) (*Evidence, error) {
	in := newIntake()
	in.readStream(r, "", manifestItem{Kind: kind})
	ev := in.finish()
	for _, p := range ev.Problems {
		if p.Lost {
			return ev, p
		}
	}
	return ev, nil
}

func (in *intake) readPath(p string, stdin io.Reader, only bool) {
	if p == "-" {
		if stdin == nil {
			in.fileProblem("-", "there is no standard input here")
			return
		}
		in.readStream(stdin, "stdin", manifestItem{})
		return
	}
	info, err := os.Stat(p)
	if err != nil {
		in.fileProblem(p, folderCause(err))
		return
	}
	if !info.IsDir() { // a pipe that the user names is fine
		f, err := os.Open(p)
		if err != nil {
			in.fileProblem(p, folderCause(err))
			return
		}
		defer f.Close()
		in.readStream(f, p, manifestItem{key: folderStem(p)})
		return
	}
	root, err := os.OpenRoot(p) // neither a manifest nor a link leads out of the folder
	if err != nil {
		in.fileProblem(p, folderCause(err))
		return
	}
	defer root.Close()
	w := &folderWalk{in: in, root: root, id: p}
	if !only {
		w.prefix = strings.TrimSuffix(p, "/") + "/"
	}
	w.folder(".", 0)
	if w.files == 0 {
		in.fileProblem(p, "folder holds no file to read")
	}
}

// fileProblem records that a whole file is not part of the evidence.
func (in *intake) fileProblem(name, text string) {
	in.problem(Problem{Source: name, Text: text, Lost: true})
}

// folderCause words an error of the file system without its path.
func folderCause(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "no such file"
	case errors.Is(err, fs.ErrPermission):
		return "permission denied"
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err.Error()
	}
	return "file cannot be opened"
}

// manifest is a case.json.
type manifest struct {
	Case       string         `json:"case"`
	ObservedAt string         `json:"observed_at"`
	Vantage    string         `json:"vantage"`
	Files      []manifestItem `json:"files"`
}

type manifestItem struct {
	Path       string `json:"path"`
	Kind       string `json:"kind"` // "": told by the content
	Exchange   int    `json:"exchange"`
	Scheme     string `json:"scheme"`
	CapturedAt string `json:"captured_at"`
	Origin     string `json:"origin"`
	Issuer     string `json:"issuer"`
	FetchedAt  string `json:"fetched_at"`

	key string // pairs a request file with its response file
}

// folderWalk reads one folder tree.
type folderWalk struct {
	in     *intake
	root   *os.Root
	id     string // tells pairing keys of several folders apart
	prefix string // for names in reports
	files  int
}

// maxFolderDepth bounds folders within folders.
const maxFolderDepth = 16

// folder reads dir by its manifest, or every file in it.
func (w *folderWalk) folder(dir string, depth int) {
	if m, ok := w.manifest(dir); ok {
		w.byManifest(dir, m)
		return
	}
	entries, err := fs.ReadDir(w.root.FS(), dir)
	if err != nil {
		w.in.fileProblem(w.prefix+dir, folderCause(err))
		return
	}
	slices.SortStableFunc(entries, func(a, b fs.DirEntry) int { return naturalOrder(a.Name(), b.Name()) })
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case e.IsDir() && depth >= maxFolderDepth:
			w.in.fileProblem(w.prefix+name, fmt.Sprintf("folders are nested deeper than %d", maxFolderDepth))
		case e.IsDir():
			w.folder(name, depth+1)
		case w.files >= MaxFiles:
			w.in.problem(Problem{Source: w.prefix + dir, Text: fmt.Sprintf("folder has more than %d files (limit MaxFiles)", MaxFiles), Limit: "MaxFiles", Lost: true})
			return
		default:
			w.in.base = w.in.last
			w.file(name, manifestItem{key: w.id + "\x00" + folderStem(name)})
		}
	}
}

// manifest reads the case.json of dir; ok is false if there is none.
func (w *folderWalk) manifest(dir string) (m manifest, ok bool) {
	name := path.Join(dir, "case.json")
	f, err := w.root.Open(name)
	if err != nil {
		return m, false
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(detectEncoding(f), MaxDocumentBytes))
	if err == nil && !jsonShallow(data) {
		err = errors.New("nested too deep")
	}
	if err == nil {
		err = jsonTolerant(json.Unmarshal(data, &m))
	}
	if err != nil {
		w.in.fileProblem(w.prefix+name, "manifest is not JSON: every file is read by its content instead")
		return m, false
	}
	return m, m.Files != nil
}

func (w *folderWalk) byManifest(dir string, m manifest) {
	in := w.in
	if in.ev.Case == "" {
		in.ev.Case = m.Case
	}
	in.setScene(m.Vantage, m.ObservedAt, w.prefix+path.Join(dir, "case.json"))
	in.base = in.last
	base := in.base
	for _, it := range m.Files {
		if w.files >= MaxFiles {
			in.problem(Problem{Source: w.prefix + dir, Text: fmt.Sprintf("manifest names more than %d files (limit MaxFiles)", MaxFiles), Limit: "MaxFiles", Lost: true})
			return
		}
		if it.Exchange > 0 {
			it.key = fmt.Sprintf("%s\x00%s\x00#%d", w.id, dir, it.Exchange)
		}
		in.base = base
		if it.Exchange == 0 {
			in.base = in.last
		}
		w.file(path.Join(dir, it.Path), it)
	}
}

// setScene takes vantage and time from the first place that names them.
func (in *intake) setScene(vantage, observed, source string) {
	if in.ev.Vantage == "" {
		in.ev.Vantage = vantage
	}
	if observed == "" || !in.ev.ObservedAt.IsZero() {
		return
	}
	if in.ev.ObservedAt = captureTime(observed); in.ev.ObservedAt.IsZero() {
		in.problem(Problem{Source: source, Text: "observed_at is not a time such as 2026-01-02T03:04:05Z"})
	}
}

// file reads one file of the folder.
func (w *folderWalk) file(name string, it manifestItem) {
	w.files++
	shown := w.prefix + name
	info, err := w.root.Stat(name)
	if err != nil {
		// The others are judged without it.
		w.in.problem(Problem{Source: shown, Text: folderCause(err), Lost: it.Path == ""})
		return
	}
	if !info.Mode().IsRegular() {
		w.in.fileProblem(shown, "not a regular file")
		return
	}
	f, err := w.root.Open(name)
	if err != nil {
		w.in.fileProblem(shown, folderCause(err))
		return
	}
	defer f.Close()
	w.in.readStream(f, shown, it)
}

// manifestKind reports whether a manifest may name kind.
func manifestKind(kind string) bool {
	switch kind {
	case fileHAR, fileRequest, fileResponse, fileNoAnswer, fileTranscript, fileCurl, fileBundle:
		return true
	}
	_, ok := documentKinds[kind]
	return ok
}

// readStream reads one file. Without a kind its content decides.
func (in *intake) readStream(r io.Reader, name string, it manifestItem) {
	in.begin(name, it.Kind)
	defer in.end()
	br := detectEncoding(capFile(r))
	head, _ := br.Peek(detectHead) // an error comes again when it is read
	kind := it.Kind
	if kind != "" && !manifestKind(kind) {
		in.remark("", "kind %s of the manifest is not known, its content decides", quoteShort(kind))
		kind = ""
	}
	if kind == "" {
		var looks string
		if kind, looks = detectKind(head); kind == "" {
			in.ev.Sources = in.ev.Sources[:len(in.ev.Sources)-1]
			in.lost("", "looks like %s; %s", looks, accepted)
			return
		}
	} else if kind == fileRequest && detectText(head) == fileTranscript {
		kind = fileTranscript
	}
	in.src().Kind = kind
	switch kind {
	case fileHAR:
		in.readHAR(br)
	case fileBundle:
		in.readBundle(br)
	case fileCurl:
		in.readCurl(br)
	case fileRequest, fileResponse, fileTranscript, fileNoAnswer:
		data, err := io.ReadAll(br)
		if err != nil {
			in.broken("", err)
		}
		p := pairing{key: it.key, number: it.Exchange, scheme: it.Scheme, sent: captureTime(it.CapturedAt)}
		switch kind {
		case fileTranscript:
			in.readTranscript(data)
		case fileNoAnswer:
			in.readNoAnswer(data, p)
		default:
			in.readMessages(data, p)
		}
	default:
		in.readText(br, kind, it)
	}
}

// readText reads a document.
func (in *intake) readText(r io.Reader, kind string, it manifestItem) {
	data, err := io.ReadAll(io.LimitReader(r, MaxDocumentBytes+1))
	if err != nil {
		in.broken("", err)
	}
	origin, at := it.Origin, captureTime(it.FetchedAt)
	if origin == "" {
		origin = it.Issuer
	}
	if at.IsZero() {
		at = captureTime(it.CapturedAt)
	}
	in.readDocument(kind, data, origin, at)
}

var folderSide = regexp.MustCompile(`(?i)^(.*?)[._ -]?(?:request|response|req|resp|res)[._ -]?(\d*)(?:[._ -].*)?$`)

// folderStem gives what 01.request.http and 01.response.http have in common;
// "" for a name that says nothing of the kind.
func folderStem(name string) string {
	dir, base := path.Split(strings.ReplaceAll(name, `\`, "/"))
	m := folderSide.FindStringSubmatch(base)
	if m == nil {
		return ""
	}
	return dir + m[1] + "\x00" + m[2]
}

// naturalOrder compares names with numbers by value: 2 before 10.
func naturalOrder(a, b string) int {
	for a != "" && b != "" {
		if naturalDigit(a[0]) && naturalDigit(b[0]) {
			x, y := naturalNumber(a), naturalNumber(b)
			a, b = a[len(x):], b[len(y):]
			x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
			if len(x) != len(y) {
				return len(x) - len(y)
			}
			if c := strings.Compare(x, y); c != 0 {
				return c
			}
			continue
		}
		if a[0] != b[0] {
			return int(a[0]) - int(b[0])
		}
		a, b = a[1:], b[1:]
	}
	return len(a) - len(b)
}

func naturalDigit(c byte) bool { return c >= '0' && c <= '9' }

func naturalNumber(s string) string {
	n := 0
	for n < len(s) && naturalDigit(s[n]) {
		n++
	}
	return s[:n]
}
