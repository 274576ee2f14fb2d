// Does what a soak asks of it; the same in every runtime.
package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/watzon/alyx/pkg/runtime"
)

func Handler(ctx *runtime.Context) (any, error) {
	act, _ := ctx.Input["act"].(string)
	ms := time.Duration(number(ctx, "ms")) * time.Millisecond
	switch act {
	case "hold":
		select {
		case <-time.After(ms):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	case "deaf":
		time.Sleep(ms)
	case "block":
		for end := time.Now().Add(ms); time.Now().Before(end); {
		}
	case "crash":
		os.Exit(3)
	case "throw":
		return nil, &runtime.Error{Code: "TOLD_TO", Message: "as it was told"}
	}
	for i := range number(ctx, "lines") {
		if i%2 == 1 {
			fmt.Println("line", i)
		} else {
			ctx.Log.Info(fmt.Sprint("line ", i))
		}
	}
	return map[string]any{"act": act, "text": strings.Repeat("x", number(ctx, "kib")*1024)}, nil
}

func number(ctx *runtime.Context, name string) int {
	value, _ := ctx.Input[name].(float64)
	return int(value)
}
