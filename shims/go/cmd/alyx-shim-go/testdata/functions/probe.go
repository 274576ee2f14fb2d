// The function that the process tests drive: input.op says what to do.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math"
	"os"
	goruntime "runtime"
	"sync"
	"time"

	"github.com/watzon/alyx/pkg/runtime"
)

var Schema = runtime.Schema{
	Input: runtime.Fields{
		{Name: "op", Type: "string", Required: true, MaxLength: 200},
		{Name: "n", Type: "number", Min: 0},
		{Name: "tags", Type: "array", Items: "string"},
	},
	Output: runtime.Fields{},
}

type ops map[string]func(ctx *runtime.Context) (any, error)

var all = ops{
	"echo":    func(ctx *runtime.Context) (any, error) { return ctx.Input, nil },
	"nil":     func(*runtime.Context) (any, error) { return nil, nil },
	"context": describe,
	"bind":    bind,
	"print":   print,
	"prefix":  prefix,
	"flood":   flood,
	"logs":    logs,
	"late":    late,
	"after":   afterLate,
	"wait":    wait,
	"deaf":    deaf,
	"ticks":   ticks,
	"big": func(ctx *runtime.Context) (any, error) {
		return string(make([]byte, int(ctx.Input["n"].(float64)))), nil
	},
	"nan": func(*runtime.Context) (any, error) { return map[string]any{"items": []any{1, math.NaN()}}, nil },
	"chan": func(*runtime.Context) (any, error) {
		return struct {
			Pipe any `json:"pipe"`
		}{make(chan int)}, nil
	},
	"cycle":   cycle,
	"plain":   func(*runtime.Context) (any, error) { return nil, errors.New("it broke") },
	"coded":   coded,
	"db":      func(ctx *runtime.Context) (any, error) { return ctx.DB.Collection("posts").Get("1") },
	"gets":    gets,
	"leave":   leave,
	"left":    func(*runtime.Context) (any, error) { return []string{<-left, <-left}, nil },
	"goexit":  func(*runtime.Context) (any, error) { goruntime.Goexit(); return nil, nil },
	"panic":   func(*runtime.Context) (any, error) { fmt.Print("almost"); panic("the sky fell") },
	"exit":    func(ctx *runtime.Context) (any, error) { ctx.Log.Info("last words"); os.Exit(7); return nil, nil },
	"environ": func(*runtime.Context) (any, error) { return os.Environ(), nil },
	"stdin": func(*runtime.Context) (any, error) {
		text, err := io.ReadAll(os.Stdin)
		return string(text), err
	},
}

func Handler(ctx *runtime.Context) (any, error) {
	name, _ := ctx.Input["op"].(string)
	op := all[name]
	if op == nil {
		return nil, fmt.Errorf("no op %q", name)
	}
	return op(ctx)
}

func describe(ctx *runtime.Context) (any, error) {
	deadline, _ := ctx.Deadline()
	return map[string]any{
		"auth": ctx.Auth, "env": ctx.Env, "request": ctx.Request, "function": ctx.Function,
		"ms": time.Until(deadline).Milliseconds(),
	}, nil
}

func bind(ctx *runtime.Context) (any, error) {
	var input struct {
		Nested struct{ Count int }
	}
	if err := ctx.Bind(&input); err != nil {
		return nil, err
	}
	return input.Nested.Count, nil
}

func print(ctx *runtime.Context) (any, error) {
	fmt.Println("one\ntwo")
	fmt.Fprint(os.Stderr, "three\n")
	os.Stdout.WriteString("four\n")
	io.Copy(os.Stdout, bytes.NewBufferString("five\n"))
	slog.Info("six")
	os.Stdout.Write([]byte("bytes \xff\x00\n"))
	fmt.Print("unfinished")
	return nil, nil
}

// prefix prints from the handler, from a goroutine, and from a goroutine's
// goroutine through the log package.
func prefix(ctx *runtime.Context) (any, error) {
	id := ctx.Input["id"]
	var done sync.WaitGroup
	done.Add(2)
	for i := range 20 {
		fmt.Printf("%v handler %d\n", id, i)
	}
	go func() {
		defer done.Done()
		fmt.Printf("%v goroutine\n", id)
		go func() {
			defer done.Done()
			log.New(os.Stdout, "", 0).Printf("%v library", id)
		}()
	}()
	done.Wait()
	return id, nil
}

func flood(ctx *runtime.Context) (any, error) {
	for i := range 100_000 {
		fmt.Println("line", i)
	}
	return "done", nil
}

func logs(ctx *runtime.Context) (any, error) {
	ctx.Log.Debug("d")
	ctx.Log.With("a", 1).WithGroup("g").Warn("w", "b", "x", "err", errors.New("e"), "took", time.Second)
	ctx.Log.Error("e", "bad", make(chan int), "nan", math.NaN(), slog.Group("h", "c", []int{1}))
	ctx.Log.Info(string(bytes.Repeat([]byte("x"), 20_000)))
	return nil, nil
}

var lateDone = make(chan struct{})

// late leaves a goroutine behind that logs and prints after the answer.
func late(ctx *runtime.Context) (any, error) {
	go func() {
		<-ctx.Done()
		ctx.Log.Info("too late", "n", 1)
		fmt.Println("late print")
		close(lateDone)
	}()
	return "early", nil
}

func afterLate(*runtime.Context) (any, error) {
	<-lateDone
	return nil, nil
}

func wait(ctx *runtime.Context) (any, error) {
	ctx.Log.Info("waiting")
	<-ctx.Done()
	return nil, ctx.Err()
}

// deaf notices the cancel but returns a result.
func deaf(ctx *runtime.Context) (any, error) {
	<-ctx.Done()
	return "finished anyway", nil
}

// ticks stops at the deadline without being told.
func ticks(ctx *runtime.Context) (any, error) {
	select {
	case <-time.After(time.Minute):
		return "slept", nil
	case <-ctx.Done():
		return nil, fmt.Errorf("ticking: %w", ctx.Err())
	}
}

func cycle(*runtime.Context) (any, error) {
	m := map[string]any{}
	m["self"] = m
	return m, nil
}

func coded(ctx *runtime.Context) (any, error) {
	return nil, fmt.Errorf("saving: %w", &runtime.Error{
		Code: "VALIDATION_ERROR", Message: "Email is required", Status: 422,
		Fields: map[string]any{"field": "email", "code": "MINE", "bad": make(chan int)},
	})
}

// gets asks for n documents at once, and one after the other with "turns".
func gets(ctx *runtime.Context) (any, error) {
	n, _ := ctx.Input["n"].(float64)
	turns, _ := ctx.Input["turns"].(float64)
	posts := ctx.DB.Collection("posts")
	for range int(turns) {
		if _, err := posts.Get("p1"); err != nil {
			return nil, err
		}
	}
	errs := make(chan error)
	for i := range int(n) {
		go func() {
			id := fmt.Sprint("p", i)
			doc, err := posts.Get(id)
			if err == nil && doc["id"] != id {
				err = fmt.Errorf("%s became %v", id, doc["id"])
			}
			errs <- err
		}()
	}
	var all error
	for range int(n) {
		all = errors.Join(all, <-errs)
	}
	return "done", all
}

var left = make(chan string, 2)

// leave returns while one call is on the way, and makes another afterwards.
func leave(ctx *runtime.Context) (any, error) {
	posts := ctx.DB.Collection("posts")
	go func() {
		_, err := posts.Get("held")
		left <- runtime.Code(err)
	}()
	go func() {
		<-ctx.Done()
		_, err := posts.Get("late")
		left <- runtime.Code(err)
	}()
	_, err := posts.Get("go")
	return nil, err
}
