package build

import (
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// position matches the start of a line by the compiler or the go command:
// file, line, perhaps a column, and the message.
var position = regexp.MustCompile(`(?m)^(.+?\.go|go\.mod):(\d+):(?:(\d+):)? (.*)$`)

// importWords are what the go command says when a package is not there.
var importWords = []string{
	"no required module provides package", "cannot find module providing package", "is not in std",
	"cannot find package", "use of internal package", "import cycle not allowed", "missing go.sum entry",
	"module lookup disabled by GOPROXY=off",
}

// explain turns the toolchain's output into one failure.
func explain(p *sourcePackage, code *inspected, output string, err error) error {
	f := &Failure{Kind: "build", Message: firstLine(output), File: p.files[0], Line: 1, Column: 1, Output: output}
	if f.Message == "" {
		f.Message = "go build failed: " + err.Error()
	}
	if m := position.FindStringSubmatch(output); m != nil {
		f.File, f.Message = m[1], m[4]
		if !filepath.IsAbs(f.File) {
			f.File = filepath.Join(p.moduleDir, f.File)
		}
		f.Line, _ = strconv.Atoi(m[2])
		f.Column = 1
		if m[3] != "" {
			f.Column, _ = strconv.Atoi(m[3])
		}
	}
	if strings.HasSuffix(f.File, mainFile) { // under its own name or its overlay's
		aboutHandler(f, code)
		return f
	}
	switch {
	case strings.HasPrefix(f.Message, "syntax error"):
		f.Kind = "syntax"
	case containsAny(output, importWords):
		f.Kind = "import"
		if m := uninstalled.FindStringSubmatch(f.Message); m != nil {
			f.Message = "package " + m[1] + " is not installed; add its module to go.mod and run 'alyx deps install'"
		}
	}
	return f
}

// uninstalled matches what the go command says of a package that no module in
// reach holds.
var uninstalled = regexp.MustCompile(`(?:providing package|cannot find package) "?([^\s":;]+)`)

// aboutHandler moves a fault in the generated file to what caused it. Only
// Handler and Schema are named there, and Schema fits whatever its type.
func aboutHandler(f *Failure, code *inspected) {
	f.Kind = "no_handler"
	f.File, f.Line, f.Column = code.handler.Filename, code.handler.Line, code.handler.Column
	f.Message = "Handler has the wrong signature; it must be " + signature
}

func containsAny(text string, words []string) bool {
	for _, word := range words {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

// firstLine skips the go command's own headings.
func firstLine(output string) string {
	for _, line := range strings.Split(output, "\n") {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return line
		}
	}
	return ""
}
