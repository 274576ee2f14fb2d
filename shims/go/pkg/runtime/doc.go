// Package runtime is what a Go function of Alyx imports.
//
// A function is a file in the functions folder, or a folder with a main.go. It
// is `package main` without a main():
//
//	package main
//
//	import "github.com/watzon/alyx/pkg/runtime"
//
//	func Handler(ctx *runtime.Context) (any, error) {
//		name, _ := ctx.Input["name"].(string)
//		if name == "" {
//			return nil, &runtime.Error{Code: "VALIDATION_ERROR", Message: "name is required",
//				Fields: map[string]any{"field": "name"}}
//		}
//		return map[string]string{"message": "Hello, " + name + "!"}, nil
//	}
//
// The returned value becomes the HTTP body as encoding/json writes it; nil
// becomes null, and []byte a base64 string. NaN, infinities, channels, funcs
// and values that contain themselves cannot be written and fail the call.
//
// # Errors
//
// A plain error answers with code FUNCTION_ERROR and its text. An [*Error],
// also inside a wrapped error, answers with its own code, message and fields.
// A panic ends the worker process, and with it every call it was running.
//
// # Database
//
// ctx.DB reads and writes the host's collections, and runs SQL:
//
//	page, err := ctx.DB.Collection("posts").List(runtime.Query{
//		Filter: runtime.M{"author_id": ctx.Auth.ID, "price": runtime.M{"$gte": 10}},
//		Sort:   "-created_at",
//		Limit:  20,
//	})
//	post, err := ctx.DB.Collection("posts").Get(id) // nil if there is none
//	rows, err := ctx.DB.Query("SELECT title FROM posts WHERE views > ?", 100)
//
// Documents are maps. Integers in them are int64 (uint64 beyond that, inside of
// json fields), other numbers float64, blobs []byte, timestamps strings; [Decode]
// makes a struct of one. What is written may be a map or a struct with json
// tags; it follows encoding/json but that []byte is stored as bytes, time.Time
// in UTC with milliseconds, and large integers exactly.
//
// A call that fails gives an [*Error] with a code such as NOT_FOUND,
// UNIQUE_VIOLATION or VALIDATION_ERROR, which [Code] reads and Fields details.
// Returned from the handler it reaches the caller as it is.
//
// Calls may be made from many goroutines at once; those beyond what the host
// takes wait their turn. A call ends when the context does, and after the
// handler has returned there are none (INVOCATION_ENDED): wait for your
// goroutines. Whether a write was done that the context cut off is unknown.
//
// # Cancellation
//
// The [Context] is a [context.Context]: pass it to whatever can stop early. It
// is done at the function's timeout and when the client goes away. Code that
// ignores it is killed a second after the timeout, process and all.
//
// # Printing
//
// ctx.Log is the structured logger of the invocation. What fmt.Println, the
// log package and any library write to os.Stdout and os.Stderr appears in the
// same invocation's log, one entry a line, also with many invocations at once
// and from goroutines that the handler starts.
//
// How: functions are built with the go command's -overlay, which adds a few
// lines to the standard library's os.File.Write (nothing on disk is changed).
// They hand the text to the worker, which knows the invocation by the profiler
// labels of the goroutine; Go passes those on to every goroutine started from
// it. Not seen this way are the print and println builtins, child processes
// and writes to a raw file descriptor, and not attributed are goroutines that
// replaced their labels (pprof.Do), timers (time.AfterFunc) and goroutines of
// an earlier invocation or of package initialisation. All of that goes to the
// worker's own output, which the host keeps apart. With a toolchain whose os
// package looks different, and in a program that calls [Serve] by itself, a
// pipe takes the hook's place: it attributes text while exactly one invocation
// runs.
package runtime
