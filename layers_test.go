package holdfast_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const modulePath = "github.com/holdfast-oauth/holdfast"

// room is what one package may import beyond the standard library. "" is the
// root package.
type room struct {
	ours   []string // packages of this module
	theirs []string // other modules, by prefix of the import path
}

var (
	below0 = []string{"internal/jose", "internal/strictjson", "internal/p256table", "internal/fetch"}
	below1 = append([]string{""}, below0...)
	below2 = append([]string{"token", "metadata", "keystore", "store", "internal/ops", "internal/clientauth"}, below1...)
	below3 = append([]string{"client", "resource", "explain", "authserver", "internal/probe"}, below2...)
	below4 = append([]string{"internal/gateway", "internal/egress", "internal/inspector", "internal/mcpserver", "internal/login"}, below3...)
)

// rooms is the layering of the module: imports point down only, never to a
// package of the same layer. An edge that is not in here fails the test; a new
// package needs a line.
var rooms = map[string]room{
	"internal/jose":       {ours: []string{"internal/strictjson"}},
	"internal/strictjson": {},
	"internal/p256table":  {},
	"internal/fetch":      {},

	"": {ours: []string{"internal/jose", "internal/strictjson", "internal/p256table"}},

	"token":               {ours: below1},
	"metadata":            {ours: below1},
	"keystore":            {ours: below1, theirs: []string{"golang.org/x/crypto", "filippo.io/age"}},
	"store":               {ours: below1, theirs: []string{"go.etcd.io/bbolt", "github.com/jackc/pgx/v5", "github.com/valkey-io/valkey-go", "golang.org/x/sync"}},
	"internal/ops":        {ours: below1, theirs: []string{"go.yaml.in/yaml/v3", "github.com/prometheus/client_golang"}},
	"internal/clientauth": {ours: below1},

	"client":   {ours: below2, theirs: []string{"golang.org/x/oauth2"}},
	"resource": {ours: below2},
	"explain":  {ours: below2},

	"authserver":     {ours: append([]string{"client"}, below2...), theirs: []string{"golang.org/x/crypto"}},
	"internal/probe": {ours: append([]string{"client", "resource", "explain"}, below2...)},

	"internal/gateway":   {ours: below3},
	"internal/egress":    {ours: below3},
	"internal/inspector": {ours: below3},
	"internal/mcpserver": {ours: below3, theirs: []string{"github.com/modelcontextprotocol/go-sdk"}},
	"internal/login":     {ours: below3, theirs: []string{"golang.org/x/crypto"}},
	"holdfasttest":       {ours: below3},

	"internal/issuer": {ours: below4},
	"internal/up":     {ours: below4},

	// pflag is the flag package of cobra: its types are in the signatures.
	"internal/cli": {ours: append([]string{"internal/issuer", "internal/up"}, below4...), theirs: []string{"github.com/spf13/cobra", "github.com/spf13/pflag", "golang.org/x/term"}},
	"cmd/holdfast": {ours: []string{"internal/cli"}},

	// Conformance of what others may implement, and real servers: for tests.
	"store/storetest":      {ours: append([]string{"store"}, below1...), theirs: []string{"pgregory.net/rapid"}},
	"internal/testservers": {},
	"e2e":                  {},

	// Writes the test data of explain: independent of what it tests.
	"internal/casegen": {},
}

// Limits of size. A function that only returns a literal is a table of rows and
// may be longer. Constants do not count as exported identifiers: those of enums
// are one idea, and every limit has to have a name.
const (
	maxFileLines     = 700
	maxFunctionLines = 100
	maxExportedRoot  = 60
	maxExported      = 30
)

// source is one Go file of the module.
type source struct {
	path string // from the root of the module
	dir  string // package directory, "" for the root
	file *ast.File
	test bool
	text string
}

// sources parses every Go file of the module; nested modules are not part of it.
func sources(t *testing.T) (*token.FileSet, []source) {
	t.Helper()
	fset := token.NewFileSet()
	var out []source
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			_, nested := os.Stat(filepath.Join(path, "go.mod"))
			name := d.Name()
			if path != "." && (nested == nil || name == "testdata" || name == "bin" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(fset, path, b, parser.ParseComments)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		if dir == "." {
			dir = ""
		}
		out = append(out, source{filepath.ToSlash(path), dir, f, strings.HasSuffix(path, "_test.go"), string(b)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return fset, out
}

func TestLayers(t *testing.T) {
	_, files := sources(t)
	for _, s := range files {
		if s.test {
			continue
		}
		r, ok := rooms[s.dir]
		if !ok {
			t.Errorf("%s: package %q is not in the table of layers", s.path, s.dir)
			continue
		}
		for _, spec := range s.file.Imports {
			path := strings.Trim(spec.Path.Value, `"`)
			if !allowedImport(r, path) {
				t.Errorf("%s imports %s, which its layer does not allow", s.path, path)
			}
		}
	}
}

func allowedImport(r room, path string) bool {
	if path == modulePath {
		return slices.Contains(r.ours, "")
	}
	if ours, ok := strings.CutPrefix(path, modulePath+"/"); ok {
		return slices.Contains(r.ours, ours)
	}
	if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") {
		return path != "C" // the standard library
	}
	for _, module := range r.theirs {
		if path == module || strings.HasPrefix(path, module+"/") {
			return true
		}
	}
	return false
}

// The table of layers itself points down only.
func TestLayersHaveNoCycle(t *testing.T) {
	state := map[string]int{}
	var visit func(name string)
	visit = func(name string) {
		switch state[name] {
		case 1:
			t.Fatalf("%q is on a cycle", name)
		case 2:
			return
		}
		state[name] = 1
		for _, below := range rooms[name].ours {
			if _, ok := rooms[below]; !ok {
				t.Errorf("%q may import %q, which has no line", name, below)
			}
			visit(below)
		}
		state[name] = 2
	}
	for name := range rooms {
		visit(name)
	}
}

func TestEveryPackageHasARoomSign(t *testing.T) {
	_, files := sources(t)
	signs := map[string]string{}
	for _, s := range files {
		if s.test {
			continue
		}
		if _, ok := signs[s.dir]; !ok {
			signs[s.dir] = ""
		}
		if s.file.Doc == nil {
			continue
		}
		if signs[s.dir] != "" {
			t.Errorf("%s: package %q has its comment in two files", s.path, s.dir)
		}
		signs[s.dir] = s.file.Doc.Text()
		want := "Package " + s.file.Name.Name
		if s.file.Name.Name == "main" {
			want = "Command "
		}
		if !strings.HasPrefix(signs[s.dir], want) {
			t.Errorf("%s: the package comment begins %.40q, want %q", s.path, signs[s.dir], want)
		}
	}
	for dir, text := range signs {
		if text == "" {
			t.Errorf("package %q has no comment", dir)
		}
	}
}

func TestNamesAndSizesOfFiles(t *testing.T) {
	fset, files := sources(t)
	for _, s := range files {
		base := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(s.path), ".go"), "_test")
		if slices.Contains([]string{"util", "utils", "helper", "helpers", "common", "types", "misc"}, base) {
			t.Errorf("%s: name a file after what is in it", s.path)
		}
		if n := strings.Count(s.text, "\n"); n > maxFileLines {
			t.Errorf("%s has %d lines, at most %d", s.path, n, maxFileLines)
		}
		if s.test {
			continue
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || isTable(f) {
				continue
			}
			if n := fset.Position(f.End()).Line - fset.Position(f.Pos()).Line + 1; n > maxFunctionLines {
				t.Errorf("%s: %s has %d lines, at most %d", s.path, f.Name.Name, n, maxFunctionLines)
			}
		}
	}
}

// isTable reports whether a function does nothing but return a literal, behind
// declarations at most.
func isTable(f *ast.FuncDecl) bool {
	if f.Body == nil || len(f.Body.List) == 0 {
		return false
	}
	last := len(f.Body.List) - 1
	for _, s := range f.Body.List[:last] {
		if _, ok := s.(*ast.DeclStmt); !ok {
			return false
		}
	}
	r, ok := f.Body.List[last].(*ast.ReturnStmt)
	if !ok || len(r.Results) != 1 {
		return false
	}
	_, ok = r.Results[0].(*ast.CompositeLit)
	return ok
}

func TestExportedIdentifiers(t *testing.T) {
	_, files := sources(t)
	exported := map[string][]string{}
	for _, s := range files {
		if s.test || s.file.Name.Name == "main" {
			continue
		}
		for _, d := range s.file.Decls {
			exported[s.dir] = append(exported[s.dir], exportedIn(t, s.path, d)...)
		}
	}
	for dir, names := range exported {
		limit := maxExported
		if dir == "" {
			limit = maxExportedRoot
		}
		if len(names) > limit {
			t.Errorf("package %q exports %d identifiers, at most %d: %s", dir, len(names), limit, strings.Join(names, " "))
		}
	}
}

// exportedIn returns the exported identifiers that a declaration adds to the
// package and complains about those without a comment. Methods are documented
// but not counted, and neither are constants.
func exportedIn(t *testing.T, path string, d ast.Decl) []string {
	t.Helper()
	undocumented := func(name string, docs ...*ast.CommentGroup) {
		for _, g := range docs {
			if g.Text() != "" {
				return
			}
		}
		t.Errorf("%s: %s is exported and has no comment", path, name)
	}
	switch d := d.(type) {
	case *ast.FuncDecl:
		if !d.Name.IsExported() || d.Recv != nil && !exportedReceiver(d.Recv) {
			return nil
		}
		undocumented(d.Name.Name, d.Doc)
		if d.Recv == nil {
			return []string{d.Name.Name}
		}
	case *ast.GenDecl:
		var names []string
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if spec.Name.IsExported() {
					undocumented(spec.Name.Name, spec.Doc, d.Doc)
					names = append(names, spec.Name.Name)
				}
			case *ast.ValueSpec:
				for _, n := range spec.Names {
					if !n.IsExported() {
						continue
					}
					undocumented(n.Name, spec.Doc, spec.Comment, d.Doc)
					if d.Tok == token.VAR {
						names = append(names, n.Name)
					}
				}
			}
		}
		return names
	}
	return nil
}

// exportedReceiver reports whether methods of the receiver's type are visible.
func exportedReceiver(fields *ast.FieldList) bool {
	typ := fields.List[0].Type
	for {
		switch x := typ.(type) {
		case *ast.StarExpr:
			typ = x.X
		case *ast.IndexExpr:
			typ = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return false
		}
	}
}
