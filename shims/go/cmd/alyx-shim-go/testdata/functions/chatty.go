// Prints while it is loaded, and has a package of its own beside it.
package main

import (
	"fmt"
	"os"

	"functions/_shared/greet"

	"github.com/watzon/alyx/pkg/runtime"
)

var token = os.Getenv("ALYX_TOKEN") + os.Getenv("ALYX_ADDR") + os.Getenv("ALYX_HANDOVER")

func init() {
	fmt.Printf("loading, token %q\n", token)
	fmt.Fprint(os.Stderr, "unfinished")
}

func Handler(ctx *runtime.Context) (any, error) {
	fmt.Println("called")
	var input any
	if err := ctx.Bind(&input); err != nil {
		return nil, err
	}
	return []any{greet.Hello, input, ctx.Input}, nil
}
