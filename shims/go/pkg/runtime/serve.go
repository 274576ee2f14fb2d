package runtime

import (
	"github.com/watzon/alyx/internal/shim"
	"github.com/watzon/alyx/internal/wire"
)

// Handler is the entry of a function.
type Handler func(ctx *Context) (any, error)

// Options are what a built function tells of itself besides its handler.
type Options struct {
	// Schema is the package's Schema variable, nil for none.
	Schema any
	// Capture installs a hook on writes to standard output and error. Only the
	// build step can offer one; without it printing is captured by pipes.
	Capture func(hook func(fd int, text []byte) bool)
}

// Serve joins the host and runs handler for each invocation. It does not
// return. Functions need not call it: the build step writes the main function
// that does.
func Serve(handler Handler, options Options) {
	shim.Main(&shim.Function{
		Handle: func(inv *shim.Invocation) (any, *wire.Error) {
			output, err := handler(newContext(inv))
			if err != nil {
				return nil, toWire(inv, err)
			}
			return output, nil
		},
		Schema:  options.Schema,
		Capture: options.Capture,
	})
}
