package shim

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/watzon/alyx/internal/capture"
)

// Invocation is one running call: what was asked, its log, and its end.
type Invocation struct {
	*Call
	ID  int64
	Env map[string]string

	log journal
	tag atomic.Pointer[capture.Tag] // marks the goroutines of this call

	mu        sync.Mutex
	ctx       context.Context // made when the handler first asks
	stop      context.CancelFunc
	cancelled bool // the host asked for it
	over      bool // the handler has returned
}

// Context is done at the deadline, when the host cancels, and when the handler
// has returned. Most handlers never ask for it, and then it costs nothing.
func (inv *Invocation) Context() context.Context {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	if inv.ctx == nil {
		inv.ctx, inv.stop = context.WithDeadline(context.Background(), inv.Deadline)
		if inv.cancelled || inv.over {
			inv.stop()
		}
	}
	return inv.ctx
}

// cancel tells the handler to stop; it is answered when it has.
func (inv *Invocation) cancel() {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	inv.cancelled = true
	if inv.stop != nil {
		inv.stop()
	}
}

// finish ends the context and reports whether the host had cancelled.
func (inv *Invocation) finish() (cancelled bool) {
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
