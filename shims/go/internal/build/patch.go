package build

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
)

// captureFunc is the function that the overlay adds to package os.
const captureFunc = "AlyxCapture"

// The two methods through which everything is written, as they have opened
// since long before Go 1.22, and what is put in front of their first line.
// ReadFrom matters because io.Copy to standard output would let the kernel
// move the bytes past Write.
var osPatches = []struct{ method, insert string }{
	{
		"func (f *File) Write(b []byte) (n int, err error) {\n",
		"\tif alyxTakes(f, b) {\n\t\treturn len(b), nil\n\t}\n",
	},
	{
		"func (f *File) ReadFrom(r io.Reader) (n int64, err error) {\n",
		"\tif alyxWatches(f) {\n\t\treturn io.Copy(alyxWriter{f}, r)\n\t}\n",
	},
}

// osAddition compares with the files that were opened as standard output and
// error, not with what os.Stdout is at the moment: a program may point that
// elsewhere to catch its own output.
const osAddition = `// Added to package os by alyx-shim-go.

package os

import "sync/atomic"

var (
	alyxStdout, alyxStderr = Stdout, Stderr
	alyxHook               atomic.Pointer[func(fd int, text []byte) bool]
)

// ` + captureFunc + ` lets hook see, and take, all that is written to the original
// standard output (1) and standard error (2).
func ` + captureFunc + `(hook func(fd int, text []byte) bool) { alyxHook.Store(&hook) }

func alyxWatches(f *File) bool {
	return f != nil && (f == alyxStdout || f == alyxStderr) && alyxHook.Load() != nil
}

func alyxTakes(f *File, b []byte) bool {
	if !alyxWatches(f) {
		return false
	}
	fd := 1
	if f == alyxStderr {
		fd = 2
	}
	return (*alyxHook.Load())(fd, b)
}

type alyxWriter struct{ f *File }

func (w alyxWriter) Write(b []byte) (int, error) { return w.f.Write(b) }
`

// captureAddition tells the shim's own package of the hook.
const captureAddition = `package capture

import "os"

func init() { Install = os.` + captureFunc + ` }
`

// patchOS adds the print hook to the toolchain's package os, for this build
// alone. It does nothing if the package does not look as expected; the worker
// then says so when it is loaded.
func (o *overlay) patchOS(dir, shim string) error {
	path := filepath.Join(dir, "file.go")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for _, p := range osPatches {
		method := []byte(p.method)
		if bytes.Count(text, method) != 1 {
			return nil
		}
		text = bytes.Replace(text, method, append(method[:len(method):len(method)], p.insert...), 1)
	}
	return errors.Join(
		o.add(path, text),
		o.add(filepath.Join(dir, "alyx_capture.go"), []byte(osAddition)),
		o.add(filepath.Join(shim, "internal", "capture", "zz_install.go"), []byte(captureAddition)),
	)
}
