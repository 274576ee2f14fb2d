// Takes as long to load as the test wants: until a file stands beside the
// binary.
package main

import (
	"os"
	"time"

	"github.com/watzon/alyx/pkg/runtime"
)

func init() {
	for {
		if _, err := os.Stat(os.Args[0] + ".go"); err == nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func Handler(*runtime.Context) (any, error) { return "loaded", nil }
