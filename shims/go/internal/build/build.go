// Package build makes a worker's binary out of a function's source, with the
// local toolchain and without a network.
//
// Nothing is written beside the source: the go command's -overlay puts the
// generated main file and a missing go.mod where they are needed, so that the
// compiler's positions are the author's own. It knows nothing of the wire.
package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	// buildTimeout bounds one build; the first one compiles the standard
	// library too.
	buildTimeout = 5 * time.Minute
	// maxOutput bounds what is kept of the toolchain's output.
	maxOutput = 64 << 10
	// mainFile is generated into the function's package.
	mainFile = "zz_alyx_main.go"
)

// Options name the places of one build.
type Options struct {
	Source string // the function's .go file, or its folder
	Root   string // the functions folder
	Binary string // where the result goes
	Shim   string // the sources of module github.com/watzon/alyx
	Cache  string // compiled packages, kept between builds
}

// Failure is why there is no binary, as the host shows it. File is the
// author's own path.
type Failure struct {
	Kind    string `json:"kind"` // syntax, build, no_handler or import
	Message string `json:"message"`
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Output  string `json:"output,omitempty"` // of the toolchain
}

func (f *Failure) Error() string {
	if f.File == "" {
		return f.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Column, f.Message)
}

// Run builds. An error that is no *Failure is about the machine, not about the
// function.
func Run(o Options) error {
	given, err := filepath.Abs(o.Root)
	if err != nil {
		return err
	}
	if err := o.resolve(); err != nil {
		return err
	}
	err = run(o)
	var failure *Failure
	if errors.As(err, &failure) && strings.HasPrefix(failure.File, o.Root) { // as the author calls it
		failure.File = given + strings.TrimPrefix(failure.File, o.Root)
	}
	return err
}

func run(o Options) error {
	p, err := findPackage(o)
	if err != nil {
		return err
	}
	code, err := inspect(p)
	if err != nil {
		return err
	}
	tools, err := findToolchain(o)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.Cache, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp(o.Cache, "build-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	args, err := prepare(o, p, code, tools, work)
	if err != nil {
		return err
	}
	return compile(o, p, code, tools, args)
}

// resolve makes all paths absolute, and the ones the compiler reads free of
// links, so that an overlay's keys are the paths that the go command uses.
func (o *Options) resolve() error {
	for _, path := range []*string{&o.Source, &o.Root, &o.Shim} {
		real, err := filepath.EvalSymlinks(*path)
		if err != nil {
			return err
		}
		if *path, err = filepath.Abs(real); err != nil {
			return err
		}
	}
	var errBinary, errCache error
	o.Binary, errBinary = filepath.Abs(o.Binary)
	o.Cache, errCache = filepath.Abs(o.Cache)
	return errors.Join(errBinary, errCache)
}

// compile runs the go command and puts the binary in place in one step.
func compile(o Options, p *sourcePackage, code *inspected, tools *toolchain, args []string) error {
	if err := os.MkdirAll(filepath.Dir(o.Binary), 0o755); err != nil {
		return err
	}
	unfinished := fmt.Sprintf("%s.%d.tmp", o.Binary, os.Getpid())
	defer os.Remove(unfinished)
	ctx, cancel := context.WithTimeout(context.Background(), buildTimeout)
	defer cancel()
	args = append([]string{"build", "-o", unfinished, "-trimpath", "-buildvcs=false", "-ldflags=-s -w"}, args...)
	output, err := tools.run(ctx, p.moduleDir, args...)
	if ctx.Err() != nil {
		return fmt.Errorf("go build took longer than %v", buildTimeout)
	}
	if err != nil {
		return explain(p, code, output, err)
	}
	return os.Rename(unfinished, o.Binary)
}

// toolchain is the local go command and what it says about itself.
type toolchain struct {
	path, root string
	language   string // "1.26", for a go.mod that says nothing
	env        []string
}

func findToolchain(o Options) (*toolchain, error) {
	path, err := exec.LookPath("go")
	if err != nil {
		return nil, errors.New("the go command is not on PATH; install Go 1.22 or later")
	}
	t := &toolchain{path: path, env: buildEnv(o)}
	ctx, cancel := context.WithTimeout(context.Background(), buildTimeout)
	defer cancel()
	output, err := t.run(ctx, o.Root, "env", "GOROOT", "GOVERSION")
	lines := strings.Fields(output)
	if err != nil || len(lines) != 2 {
		return nil, fmt.Errorf("go env failed: %v: %s", err, output)
	}
	t.root = lines[0]
	t.language = languageVersion(lines[1])
	return t, nil
}

// languageVersion is "1.26" of "go1.26.8" or "go1.26rc1".
func languageVersion(version string) string {
	major, rest, _ := strings.Cut(strings.TrimPrefix(version, "go"), ".")
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end >= 0 {
		rest = rest[:end]
	}
	return major + "." + rest
}

// buildEnv forbids the network and everything that the machine's own settings
// could change about the result.
func buildEnv(o Options) []string {
	env := append(os.Environ(),
		"GOCACHE="+filepath.Join(o.Cache, "go-build"),
		"GOFLAGS=-mod=mod", "GOPROXY=off", "GOSUMDB=off", "GOTOOLCHAIN=local",
		"GOWORK=off", "GO111MODULE=on", "GODEBUG=",
	)
	if os.Getenv("HOME") == "" && os.Getenv("GOPATH") == "" && os.Getenv("GOMODCACHE") == "" {
		env = append(env, "GOPATH="+filepath.Join(o.Cache, "go-path"))
	}
	return env
}

// run returns what the command printed on both streams, cut to maxOutput.
func (t *toolchain) run(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, t.path, args...)
	cmd.Dir = dir
	cmd.Env = append(t.env[:len(t.env):len(t.env)], "PWD="+dir)
	cmd.WaitDelay = time.Second
	var output limited
	cmd.Stdout, cmd.Stderr = &output, &output
	err := cmd.Run()
	return string(output), err
}

// limited keeps the first maxOutput bytes written to it.
type limited []byte

func (l *limited) Write(b []byte) (int, error) {
	*l = append(*l, b[:min(len(b), maxOutput-len(*l))]...)
	return len(b), nil
}
