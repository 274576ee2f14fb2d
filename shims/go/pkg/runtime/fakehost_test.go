package runtime

import (
	"fmt"
	"net"
	"time"

	"github.com/watzon/alyx/internal/shim"
	"github.com/watzon/alyx/internal/wire"
)

// Syscall is a request of the function, as FakeHost sees it.
type Syscall struct{ Method, Params string }

// FakeHost runs a handler with a database that answer plays: it returns the
// member `"result":…` or `"error":…` of each answer, "" to stay silent.
// Exported for the examples, which are in another package.
func FakeHost(answer func(Syscall) string) *Invoked {
	return FakeHostWith(shim.Session{MaxCalls: 256, MaxCallsPerInvocation: 32, Capabilities: []string{"db", "batch"}}, answer)
}

// FakeHostWith is FakeHost with other limits and capabilities.
func FakeHostWith(session shim.Session, answer func(Syscall) string) *Invoked {
	ours, theirs := net.Pipe()
	session.MaxFrame, session.MaxLogEntry, session.MaxLogBytes = 1<<20, 1<<14, 1<<18
	limits := wire.Limits{MaxFrame: session.MaxFrame, MaxCalls: session.MaxCalls}
	peer := wire.NewPeer(wire.NewReader(ours, 1<<20), ours, limits, func() { panic("stuck") })
	inv := shim.NewInvocation(7, nil, peer, &session)
	inv.Call = &shim.Call{Function: "f", Revision: "r", Deadline: time.Now().Add(time.Minute), Input: map[string]any{}}
	go func() { _ = peer.Run(wire.Methods{}) }()
	go play(theirs, answer)
	return &Invoked{Context: newContext(inv), inv: inv, conn: theirs}
}

// Invoked is a running invocation.
type Invoked struct {
	*Context
	inv  *shim.Invocation
	conn net.Conn
}

// play answers until the connection ends.
func play(conn net.Conn, answer func(Syscall) string) {
	frames := wire.NewReader(conn, 1<<20)
	for {
		payload, err := frames.Next()
		if err != nil {
			return
		}
		m, fault := wire.Parse(payload)
		if fault != nil {
			panic(fault)
		}
		text := answer(Syscall{m.Method, string(m.Params)})
		if text == "" {
			continue
		}
		frame := fmt.Appendf(wire.BeginFrame(nil), `{"jsonrpc":"2.0","id":%d,%s}`, m.ID, text)
		wire.EndFrame(frame, 0)
		if _, err := conn.Write(frame); err != nil {
			return
		}
	}
}
