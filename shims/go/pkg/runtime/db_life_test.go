package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/watzon/alyx/internal/shim"
)

func TestWithoutTheCapabilityNothingIsSent(t *testing.T) {
	silent := func(Syscall) string { panic("asked") }
	offered := func(names ...string) *DB {
		return FakeHostWith(shim.Session{MaxCalls: 1, MaxCallsPerInvocation: 1, Capabilities: names}, silent).DB
	}
	for _, db := range []*DB{offered(), nil, {}} {
		_, list := db.Collection("c").List(Query{})
		_, batch := db.Batch(nil)
		for _, err := range []error{list, batch, db.Collection("c").Delete("i")} {
			if Code(err) != "UNAVAILABLE" {
				t.Error(err)
			}
		}
	}
	if _, err := offered("db").Batch(nil); Code(err) != "UNAVAILABLE" || err.Error() != "the host offers no database batches" {
		t.Error(err)
	}
}

func TestCallsEndWithTheInvocation(t *testing.T) {
	for _, c := range []struct {
		code  string
		cause error
		end   func(*Invoked)
	}{
		{"INVOCATION_ENDED", context.Canceled, func(i *Invoked) { i.inv.Finish() }},
		{"CANCELLED", context.Canceled, func(i *Invoked) { i.inv.Cancel() }},
		{"UNAVAILABLE", nil, func(i *Invoked) { i.conn.Close() }},
	} {
		sent := make(chan Syscall, 64)
		i := FakeHost(func(s Syscall) string { sent <- s; return "" })
		errs := make(chan error, 100)
		for range cap(errs) {
			go func() { _, err := i.DB.Collection("c").Get("i"); errs <- err }()
		}
		for range 32 {
			<-sent
		}
		c.end(i)
		for range cap(errs) {
			if err := <-errs; Code(err) != c.code || c.cause != nil && !errors.Is(err, c.cause) {
				t.Fatal(err)
			}
		}
		if _, err := i.DB.Query("x"); Code(err) != c.code || len(sent) != 0 {
			t.Fatal(err, len(sent))
		}
	}
}

func TestCallsEndAtTheDeadline(t *testing.T) {
	i := FakeHost(func(Syscall) string { return "" })
	i.inv.Deadline = time.Now().Add(10 * time.Millisecond)
	for range 2 { // on the way, and before it is sent
		_, err := i.DB.Query("x")
		if Code(err) != "DEADLINE_EXCEEDED" || !errors.Is(err, context.DeadlineExceeded) || toWire(i.inv, err).Code != -32025 {
			t.Fatal(err)
		}
	}
}

// Far more calls than may be unanswered, each with its own answer.
func TestManyCallsAtOnce(t *testing.T) {
	i := FakeHost(func(s Syscall) string {
		var p struct{ ID string }
		if err := json.Unmarshal([]byte(s.Params), &p); err != nil {
			panic(err)
		}
		return `"result":{"doc":{"id":"` + p.ID + `"}}`
	})
	var all sync.WaitGroup
	for n := range 10_000 {
		all.Add(1)
		go func() {
			defer all.Done()
			if doc, err := i.DB.Collection("c").Get(fmt.Sprint(n)); err != nil || doc["id"] != fmt.Sprint(n) {
				t.Error(n, doc, err)
			}
		}()
	}
	all.Wait()
}
