package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/watzon/alyx/internal/wire"
)

const examplesDir = "../../../../protocol/v1/examples"

type example struct {
	path       string
	From, Kind string
	Message    json.RawMessage
}

// examples reads the golden messages that match, and fails without any.
func examples(t *testing.T, pattern string) (list []example) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(examplesDir, pattern))
	must(t, err)
	if len(paths) == 0 {
		t.Fatalf("no examples match %s under %s", pattern, examplesDir)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		must(t, err)
		e := example{path: strings.TrimPrefix(path, examplesDir+"/")}
		must(t, json.Unmarshal(text, &e))
		list = append(list, e)
	}
	return list
}

// Whatever the host sends by the examples is understood: a request is answered,
// and not as one that is broken or unknown.
func TestHostExamplesAreUnderstood(t *testing.T) {
	methods := 0
	for _, method := range []string{"load", "unload", "invoke", "cancel", "ping", "shutdown", "profile"} {
		for _, e := range examples(t, method+"/*.json") {
			if e.From == "host" && (e.Kind == "request" || e.Kind == "notification") {
				t.Run(e.path, func(t *testing.T) { checkHostExample(t, e) })
				methods++
			}
		}
	}
	if methods < 10 {
		t.Fatalf("only %d examples of what a host sends", methods)
	}
}

func checkHostExample(t *testing.T, e example) {
	h := ready(t)
	h.send(string(e.Message))
	var sent struct {
		ID     int64
		Method string
	}
	must(t, json.Unmarshal(e.Message, &sent))
	if e.Kind == "request" {
		m, _ := h.answer(sent.ID)
		if m.Error != nil && m.Error.Code <= wire.CodeInvalidRequest { // JSON-RPC's own
			t.Fatalf("%s: %v", e.Message, m.Error)
		}
	}
	if sent.Method == "shutdown" {
		h.closed()
		return
	}
	h.send(`{"jsonrpc":"2.0","id":4711,"method":"ping"}`)
	if m, _ := h.answer(4711); string(m.Result) != "{}" {
		t.Fatalf("after %s: %+v", e.Message, m)
	}
}

// free marks members whose content is the function's own.
var free = []string{"params.entries[].fields", "params.capabilities", "result.schema", "result.output", "error.data.details"}

// shape lists the paths of a value with their types, such as "params.inv number".
func shape(path string, value any, add func(string)) {
	for _, f := range free {
		if path == f {
			return
		}
	}
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			shape(strings.TrimPrefix(path+"."+name, "."), member, add)
		}
	case []any:
		for _, element := range v {
			shape(path+"[]", element, add)
		}
	default:
		add(fmt.Sprintf("%s %T", path, value))
	}
}

// TestWhatTheShimSendsLooksLikeTheExamples compares shapes: nothing that no
// example has, nothing missing that all examples have.
func TestWhatTheShimSendsLooksLikeTheExamples(t *testing.T) {
	for dir, kinds := range record(t) {
		for kind, messages := range kinds {
			possible, required := exampleShapes(t, dir, kind)
			for _, text := range messages {
				var value any
				must(t, json.Unmarshal(text, &value))
				has := map[string]bool{}
				shape("", value, func(p string) { has[p] = true })
				for p := range has {
					if !possible[p] {
						t.Errorf("%s %s: no example has %q: %s", dir, kind, p, text)
					}
				}
				for p := range required {
					if !has[p] {
						t.Errorf("%s %s: every example has %q: %s", dir, kind, p, text)
					}
				}
			}
		}
	}
}

func exampleShapes(t *testing.T, dir, kind string) (possible, required map[string]bool) {
	t.Helper()
	possible, required = map[string]bool{}, nil
	for _, e := range examples(t, dir+"/*.json") {
		if e.From != "shim" || e.Kind != kind {
			continue
		}
		var value any
		must(t, json.Unmarshal(e.Message, &value))
		has := map[string]bool{}
		shape("", value, func(p string) { has[p], possible[p] = true, true })
		if required == nil {
			required = has
		}
		for p := range required {
			if !has[p] {
				delete(required, p)
			}
		}
	}
	if len(required) == 0 {
		t.Fatalf("no example of a %s of %s", kind, dir)
	}
	return possible, required
}

// record makes the shim send one of everything.
func record(t *testing.T) map[string]map[string][]json.RawMessage {
	t.Helper()
	h := start(t, viaUnix, shimBinary, "worker")
	sent := map[string]map[string][]json.RawMessage{
		"hello": {"request": {h.next().raw}}, "load": {}, "invoke": {}, "log": {}, "ping": {}, "shutdown": {}, "unload": {}, "profile": {},
	}
	keep := func(dir string, m message) {
		kind := "response"
		if m.Error != nil {
			kind = "error"
		}
		sent[dir][kind] = append(sent[dir][kind], m.raw)
	}
	h.send(helloReply)
	h.request("load", `{"function":"f","revision":"r","path":"/nope","env":{}}`)
	keep("load", h.next())
	keep("load", h.load())
	for _, op := range []string{"print", "logs", "flood", "plain", "coded", "nan"} {
		id := h.invoke(fmt.Sprintf(`{"op":%q}`, op))
		m := h.next()
		for ; m.Method == "log"; m = h.next() {
			sent["log"]["notification"] = append(sent["log"]["notification"], m.raw)
		}
		if *m.ID != id {
			t.Fatalf("%s", m.raw)
		}
		keep("invoke", m)
	}
	h.request("nope", `{}`)
	keep("profile", h.next())
	h.send(`{`)
	keep("profile", h.next())
	h.request("ping", `{}`)
	keep("ping", h.next())
	h.request("unload", `{"function":"probe","revision":"r1"}`)
	keep("unload", h.next())
	h.request("unload", `{"function":"probe","revision":"r1"}`)
	keep("unload", h.next())
	h.request("shutdown", `{}`)
	keep("shutdown", h.next())
	return sent
}
