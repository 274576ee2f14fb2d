package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/watzon/alyx/internal/wire"
)

func TestHelloHasTheAgreedShape(t *testing.T) {
	for _, program := range [][]string{{shimBinary, "worker"}, {probeBinary}} {
		h := start(t, viaUnix, program...)
		var p struct {
			ProtocolVersions []int
			Token            string
			Runtime          struct{ Name, Version, Language, LanguageVersion string }
			Pid              int
			Concurrency      struct{ Max int }
			Capabilities     map[string]map[string]any
			Limits           struct{ MaxFrame int }
		}
		must(t, json.Unmarshal(h.hello().Params, &p))
		if len(p.ProtocolVersions) != 1 || p.ProtocolVersions[0] != 1 || p.Token != "secret" || p.Runtime.Name != "go" ||
			!strings.HasPrefix(p.Runtime.LanguageVersion, "go1.") || p.Pid != h.cmd.Process.Pid ||
			p.Concurrency.Max != 256 || p.Capabilities["load"] == nil || p.Limits.MaxFrame != 16777215 {
			t.Fatalf("%s: hello %+v", program, p)
		}
	}
}

// Both ways to the same worker: launcher and handover, or the binary itself.
func TestEveryTransportServes(t *testing.T) {
	for _, transport := range []string{viaUnix, viaTCP, viaStdio} {
		for _, program := range [][]string{{shimBinary, "worker"}, {probeBinary}} {
			t.Run(fmt.Sprint(transport, len(program)), func(t *testing.T) {
				h := start(t, transport, program...)
				h.hello()
				pid := h.cmd.Process.Pid
				h.request("ping", "{}")
				if m := h.next(); string(m.Result) != "{}" {
					t.Fatalf("ping: %+v", m)
				}
				loaded := h.load()
				want := `{"schema":{"input":{"op":{"type":"string","required":true,"maxLength":200},"n":{"type":"number","min":0},` +
					`"tags":{"type":"array","items":"string"}}}}`
				if string(loaded.Result) != want {
					t.Fatalf("load: %s", loaded.Result)
				}
				m, log := h.answer(h.invoke(`{"op":"print"}`))
				if string(m.Result) != `{"output":null}` || len(log) != 8 {
					t.Fatalf("%s %v", m.Result, log)
				}
				if syscall.Kill(pid, 0) != nil {
					t.Fatal("the worker is another process now")
				}
				h.request("shutdown", `{"graceMs":1000,"reason":"drain"}`)
				if m := h.next(); string(m.Result) != "{}" {
					t.Fatalf("shutdown: %+v", m)
				}
				if code := h.exitCode(); code != 0 {
					t.Fatalf("exit %d", code)
				}
			})
		}
	}
}

// Frames behind load in the same write must not be lost in the launcher.
func TestHandoverLosesNoFrame(t *testing.T) {
	h := start(t, viaUnix, shimBinary, "worker")
	h.hello()
	env := strings.Repeat("v", 300_000) // more than a pipe holds
	batch := frame(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"load","params":{"function":"probe","revision":"r1","path":%q,"env":{"BIG":%q}}}`, probeBinary, env))
	for id := 2; id < 50; id++ {
		batch = append(batch, frame(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"ping"}`, id))...)
	}
	h.raw(append(batch, frame(`{"jsonrpc":"2.0","id":50,"method":"invoke","params":{"function":"probe","revision":"r1","input":{"op":"context"}}}`)...))
	for id := int64(1); id <= 50; id++ {
		m := h.next()
		if m.ID == nil || *m.ID != id || m.Error != nil {
			t.Fatalf("frame %d: %+v", id, m)
		}
		if id == 50 && !strings.Contains(string(m.Result), env) {
			t.Fatal("the environment did not arrive")
		}
	}
}

func TestLoadFailuresLeaveABlankWorker(t *testing.T) {
	h := start(t, viaUnix, shimBinary, "worker")
	h.hello()
	for _, path := range []string{"/no/such/file", "relative", "/etc/passwd", "/"} {
		h.request("load", fmt.Sprintf(`{"function":"f","revision":"r","path":%q,"env":{}}`, path))
		m := h.next()
		if m.Error == nil || m.Error.Code != wire.CodeLoadFailed || m.Error.Data.Code != "LOAD_FAILED" || !strings.Contains(string(m.Error.Data.Details), `"kind"`) {
			t.Fatalf("load %s: %+v", path, m)
		}
	}
	m, _ := h.answer(h.invoke(`{}`))
	if m.Error == nil || m.Error.Code != wire.CodeUnknownFunction {
		t.Fatalf("invoke in a blank worker: %+v", m)
	}
	m, _ = h.answer(h.request("invoke", `{"revision":"r"}`))
	if m.Error == nil || m.Error.Code != wire.CodeInvalidParams {
		t.Fatalf("invoke without a function: %+v", m)
	}
	h.load()
}

// A load that takes too long is answered as such, and one that is sent again
// afterwards as if it were the first.
func TestALoadHasItsTime(t *testing.T) {
	binary := buildFunction(t, "slow")
	h := start(t, viaUnix, shimBinary, "worker")
	h.hello()
	load := func(timeoutMs int) int64 {
		return h.request("load", fmt.Sprintf(`{"function":"slow","revision":"r1","path":%q,"timeoutMs":%d}`, binary, timeoutMs))
	}
	first := load(20)
	m, _ := h.answer(first)
	if m.Error == nil || m.Error.Data.Code != "LOAD_FAILED" || !strings.Contains(string(m.Error.Data.Details), `"kind":"timeout"`) {
		t.Fatalf("%s", m.raw)
	}
	again := load(20)
	must(t, os.WriteFile(binary+".go", nil, 0o644))
	if m, _ := h.answer(again); string(m.Result) != "{}" {
		t.Fatalf("%s", m.raw)
	}
	m, _ = h.answer(h.request("invoke", `{"function":"slow","revision":"r1"}`))
	if string(m.Result) != `{"output":"loaded"}` {
		t.Fatalf("%s", m.raw)
	}
	must(t, os.Remove(binary+".go"))
	patient := start(t, viaUnix, shimBinary, "worker")
	patient.hello()
	h = patient
	id := load(8000)
	must(t, os.WriteFile(binary+".go", nil, 0o644))
	if m, _ := h.answer(id); string(m.Result) != "{}" {
		t.Fatalf("%s", m.raw)
	}
}

func TestAGoWorkerHoldsOneFunction(t *testing.T) {
	h := ready(t)
	h.load()
	h.request("load", fmt.Sprintf(`{"function":"probe","revision":"r2","path":%q,"env":{}}`, probeBinary))
	if m := h.next(); m.Error == nil || !strings.Contains(string(m.Error.Data.Details), "unsupported") {
		t.Fatalf("second function: %+v", m)
	}
	id := h.request("invoke", `{"function":"probe","revision":"r2","input":{}}`)
	if m, _ := h.answer(id); m.Error == nil || m.Error.Data.Code != "FUNCTION_NOT_FOUND" {
		t.Fatalf("unloaded revision: %+v", m)
	}
}

func TestUnloadLetsGoOfTheFunction(t *testing.T) {
	h := ready(t)
	running := h.invoke(`{"op":"wait"}`)
	entries(t, h.next(), running)
	for _, c := range []struct{ params, want string }{
		{`{"function":"probe"}`, "INVALID_PARAMS"},
		{`{"function":"probe","revision":"r2"}`, "FUNCTION_NOT_FOUND"},
		{`{"function":"probe","revision":"r1"}`, "OVERLOADED"},
	} {
		if m, _ := h.answer(h.request("unload", c.params)); m.Error == nil || m.Error.Data.Code != c.want {
			t.Errorf("%s: %+v", c.params, m)
		}
	}
	h.send(fmt.Sprintf(`{"jsonrpc":"2.0","method":"cancel","params":{"id":%d}}`, running))
	h.answer(running)
	if m, _ := h.answer(h.request("unload", `{"function":"probe","revision":"r1"}`)); string(m.Result) != `{"reclaimed":false}` {
		t.Fatalf("%+v", m)
	}
	if m, _ := h.answer(h.invoke(`{"op":"nil"}`)); m.Error == nil || m.Error.Data.Code != "FUNCTION_NOT_FOUND" {
		t.Fatalf("%+v", m)
	}
	h.load()
	if m, _ := h.answer(h.invoke(`{"op":"nil"}`)); m.Error != nil {
		t.Fatalf("%+v", m)
	}
}

func TestCreditIsKept(t *testing.T) {
	h := ready(t)
	for range 256 {
		h.invoke(`{"op":"deaf"}`)
	}
	refused := h.invoke(`{"op":"nil"}`)
	m := h.next()
	if m.ID == nil || *m.ID != refused || m.Error == nil || m.Error.Code != wire.CodeOverloaded || !m.Error.Data.Retryable {
		t.Fatalf("%+v", m)
	}
}

func TestMissingMembersHaveDefaults(t *testing.T) {
	h := ready(t)
	m, _ := h.answer(h.request("invoke", `{"function":"probe","revision":"r1","unknown":[{}]}`))
	if m.Error == nil || m.Error.Message != `no op ""` {
		t.Fatalf("%+v", m)
	}
	for _, params := range []string{`{"revision":"r1"}`, `{"function":1}`, `{"function":"probe","revision":"r1","trigger":{"headers":{"a":1}}}`, `{"function":"probe","revision":"r1","input":{"n":1e999}}`} {
		if m, _ := h.answer(h.request("invoke", params)); m.Error == nil || m.Error.Code != wire.CodeInvalidParams {
			t.Fatalf("%s: %+v", params, m)
		}
	}
}

func TestContextCarriesTheCall(t *testing.T) {
	h := ready(t)
	id := h.request("invoke", `{"function":"probe","revision":"r1","requestId":"q7","deadlineMs":5000,"attempt":1,`+
		`"trigger":{"type":"http","method":"POST","headers":{"x-a":"b"},"query":{"k":["1","2"]},"ip":"::1"},`+
		`"auth":{"id":"u1","email":"a@b.c","role":"user","metadata":{"k":1}},"input":{"op":"context"}}`)
	m, _ := h.answer(id)
	var result struct {
		Output struct {
			Auth, Env, Request, Function json.RawMessage
			MS                           int
		}
	}
	must(t, json.Unmarshal(m.Result, &result))
	o := result.Output
	if string(o.Auth) != `{"ID":"u1","Email":"a@b.c","Role":"user","Verified":false,"Metadata":{"k":1}}` ||
		string(o.Env) != `{"KEY":"value"}` || string(o.Function) != `{"Name":"probe","Revision":"r1"}` ||
		string(o.Request) != `{"ID":"q7","Method":"POST","Headers":{"x-a":"b"},"Query":{"k":["1","2"]},"IP":"::1"}` ||
		o.MS < 3000 || o.MS > 5000 {
		t.Fatalf("%s", m.Result)
	}
}

func TestTheProcessEnvironmentHidesTheHost(t *testing.T) {
	h := ready(t)
	if m, _ := h.answer(h.invoke(`{"op":"environ"}`)); strings.Contains(string(m.Result), "ALYX") || !strings.Contains(string(m.Result), "PATH=") {
		t.Fatalf("%s", m.Result)
	}
}

func TestStdioHidesTheFramesFromTheFunction(t *testing.T) {
	h := start(t, viaStdio, shimBinary, "worker")
	h.hello()
	h.load()
	if m, _ := h.answer(h.invoke(`{"op":"stdin"}`)); string(m.Result) != `{"output":""}` {
		t.Fatalf("%+v", m)
	}
}

func TestErrorsBecomeWireErrors(t *testing.T) {
	h := ready(t)
	for op, want := range map[string]string{
		"plain":  `{"code":-32020,"message":"it broke","data":{"code":"FUNCTION_ERROR"}}`,
		"coded":  `{"code":-32020,"message":"Email is required","data":{"code":"VALIDATION_ERROR","details":{"code":"MINE","field":"email","status":422},"stack":"saving: Email is required"}}`,
		"db":     `{"code":-32020,"message":"the host offers no database","data":{"code":"UNAVAILABLE"}}`,
		"nan":    `{"code":-32027,"message":"result.items[1]: NaN cannot be written as JSON","data":{"code":"RESULT_NOT_SERIALIZABLE"}}`,
		"chan":   `{"code":-32027,"message":"result.pipe: chan int cannot be written as JSON","data":{"code":"RESULT_NOT_SERIALIZABLE"}}`,
		"cycle":  `{"code":-32027,"message":"result.self: a value that contains itself (map[string]interface {}) cannot be written as JSON","data":{"code":"RESULT_NOT_SERIALIZABLE"}}`,
		"goexit": `{"code":-32020,"message":"the handler called runtime.Goexit","data":{"code":"FUNCTION_ERROR"}}`,
	} {
		m, _ := h.answer(h.invoke(fmt.Sprintf(`{"op":%q}`, op)))
		got, err := json.Marshal(m.Error)
		must(t, err)
		if string(got) != want {
			t.Errorf("%s:\n got %s\nwant %s", op, got, want)
		}
	}
	m, _ := h.answer(h.invoke(`{"op":"bind","nested":{"count":"three"}}`))
	if m.Error == nil || m.Error.Data.Code != "INVALID_INPUT" || !strings.Contains(m.Error.Message, "nested.count") && !strings.Contains(m.Error.Message, "Nested.Count") {
		t.Errorf("bind: %+v", m.Error)
	}
	if m, _ = h.answer(h.invoke(`{"op":"bind","nested":{"count":3}}`)); string(m.Result) != `{"output":3}` {
		t.Errorf("bind: %+v", m)
	}
}

func TestALargeAnswerIsRefusedAndTheWorkerServesOn(t *testing.T) {
	h := ready(t)
	m, _ := h.answer(h.invoke(`{"op":"big","n":9000000}`))
	if m.Error == nil || m.Error.Code != wire.CodeFrameTooLarge {
		t.Fatalf("%+v", m.Error)
	}
	if m, _ := h.answer(h.invoke(`{"op":"big","n":1000000}`)); len(m.Result) != len(`{"output":""}`)+6*1000000 {
		t.Fatalf("%d bytes, %+v", len(m.Result), m.Error)
	}
}
