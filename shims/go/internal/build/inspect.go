package build

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// runtimePath is the package that functions import.
const runtimePath = "github.com/watzon/alyx/pkg/runtime"

const signature = "func Handler(ctx *runtime.Context) (any, error)"

// sourcePackage is the Go package that a function is.
type sourcePackage struct {
	root      string // the functions folder
	dir       string
	files     []string // absolute
	single    bool     // one file among others: only it belongs to the package
	moduleDir string   // the folder whose go.mod applies
}

// findPackage tells the single-file form from the directory form. A file in a
// folder of its own, such as x/main.go, stands for that folder.
func findPackage(o Options) (*sourcePackage, error) {
	info, err := os.Stat(o.Source)
	if err != nil {
		return nil, err
	}
	p := &sourcePackage{root: o.Root, dir: o.Source, moduleDir: o.Root}
	if !info.IsDir() {
		p.dir = filepath.Dir(o.Source)
		p.single = p.dir == o.Root
	}
	if rel, err := filepath.Rel(o.Root, p.dir); err != nil || !filepath.IsLocal(rel) {
		return nil, fmt.Errorf("%s lies outside the functions folder %s", o.Source, o.Root)
	}
	if p.single {
		p.files = []string{o.Source}
		return p, nil
	}
	if _, err := os.Stat(filepath.Join(p.dir, "go.mod")); err == nil {
		p.moduleDir = p.dir
	}
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") && !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "_") {
			p.files = append(p.files, filepath.Join(p.dir, name))
		}
	}
	if len(p.files) == 0 {
		return nil, &Failure{Kind: "no_handler", File: p.dir, Message: "the folder holds no Go file; put " + signature + " into main.go"}
	}
	return p, nil
}

// inspected is what the parser finds out before the compiler runs.
type inspected struct {
	schema  bool
	handler token.Position
}

// inspect reports what the compiler would say less clearly, or only about the
// generated file.
func inspect(p *sourcePackage) (*inspected, error) {
	set := token.NewFileSet()
	found := &inspected{}
	for _, path := range p.files {
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, syntaxFailure(path, err)
		}
		if file.Name.Name != "main" {
			return nil, failureAt(set.Position(file.Name.Pos()), "build",
				fmt.Sprintf("package %s must be package main: a function is a program of its own", file.Name.Name))
		}
		for _, decl := range file.Decls {
			if failure := found.look(set, decl); failure != nil {
				return nil, failure
			}
		}
	}
	if !found.handler.IsValid() {
		return nil, &Failure{Kind: "no_handler", File: p.files[0], Line: 1, Column: 1, Message: "no Handler found; add " + signature}
	}
	return found, nil
}

// look notes what one declaration means to the generated main file.
func (found *inspected) look(set *token.FileSet, decl ast.Decl) *Failure {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Recv != nil {
			return nil
		}
		switch d.Name.Name {
		case "main":
			return failureAt(set.Position(d.Pos()), "build", "remove func main: Alyx writes it and calls Handler from there")
		case "Handler":
			found.handler = set.Position(d.Pos())
			return checkSignature(found.handler, d.Type)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			value, isValue := spec.(*ast.ValueSpec)
			if !isValue || d.Tok != token.VAR {
				continue
			}
			for _, name := range value.Names {
				found.schema = found.schema || name.Name == "Schema"
				if name.Name == "Handler" {
					found.handler = set.Position(name.Pos())
				}
			}
		}
	}
	return nil
}

// checkSignature refuses what cannot be right whatever the types mean; the
// compiler judges the rest, where the generated file uses Handler.
func checkSignature(at token.Position, f *ast.FuncType) *Failure {
	if f.TypeParams == nil && f.Params.NumFields() == 1 && f.Results.NumFields() == 2 {
		return nil
	}
	return failureAt(at, "no_handler", "Handler has the wrong signature; it must be "+signature)
}

func syntaxFailure(path string, err error) error {
	var list scanner.ErrorList
	if !errors.As(err, &list) || len(list) == 0 {
		return err // the file cannot be read
	}
	f := failureAt(list[0].Pos, "syntax", list[0].Msg)
	f.File, f.Output = path, err.Error()
	return f
}

func failureAt(at token.Position, kind, message string) *Failure {
	return &Failure{Kind: kind, Message: message, File: at.Filename, Line: at.Line, Column: at.Column}
}
