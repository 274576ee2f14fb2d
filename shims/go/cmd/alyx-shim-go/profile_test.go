package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/watzon/alyx/internal/wire"
)

func TestProfileErrorsAreAnswered(t *testing.T) {
	h := ready(t)
	for _, c := range []struct{ send, want string }{
		{`{"jsonrpc":"2.0","id":3,"method":"nope"}`, `3 -32601`},
		{`{"jsonrpc":"1.0","id":4,"method":"ping"}`, `4 -32600`},
		{`{"jsonrpc":"2.0","id":"x","method":"ping"}`, `null -32600`},
		{`{"jsonrpc":"2.0","id":1.5,"method":"ping"}`, `null -32600`},
		{`[{"jsonrpc":"2.0","id":4,"method":"ping"}]`, `null -32600`},
		{`{"jsonrpc":"2.0","ID":4,"METHOD":"ping","id":5,"method":"nope"}`, `5 -32601`},
		{`{"jsonrpc":"2.0","id":9007199254740991,"method":"nope"}`, `9007199254740991 -32601`},
		{`{"jsonrpc":"2.0","id":6,"method":"nope","result":{}}`, `6 -32601`},
		{``, `null -32700`},
		{`{"jsonrpc"`, `null -32700`},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}", `null -32700`},
	} {
		h.send(`{"jsonrpc":"2.0","method":"unknown.notification"}`)
		h.send(`{"jsonrpc":"2.0","id":77,"result":{}}`)
		h.send(`{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"","data":{}}}`)
		h.send(c.send)
		m := h.next()
		id := "null"
		if m.ID != nil {
			id = fmt.Sprint(*m.ID)
		}
		if got := fmt.Sprint(id, " ", m.Error.Code); got != c.want {
			t.Errorf("%s: got %s, want %s", c.send, got, c.want)
		}
	}
	h.raw(append([]byte{0, 0xff, 0xff, 0xff}, make([]byte, wire.MaxFrame)...))
	if m := h.next(); m.ID != nil || m.Error.Code != wire.CodeFrameTooLarge {
		t.Fatalf("oversize: %+v", m)
	}
	for range 8 {
		h.send("{")
		if m := h.next(); m.Error.Code != wire.CodeParse {
			t.Fatalf("%+v", m)
		}
	}
	h.closed()
	h.exitCode()
}

func TestGarbageClosesTheConnection(t *testing.T) {
	h := ready(t)
	h.raw([]byte("GET / HTTP/1.1\r\n"))
	h.closed()
	if code := h.exitCode(); code != 1 || !strings.Contains(h.stderr.String(), "0x47") {
		t.Fatalf("exit %d: %s", code, h.stderr)
	}
}

func TestHandshakeFailures(t *testing.T) {
	refused := start(t, viaUnix, shimBinary, "worker")
	refused.next()
	refused.send(`{"jsonrpc":"2.0","id":8,"method":"ping"}`)
	if m := refused.next(); m.Error == nil || m.Error.Code != wire.CodeNotReady {
		t.Fatalf("%+v", m)
	}
	refused.send(`{"jsonrpc":"2.0","id":1,"error":{"code":-32031,"message":"bad token","data":{"code":"UNAUTHENTICATED"}}}`)
	if code := refused.exitCode(); code != 1 || !strings.Contains(refused.stderr.String(), "bad token") {
		t.Fatalf("exit %d: %s", code, refused.stderr)
	}
	silent := start(t, viaUnix, probeBinary)
	if code := silent.exitCode(); code != 1 || strings.Count(silent.stderr.String(), "\n") != 1 {
		t.Fatalf("exit %d: %s", code, silent.stderr)
	}
}
