package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/watzon/alyx/internal/build"
)

// What the README shows is what builds.
func TestTheFunctionsOfTheReadmeBuild(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	must(t, err)
	blocks := strings.Split(string(text), "```go\n// functions/")[1:]
	if len(blocks) < 2 {
		t.Fatalf("%d functions", len(blocks))
	}
	for _, block := range blocks {
		name, rest, _ := strings.Cut(block, "\n")
		source, _, _ := strings.Cut(rest, "```")
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			path := filepath.Join(root, name)
			must(t, os.WriteFile(path, []byte(source), 0o644))
			must(t, build.Run(build.Options{
				Source: path, Root: root, Binary: filepath.Join(root, "binary"), Shim: "../..", Cache: cacheDir,
			}))
		})
	}
}
