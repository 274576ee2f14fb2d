package build

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The tests share one cache, so that the standard library is compiled once.
var cache string

func TestMain(m *testing.M) {
	var err error
	if cache, err = os.MkdirTemp("", "alyx-build-test-*"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(cache)
	os.Exit(code)
}

// folder writes files, given as one text in the manner of txtar, into a new
// functions folder.
func folder(t *testing.T, archive string) string {
	t.Helper()
	root := t.TempDir()
	for _, part := range strings.Split(archive, "-- ")[1:] {
		name, text, _ := strings.Cut(part, " --\n")
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func buildIn(t *testing.T, root, source string) (binary string, err error) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), "out", "binary")
	return binary, Run(Options{
		Source: filepath.Join(root, source), Root: root, Binary: binary, Shim: "../..", Cache: cache,
	})
}

const imports = `package main

import "github.com/watzon/alyx/pkg/runtime"

`

const handler = imports + `func Handler(ctx *runtime.Context) (any, error) { return nil, nil }
`

func TestFailuresNameTheirPlace(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"syntax", "package main\n\nfunc Handler( {\n", "syntax f.go:3:15 expected"},
		{"type error", imports + "func Handler(ctx *runtime.Context) (any, error) { return undefined, nil }\n", "build f.go:5:58 undefined: undefined"},
		{"unused import", "package main\n\nimport \"fmt\"\n\nfunc Handler() {}\n", "no_handler f.go:5:1 Handler has the wrong signature"},
		{"wrong result", imports + "func Handler(ctx *runtime.Context) (string, error) { return \"\", nil }\n", "no_handler f.go:5:1 Handler has the wrong signature; it must be func Handler(ctx *runtime.Context) (any, error)"},
		{"wrong parameter", imports + "func Handler(ctx runtime.Context) (any, error) { return nil, nil }\n", "no_handler f.go:5:1 Handler has"},
		{"no handler", imports + "var _ runtime.Context\n\nfunc handler() {}\n", "no_handler f.go:1:1 no Handler found"},
		{"method is no handler", imports + "type t struct{}\n\nfunc (t) Handler(*runtime.Context) (any, error) { return nil, nil }\n", "no_handler f.go:1:1 no Handler found"},
		{"main", handler + "\nfunc main() {}\n", "build f.go:7:1 remove func main"},
		{"package", "package hello\n", "build f.go:1:9 package hello must be package main"},
		{"missing standard package", strings.Replace(handler, "import ", "import _ \"nosuchpackage\"\nimport ", 1), "import f.go:3:8 package nosuchpackage is not in std"},
		{"missing module", strings.Replace(handler, "import ", "import _ \"example.com/x/y\"\nimport ", 1), "import f.go:3:8 package example.com/x/y is not installed; add its module to go.mod"},
		{"missing shared", strings.Replace(handler, "import ", "import _ \"functions/_shared/x\"\nimport ", 1), "import f.go:3:8 package functions/_shared/x is not in std"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := folder(t, "-- f.go --\n"+c.text)
			_, err := buildIn(t, root, "f.go")
			var f *Failure
			if !errors.As(err, &f) {
				t.Fatal(err)
			}
			got := fmt.Sprintf("%s %s:%d:%d %s", f.Kind, strings.TrimPrefix(f.File, root+"/"), f.Line, f.Column, f.Message)
			if !strings.HasPrefix(got, c.want) {
				t.Errorf("got  %s\nwant %s\n%s", got, c.want, f.Output)
			}
			if files, _ := os.ReadDir(root); len(files) != 1 {
				t.Errorf("the build left something in the functions folder: %v", files)
			}
		})
	}
}

const folders = `-- alone.go --
` + handler + `-- broken.go --
package main

func Handler( {
-- dir/main.go --
package main

import (
	_ "embed"

	"functions/_shared/x"
	"functions/dir/inner"

	"github.com/watzon/alyx/pkg/runtime"
)

//go:embed text.txt
var text string

var Schema = map[string]any{"input": map[string]any{}}

func Handler(ctx *runtime.Context) (any, error) { return x.Name + inner.Name + text + more, nil }
-- dir/more.go --
package main

const more = "more"
-- dir/more_test.go --
package main_test
-- dir/text.txt --
embedded
-- dir/inner/inner.go --
package inner

const Name = "inner"
-- _shared/x/x.go --
package x

const Name = "shared"
-- own/go.mod --
module example.com/own

go 1.22

require github.com/watzon/alyx v0.9.0
-- own/main.go --
package main

import (
	"example.com/own/inner"
	"functions/_shared/x"

	"github.com/watzon/alyx/pkg/runtime"
)

func Handler(ctx *runtime.Context) (any, error) { return x.Name + inner.Name, nil }
-- own/inner/inner.go --
package inner

const Name = "inner"
-- newer/go.mod --
module example.com/newer

go 9.99
-- newer/main.go --
` + handler

func TestEveryFormBuilds(t *testing.T) {
	root := folder(t, folders)
	for _, source := range []string{"alone.go", "dir", "dir/main.go", "own"} {
		binary, err := buildIn(t, root, source)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		if info, err := os.Stat(binary); err != nil || info.Mode()&0o111 == 0 {
			t.Errorf("%s: %v %v", source, info, err)
		}
		if left, _ := os.ReadDir(filepath.Dir(binary)); len(left) != 1 {
			t.Errorf("%s: left beside the binary: %v", source, left)
		}
	}
	var f *Failure
	if _, err := buildIn(t, root, "newer"); !errors.As(err, &f) || f.Kind != "build" || !strings.Contains(f.Message, "9.99") {
		t.Errorf("newer: %v", err)
	}
	if _, err := buildIn(t, root, "_shared"); !errors.As(err, &f) || f.Kind != "no_handler" {
		t.Errorf("a folder without Go files: %v", err)
	}
	if _, err := buildIn(t, root, "../"); err == nil {
		t.Error("built a source outside the root")
	}
}

// A go.mod in the functions folder names the module that functions belong to.
func TestTheRootsOwnModuleIsKept(t *testing.T) {
	root := folder(t, `-- go.mod --
module example.com/mine // the author's

go 1.22

require example.com/dep v1.2.3

replace example.com/dep => ./_dep
-- _dep/go.mod --
module example.com/dep
-- _dep/dep.go --
package dep

const Name = "dep"
-- f.go --
package main

import (
	"example.com/dep"
	"example.com/mine/_shared/x"

	"github.com/watzon/alyx/pkg/runtime"
)

func Handler(ctx *runtime.Context) (any, error) { return dep.Name + x.Name, nil }
-- own/go.mod --
module example.com/own

go 1.22
-- own/main.go --
package main

import (
	"example.com/mine/_shared/x"

	"github.com/watzon/alyx/pkg/runtime"
)

func Handler(ctx *runtime.Context) (any, error) { return x.Name, nil }
-- _shared/x/x.go --
package x

const Name = "shared"
`)
	before, _ := os.ReadFile(filepath.Join(root, "go.mod"))
	if _, err := buildIn(t, root, "f.go"); err != nil {
		t.Error(err)
	}
	after, _ := os.ReadFile(filepath.Join(root, "go.mod"))
	if !bytes.Equal(before, after) {
		t.Errorf("go.mod was changed to:\n%s", after)
	}
}

func TestBuildsAreDeterministic(t *testing.T) {
	first, err := buildIn(t, folder(t, folders), "dir")
	if err != nil {
		t.Fatal(err)
	}
	second, err := buildIn(t, folder(t, folders), "dir")
	if err != nil {
		t.Fatal(err)
	}
	a, errA := os.ReadFile(first)
	b, errB := os.ReadFile(second)
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		t.Fatal("two builds of the same source differ", errA, errB)
	}
}

// A root that is a link keeps its name in failures.
func TestFailuresKeepTheAuthorsPath(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(folder(t, folders), link); err != nil {
		t.Fatal(err)
	}
	_, err := buildIn(t, link, "broken.go")
	var f *Failure
	if !errors.As(err, &f) || f.File != filepath.Join(link, "broken.go") {
		t.Fatal(err)
	}
}

// An os package of another shape is left alone, and the build goes on.
func TestAnUnknownOsPackageIsNotPatched(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file.go"), []byte("package os\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	o := overlay{files: map[string]string{}, work: t.TempDir()}
	if err := o.patchOS(dir, "/shim"); err != nil || len(o.files) != 0 {
		t.Fatal(o.files, err)
	}
	path, err := o.write()
	if err != nil {
		t.Fatal(err)
	}
	var list map[string]map[string]string
	if text, err := os.ReadFile(path); err != nil || json.Unmarshal(text, &list) != nil || list["Replace"] == nil {
		t.Fatal(err, list)
	}
}
