package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/watzon/alyx/internal/wire"
)

// BenchmarkEcho measures the whole worker: 64 invocations are always in flight
// over a unix socket, so that ns/op is the time between two answers.
func BenchmarkEcho(b *testing.B) {
	for _, size := range []int{100, 10_000, 1 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) { benchmarkEcho(b, size) })
	}
}

func benchmarkEcho(b *testing.B, size int) {
	const inFlight = 64
	h := ready(b)
	input := echoInput(size)
	b.SetBytes(int64(len(input)))
	h.lean.Store(true)
	template := fmt.Sprintf(`{"jsonrpc":"2.0","id":1%%015d,"method":"invoke","params":{"function":"probe","revision":"r1",`+
		`"requestId":"0190b5c2","deadlineMs":30000,"attempt":1,"trigger":{"type":"http","method":"POST","headers":`+
		`{"host":"localhost:8090","content-type":"application/json","content-length":"100"},"query":{},"ip":"127.0.0.1"},`+
		`"auth":null,"input":%s}}`, input)
	credit := make(chan struct{}, inFlight)
	go func() {
		var batch []byte
		for i := 0; i < b.N; {
			batch = batch[:0]
			for credit <- struct{}{}; ; credit <- struct{}{} {
				start := len(batch)
				batch = fmt.Appendf(wire.BeginFrame(batch), template, i)
				wire.EndFrame(batch, start)
				if i++; i == b.N || len(credit) == inFlight || len(batch) > 64<<10 {
					break
				}
			}
			if _, err := h.out.Write(batch); err != nil {
				return
			}
		}
	}()
	b.ResetTimer()
	before := h.cpu()
	for range b.N {
		if m := h.next(); m.Error != nil {
			b.Fatal(m.Error)
		}
		<-credit
	}
	b.ReportMetric(float64((h.cpu()-before).Microseconds())/float64(b.N), "worker-µs/op")
}

// cpu is the processor time that the worker has used.
func (h *host) cpu() time.Duration {
	h.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", h.cmd.Process.Pid))
	must(h.t, err)
	var user, system int64
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')'):]))
	_, err = fmt.Sscan(fields[12]+" "+fields[13], &user, &system)
	must(h.t, err)
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100 everywhere
}

// echoInput is an object of about size bytes, of the usual mixture.
func echoInput(size int) string {
	const item = `{"id":"a1b2c3","title":"A title","price":12.5,"count":3,"tags":["x","y"],"ok":true}`
	text := `{"op":"echo","items":[` + item
	for len(text) < size {
		text += "," + item
	}
	return text + "]}"
}

// BenchmarkGet measures ctx.DB: handlers that get one document after the other,
// from a host that answers at once.
func BenchmarkGet(b *testing.B) {
	for _, handlers := range []int{1, 64} {
		b.Run(fmt.Sprint(handlers), func(b *testing.B) { benchmarkGet(b, handlers) })
	}
}

const getAnswer = `{"jsonrpc":"2.0","id":%d,"result":{"doc":{"id":"0190a1b2-0000-7000-8000-000000000001","created_at":"2026-01-24T10:30:00.000Z",` +
	`"updated_at":"2026-01-24T10:30:00.000Z","title":"Hello","slug":"hello","published":true,"views":12,"tags":["a","b"]}}}`

func benchmarkGet(b *testing.B, handlers int) {
	h := readyDB(b, 32)
	each := (b.N + handlers - 1) / handlers
	b.ResetTimer()
	before := h.cpu()
	for range handlers {
		h.request("invoke", fmt.Sprintf(`{"function":"probe","revision":"r1","deadlineMs":600000,"input":{"op":"gets","turns":%d}}`, each))
	}
	var batch []byte
	for running := handlers; running > 0; {
		for m, more := h.next(), true; more; {
			switch {
			case m.Method == "db.get":
				start := len(batch)
				batch = fmt.Appendf(wire.BeginFrame(batch), getAnswer, *m.ID)
				wire.EndFrame(batch, start)
			case m.Error != nil:
				b.Fatal(m.Error)
			default:
				running--
			}
			select {
			case m = <-h.frames:
			default:
				more = false
			}
		}
		if len(batch) > 0 {
			h.raw(batch)
			batch = batch[:0]
		}
	}
	b.ReportMetric(float64((h.cpu()-before).Microseconds())/float64(b.N), "worker-µs/op")
}
