package shim

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/watzon/alyx/internal/capture"
	"github.com/watzon/alyx/internal/wire"
)

// Invocation is one running call: what was asked, its log, and its end.
type Invocation struct {
	*Call
	ID  int64
	Env map[string]string

	peer    *wire.Peer
	session *Session
	log     journal
	tag     atomic.Pointer[capture.Tag] // marks the goroutines of this call

	mu        sync.Mutex
	ctx       context.Context // made when the handler first asks
	stop      context.CancelFunc
	slots     wire.Slots // of its syscalls, made at the first
	cancelled bool       // the host asked for it
	over      bool       // the handler has returned
}

// NewInvocation is the one that request id of the host begins. Its Call is set
// once it is decoded.
func NewInvocation(id int64, env map[string]string, peer *wire.Peer, s *Session) *Invocation {
	return &Invocation{ID: id, Env: env, peer: peer, session: s, log: newJournal(id, peer, s)}
}

// Context is done at the deadline, when the host cancels, and when the handler
// has returned. Most handlers never ask for it, and then it costs nothing.
func (inv *Invocation) Context() context.Context {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	return inv.context()
}

// context is Context with mu held.
func (inv *Invocation) context() context.Context {
	if inv.ctx == nil {
		inv.ctx, inv.stop = context.WithDeadline(context.Background(), inv.Deadline)
		if inv.cancelled || inv.over {
			inv.stop()
		}
	}
	return inv.ctx
}

// Cancel tells the handler to stop; it is answered when it has.
func (inv *Invocation) Cancel() {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	inv.cancelled = true
	if inv.stop != nil {
		inv.stop()
	}
}

// Finish ends the context and reports whether the host had cancelled.
func (inv *Invocation) Finish() (cancelled bool) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	inv.over = true
	if inv.stop != nil {
		inv.stop()
	}
	return inv.cancelled
}

// Log adds one entry to the invocation's log and returns when it has left the
// process. fields is a JSON object or nil. It reports false once the
// invocation is over, when the host would no longer know where it belongs.
func (inv *Invocation) Log(level, message string, fields []byte) bool {
	return inv.log.add(level, message, fields)
}
