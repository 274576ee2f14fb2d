// A program that calls Serve by itself: no build step has fitted it with print
// capture, so pipes take over.
package main

import (
	"fmt"
	"log"
	"os"

	"github.com/watzon/alyx/pkg/runtime"
)

func main() {
	fmt.Println("starting")
	runtime.Serve(func(ctx *runtime.Context) (any, error) {
		if ctx.Input["wait"] == true {
			fmt.Println("waiting")
			<-ctx.Done()
			return nil, nil
		}
		fmt.Println("to stdout")
		fmt.Fprint(os.Stderr, "to stderr\n")
		log.Print("by log")
		fmt.Print("unfinished")
		return "ok", nil
	}, nil)
}
