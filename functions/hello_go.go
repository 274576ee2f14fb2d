// functions/hello_go.go
package main

import (
	"fmt"
	"time"

	"github.com/watzon/alyx/pkg/runtime"
)

func Handler(ctx *runtime.Context) (any, error) {
	name, _ := ctx.Input["name"].(string)
	if name == "" {
		name = "World"
	}

	return map[string]string{
		"message":   fmt.Sprintf("Hello, %s!", name),
		"timestamp": time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
	}, nil
}
