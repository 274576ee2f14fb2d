package main

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/watzon/alyx/internal/wire"
)

// syscall is the worker's next frame, which must be a db.get.
func (h *host) syscall() (call int64, inv int64, id string) {
	h.t.Helper()
	m := h.next()
	var p struct {
		Inv            int64
		Collection, ID string
	}
	if m.Method != "db.get" || m.ID == nil || json.Unmarshal(m.Params, &p) != nil || p.Collection != "posts" {
		h.t.Fatalf("%s", m.raw)
	}
	return *m.ID, p.Inv, p.ID
}

func (h *host) document(call int64, id string) {
	h.t.Helper()
	h.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":{"doc":{"id":%q}}}`, call, id))
}

// What hello granted holds in the binary that the launcher becomes.
func TestCallsOfOneInvocationAreBounded(t *testing.T) {
	const limit, n = 3, 500
	h := readyDB(t, limit)
	inv := h.invoke(fmt.Sprintf(`{"op":"gets","n":%d}`, n))
	type asked struct {
		call int64
		id   string
	}
	var open []asked
	for i := range n {
		call, of, id := h.syscall()
		open = append(open, asked{call, id})
		if of != inv {
			t.Fatalf("inv %d", of)
		}
		if len(open) < min(limit, n-i) {
			continue
		}
		select {
		case m := <-h.frames:
			t.Fatalf("beyond the limit: %s", m.raw)
		default:
		}
		h.document(open[0].call, open[0].id)
		open = open[1:]
	}
	for _, a := range open {
		h.document(a.call, a.id)
	}
	if m, _ := h.answer(inv); string(m.Result) != `{"output":"done"}` {
		t.Fatalf("%s", m.raw)
	}
}

func TestErrorsOfTheDatabaseReachTheCaller(t *testing.T) {
	h := readyDB(t, 32)
	inv := h.invoke(`{"op":"db"}`)
	call, _, _ := h.syscall()
	h.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"error":{"code":-32040,"message":"no collection 'posts'","data":{"code":"COLLECTION_NOT_FOUND","retryable":true,"details":{"known":["a"]}}}}`, call))
	m, _ := h.answer(inv)
	got, err := json.Marshal(m.Error)
	must(t, err)
	if string(got) != `{"code":-32020,"message":"no collection 'posts'","data":{"code":"COLLECTION_NOT_FOUND","details":{"known":["a"]}}}` {
		t.Fatalf("%s", got)
	}
}

func TestCallsAfterTheHandlerAreRefusedAndHarmNothing(t *testing.T) {
	h := readyDB(t, 32)
	inv := h.invoke(`{"op":"leave"}`)
	asked := map[string]int64{}
	for range 2 {
		call, _, id := h.syscall()
		asked[id] = call
	}
	h.document(asked["go"], "go")
	if m, _ := h.answer(inv); string(m.Result) != `{"output":null}` {
		t.Fatalf("%s", m.raw)
	}
	after := h.invoke(`{"op":"left"}`)
	if m, _ := h.answer(after); string(m.Result) != `{"output":["INVOCATION_ENDED","INVOCATION_ENDED"]}` {
		t.Fatalf("%s", m.raw)
	}
	h.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"error":{"code":-32029,"message":"over","data":{"code":"INVOCATION_ENDED"}}}`, asked["held"]))
	if m, _ := h.answer(h.invoke(`{"op":"nil"}`)); m.Error != nil {
		t.Fatalf("%s", m.raw)
	}
}

func TestCancelEndsTheCallsOfItsInvocation(t *testing.T) {
	h := readyDB(t, 4)
	bystander := h.invoke(`{"op":"gets","n":1}`)
	other, of, id := h.syscall()
	if of != bystander {
		t.Fatalf("inv %d", of)
	}
	inv := h.invoke(`{"op":"gets","n":100}`)
	for range 4 {
		h.syscall()
	}
	h.send(fmt.Sprintf(`{"jsonrpc":"2.0","method":"cancel","params":{"id":%d,"reason":"client"}}`, inv))
	if m, _ := h.answer(inv); m.Error == nil || m.Error.Code != wire.CodeCancelled {
		t.Fatalf("%s", m.raw)
	}
	h.document(other, id)
	if m, _ := h.answer(bystander); string(m.Result) != `{"output":"done"}` {
		t.Fatalf("%s", m.raw)
	}
}
