package runtime

import (
	"github.com/watzon/alyx/internal/shim"
	"github.com/watzon/alyx/internal/wire"
)

// Handler is the entry of a function.
type Handler func(ctx *Context) (any, error)

// joined is this process's place at the host. It is taken before the
// function's own variables and init functions run, so that these find neither
// the token nor the protocol's stream, and so that what they print is sent.
var joined *shim.Worker

func init() {
	if shim.Invited() {
		joined = shim.Join()
		joined.Capture()
	}
}

// Serve runs handler for each invocation; schema is the package's Schema
// variable, nil for none. It does not return. Functions need not call it: the
// build step writes the main function that does.
func Serve(handler Handler, schema any) {
	if joined == nil {
		joined = shim.Join() // says how this program is meant to be started
	}
	joined.Serve(&shim.Function{
		Handle: func(inv *shim.Invocation) (any, *wire.Error) {
			output, err := handler(newContext(inv))
			if err != nil {
				return nil, toWire(inv, err)
			}
			if list, isList := output.(*List); isList && list != nil {
				return list.plain(), nil // a usual result, and costly by reflection
			}
			return output, nil
		},
		Schema: schema,
	})
}
