// Package capture finds out which invocation printed something, and cuts what
// was printed into lines.
//
// It knows nothing of the wire's messages or of handlers.
package capture

import (
	"context"
	"runtime/pprof"
	"unsafe"
)

// Tag is the identity of an invocation's goroutines. Go hands a goroutine's
// profiler labels on to every goroutine it starts, so a label set that is made
// anew for each invocation marks exactly those; its address is the tag. While
// any marked goroutine lives, the collector keeps the address from reuse.
type Tag struct{ _ byte }

// Install routes what is written to the original standard output (1) and
// error (2) through a hook, which says whether it took the text. Only a
// function's build knows how: it adds a file to this package that sets it, and
// what it needs to package os. nil elsewhere.
var Install func(hook func(fd int, text []byte) bool)

// invocationLabel also makes CPU profiles of a worker readable.
var invocationLabel = pprof.Labels("alyx", "invocation")

// Mark labels the calling goroutine, for itself and all that it starts.
func Mark() *Tag {
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), invocationLabel))
	return Current()
}

// Current is the tag of the calling goroutine, nil for one without labels.
func Current() *Tag { return (*Tag)(profileLabels()) }

// profileLabels reads the one word that Mark has set. The runtime keeps this
// name for packages outside the standard library (go.dev/issue/67401).
//
//go:linkname profileLabels runtime/pprof.runtime_getProfLabel
func profileLabels() unsafe.Pointer
