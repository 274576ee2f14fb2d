package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/watzon/alyx/internal/wire"
)

func TestCancelInTheSameReadAsItsInvoke(t *testing.T) {
	h := ready(t)
	for op, want := range map[string]string{"wait": "CANCELLED", "ticks": "CANCELLED"} {
		id := h.nextID
		h.nextID++
		h.raw(append(frame(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"invoke","params":{"function":"probe","revision":"r1","input":{"op":%q}}}`, id, op)),
			frame(fmt.Sprintf(`{"jsonrpc":"2.0","method":"cancel","params":{"id":%d,"reason":"client"}}`, id))...))
		if m, _ := h.answer(id); m.Error == nil || m.Error.Code != wire.CodeCancelled || m.Error.Data.Code != want {
			t.Fatalf("%s: %+v", op, m)
		}
	}
	id := h.invoke(`{"op":"deaf"}`)
	h.send(`{"jsonrpc":"2.0","method":"cancel","params":{"id":9999,"reason":"client"}}`)
	h.send(fmt.Sprintf(`{"jsonrpc":"2.0","method":"cancel","params":{"id":%d,"reason":"deadline"}}`, id))
	h.send(fmt.Sprintf(`{"jsonrpc":"2.0","method":"cancel","params":{"id":%d,"reason":"deadline"}}`, id))
	if m, _ := h.answer(id); string(m.Result) != `{"output":"finished anyway"}` {
		t.Fatalf("%+v", m)
	}
}

func TestTheDeadlineEndsTheContext(t *testing.T) {
	h := ready(t)
	id := h.request("invoke", `{"function":"probe","revision":"r1","deadlineMs":30,"input":{"op":"ticks"}}`)
	if m, _ := h.answer(id); m.Error == nil || m.Error.Code != wire.CodeDeadline || m.Error.Data.Code != "DEADLINE_EXCEEDED" {
		t.Fatalf("%+v", m)
	}
}

func TestPanicFlushesAndDies(t *testing.T) {
	h := ready(t)
	id := h.invoke(`{"op":"panic"}`)
	log := entries(t, h.next(), id)
	if len(log) != 1 || log[0].Msg != "almost" {
		t.Fatalf("%v", log)
	}
	h.closed()
	if code := h.exitCode(); code != 2 {
		t.Fatalf("exit %d", code)
	}
	if s := h.stderr.String(); !strings.Contains(s, "the sky fell") || !strings.Contains(s, "probe.go") {
		t.Fatalf("stderr: %s", s)
	}
}

func TestExitKeepsTheLog(t *testing.T) {
	h := ready(t)
	id := h.invoke(`{"op":"exit"}`)
	if log := entries(t, h.next(), id); len(log) != 1 || log[0].Msg != "last words" {
		t.Fatalf("%v", log)
	}
	h.closed()
	if code := h.exitCode(); code != 7 {
		t.Fatalf("exit %d", code)
	}
}

func TestEndOfStreamStopsTheWorker(t *testing.T) {
	for _, transport := range []string{viaUnix, viaStdio} {
		h := start(t, transport, shimBinary, "worker")
		h.hello()
		h.load()
		h.answer(h.invoke(`{"op":"nil"}`))
		h.invoke(`{"op":"wait"}`)
		entries(t, h.next(), anyCall)
		began := time.Now()
		h.out.Close()
		if code := h.exitCode(); code != 0 || time.Since(began) > time.Second {
			t.Fatalf("%s: exit %d after %v", transport, code, time.Since(began))
		}
	}
}

func TestShutdownLetsCallsEndThenCancels(t *testing.T) {
	h := ready(t)
	id := h.invoke(`{"op":"wait"}`)
	entries(t, h.next(), id)
	stop := h.request("shutdown", `{"graceMs":50,"reason":"drain"}`)
	if m, _ := h.answer(id); m.Error == nil || m.Error.Code != wire.CodeCancelled {
		t.Fatalf("%+v", m)
	}
	if m, _ := h.answer(stop); string(m.Result) != "{}" {
		t.Fatalf("%+v", m)
	}
	h.closed()
	if code := h.exitCode(); code != 0 {
		t.Fatalf("exit %d", code)
	}
}
