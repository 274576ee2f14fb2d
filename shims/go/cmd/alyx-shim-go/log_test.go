package main

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestPrintsBecomeEntries(t *testing.T) {
	h := ready(t)
	_, log := h.answer(h.invoke(`{"op":"print"}`))
	want := []string{
		`stdout info "one" `, `stdout info "two" `, `stderr warn "three" `, `stdout info "four" `, `stdout info "five" `,
		`stderr warn "six" `, `stdout info "bytes �\x00" `, `stdout info "unfinished" `,
	}
	for i := range want {
		got := ""
		if i < len(log) {
			got = log[i].String()
		}
		if strings.Contains(got, "six") {
			got = `stderr warn "six" `
		}
		if got != want[i] {
			t.Errorf("entry %d: got %s, want %s", i, got, want[i])
		}
	}
}

func TestTopLevelCodePrintsOutsideOfAnyInvocation(t *testing.T) {
	chatty := buildFunction(t, "chatty")
	for _, transport := range []string{viaUnix, viaStdio} {
		for _, program := range [][]string{{shimBinary, "worker"}, {chatty}} {
			h := start(t, transport, program...)
			h.hello()
			id := h.request("load", fmt.Sprintf(`{"function":"chatty","revision":"1","path":%q,"env":{}}`, chatty))
			_, log := h.answerWithLogOf(id, 0)
			if fmt.Sprint(log) != `[stdout info "loading, token \"\""  stderr warn "unfinished" ]` {
				t.Fatalf("%s %s: %v", transport, program, log)
			}
			id = h.request("invoke", `{"function":"chatty","revision":"1","input":[1]}`)
			if m, log := h.answer(id); string(m.Result) != `{"output":["hello",[1],{}]}` || len(log) != 1 {
				t.Fatalf("%s %v", m.Result, log)
			}
		}
	}
}

func TestPipesStandInForTheHook(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	if out, err := exec.Command("go", "build", "-o", plain, "./testdata/plain").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	h := start(t, viaUnix, shimBinary, "worker")
	h.hello()
	m, log := h.answerWithLogOf(h.request("load", fmt.Sprintf(`{"function":"plain","revision":"1","path":%q,"env":{}}`, plain)), 0)
	if len(log) != 1 || log[0].Msg != "starting" || !strings.Contains(string(m.Result), `"warnings":["`) {
		t.Fatalf("%s %v", m.Result, log)
	}
	for range 50 {
		m, log := h.answer(h.request("invoke", `{"function":"plain","revision":"1"}`))
		if string(m.Result) != `{"output":"ok"}` || len(log) != 4 {
			t.Fatalf("%s %v", m.Result, log)
		}
	}
	wait := `{"function":"plain","revision":"1","input":{"wait":true}}`
	first := h.request("invoke", wait)
	if log := entries(t, h.next(), first); log[0].Msg != "waiting" {
		t.Fatalf("%v", log)
	}
	h.request("invoke", wait) // two at once: nobody knows whose the line is
	for began := time.Now(); h.stdout.String() != "waiting\n"; {
		if time.Since(began) > patience {
			t.Fatalf("stdout: %q", h.stdout)
		}
		h.request("ping", "{}")
		if m := h.next(); m.Method == "log" {
			t.Fatalf("attributed: %s", m.raw)
		}
	}
}

// Each line carries the id that the test gave its call; under concurrency none
// may turn up in another call's log, nor outside of any.
func TestPrintsReachTheRightInvocation(t *testing.T) {
	h := ready(t)
	const calls = 200
	first := h.nextID
	for i := range int64(calls) {
		h.invoke(fmt.Sprintf(`{"op":"prefix","id":"call-%d"}`, first+i))
	}
	lines, answered := map[int64]int{}, 0
	for answered < calls {
		m := h.next()
		if m.Method != "log" {
			if want := fmt.Sprintf(`{"output":"call-%d"}`, *m.ID); string(m.Result) != want || lines[*m.ID] != 22 {
				t.Fatalf("answer %s with %d lines, want %s", m.Result, lines[*m.ID], want)
			}
			answered++
			continue
		}
		var p struct{ Inv int64 }
		must(t, json.Unmarshal(m.Params, &p))
		for _, e := range entries(t, m, anyCall) {
			if !strings.HasPrefix(e.Msg, fmt.Sprintf("call-%d ", p.Inv)) {
				t.Fatalf("invocation %d got %q", p.Inv, e.Msg)
			}
			lines[p.Inv]++
		}
	}
	if out := h.stdout.String(); out != "" {
		t.Fatalf("the worker's own output got %q", out)
	}
}

func TestAFloodIsCutAndCounted(t *testing.T) {
	h := ready(t)
	m, log := h.answer(h.invoke(`{"op":"flood"}`))
	last := log[len(log)-1]
	if string(m.Result) != `{"output":"done"}` || last.dropped != 100_000-(len(log)-1) || len(log) < 2000 {
		t.Fatalf("%s, %d entries, %d dropped", m.Result, len(log), last.dropped)
	}
}

func TestLogFieldsNeverFail(t *testing.T) {
	h := ready(t)
	_, log := h.answer(h.invoke(`{"op":"logs"}`))
	if len(log) != 4 {
		t.Fatalf("%v", log)
	}
	for i, want := range []string{
		` debug "d" `,
		` warn "w" {"a":1,"g":{"b":"x","err":"e","took":"1s"}}`,
		` error "e" {"bad":"[chan int cannot be written: json: unsupported type: chan int]","nan":"[float64 cannot be written: json: unsupported value: NaN]","h":{"c":[1]}}`,
	} {
		if got := log[i].String(); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
	if long := log[3].Msg; len(long) > 16384 || !strings.HasSuffix(long, " bytes]") || !strings.Contains(long, "…[cut, 36") {
		t.Errorf("%d bytes, end %q", len(long), long[len(long)-40:])
	}
}

func TestOutputAfterTheAnswerIsTheWorkers(t *testing.T) {
	h := ready(t)
	m, log := h.answer(h.invoke(`{"op":"late"}`))
	if string(m.Result) != `{"output":"early"}` || len(log) != 0 {
		t.Fatalf("%s %v", m.Result, log)
	}
	if _, log := h.answer(h.invoke(`{"op":"after"}`)); len(log) != 0 {
		t.Fatalf("another invocation's log got %v", log)
	}
	h.request("shutdown", `{"graceMs":200}`)
	h.exitCode()
	if out := h.stdout.String(); out != "late print\n" {
		t.Errorf("stdout: %q", out)
	}
	if out := h.stderr.String(); out != "info after the invocation has ended: too late {\"n\":1}\n" {
		t.Errorf("stderr: %q", out)
	}
}
