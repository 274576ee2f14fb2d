// Command alyx-shim-go is the Go runtime's side of an Alyx host. `build` makes
// a worker's binary from a function's source; `worker` is a blank worker, which
// becomes such a binary when the host tells it to load one.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"

	"github.com/watzon/alyx/internal/build"
	"github.com/watzon/alyx/internal/shim"
)

const usage = `usage:
  alyx-shim-go build --source FILE.go|DIR --root DIR --out FILE --shim DIR --cache DIR
  alyx-shim-go worker      (with ALYX_ADDR and ALYX_TOKEN in the environment)
`

// The kernel ends a worker with its host by a mark on the main thread. An exec
// from any other thread would lose it, so main keeps to the main thread.
func init() { runtime.LockOSThread() }

func main() {
	verb := ""
	if len(os.Args) > 1 {
		verb = os.Args[1]
	}
	switch verb {
	case "worker":
		shim.Join().Serve(nil)
	case "build":
		os.Exit(runBuild(os.Args[2:]))
	default:
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
}

// runBuild prints one JSON line, of success or of failure. The exit code is 0
// only for a binary that is in place.
func runBuild(args []string) int {
	var o build.Options
	flags := flag.NewFlagSet("build", flag.ContinueOnError)
	flags.StringVar(&o.Source, "source", "", "the function's .go `file` or folder")
	flags.StringVar(&o.Root, "root", "", "the functions `folder`")
	flags.StringVar(&o.Binary, "out", "", "`file` to write the binary to")
	flags.StringVar(&o.Shim, "shim", "", "`folder` with the sources of github.com/watzon/alyx")
	flags.StringVar(&o.Cache, "cache", "", "`folder` for compiled packages")
	if flags.Parse(args) != nil {
		return 2
	}
	for name, value := range map[string]string{"source": o.Source, "root": o.Root, "out": o.Binary, "shim": o.Shim, "cache": o.Cache} {
		if value == "" {
			fmt.Fprintf(os.Stderr, "alyx-shim-go: build needs --%s\n%s", name, usage)
			return 2
		}
	}
	type report struct {
		OK     bool           `json:"ok"`
		Binary string         `json:"binary,omitempty"`
		Error  *build.Failure `json:"error,omitempty"`
	}
	result := report{OK: true, Binary: o.Binary}
	code := 0
	if err := build.Run(o); err != nil {
		var failure *build.Failure
		if !errors.As(err, &failure) {
			failure = &build.Failure{Kind: "build", Message: err.Error()}
		}
		result, code = report{Error: failure}, 1
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		fmt.Fprintf(os.Stderr, "alyx-shim-go: %v\n", err)
		return 1
	}
	return code
}
