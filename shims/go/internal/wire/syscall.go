package wire

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
)

// keepSyscall is the largest buffer kept for the next syscall.
const keepSyscall = 64 << 10

// Syscall is a request of ours in the making. NewSyscall has written its head;
// the caller appends the params, one JSON object, to Frame. Then it goes to Do
// or, where there is nothing to ask after all, to Drop.
type Syscall struct {
	Frame []byte

	id      int64
	own     Slots
	settled chan answer
}

type answer struct {
	result []byte
	err    error
}

// Slots bounds how many syscalls are unanswered at once: there is one place for
// each. Those beyond wait in the order in which they came.
type Slots chan struct{}

// NewSlots makes n places.
func NewSlots(n int) Slots { return make(Slots, n) }

// SizeError reports a request that the other side would not read.
type SizeError struct{ Size, Limit int }

func (e *SizeError) Error() string {
	return fmt.Sprintf("the request is %d bytes, at most %d fit into a frame", e.Size, e.Limit)
}

// syscalls that are done. Their channels are empty: each gets one answer.
var syscalls = sync.Pool{New: func() any { return &Syscall{settled: make(chan answer, 1)} }}

// NewSyscall begins a request. The method is one of ours and needs no escape.
func (p *Peer) NewSyscall(method string) *Syscall {
	r := syscalls.Get().(*Syscall)
	r.id = p.lastID.Add(1)
	r.Frame = append(BeginFrame(r.Frame[:0]), `{"jsonrpc":"2.0","id":`...)
	r.Frame = append(strconv.AppendInt(r.Frame, r.id, 10), `,"method":"`...)
	r.Frame = append(append(r.Frame, method...), `","params":`...)
	return r
}

// Drop gives up a request that was not sent. Its id stays unused.
func (r *Syscall) Drop() {
	r.own = nil
	if cap(r.Frame) <= keepSyscall {
		syscalls.Put(r)
	}
}

// Do sends r and waits for its result, for ctx or for the end of the
// connection. r takes a place in own and in the peer's slots until the answer
// is there, also when ctx ends the wait before. The result is the caller's to
// keep; r is not, from here on.
func (p *Peer) Do(ctx context.Context, r *Syscall, own Slots) ([]byte, error) {
	r.Frame = append(r.Frame, '}')
	if size := PayloadSize(r.Frame, 0); size > p.maxSend {
		r.Drop()
		return nil, &SizeError{size, p.maxSend}
	}
	EndFrame(r.Frame, 0)
	r.own = own
	if err := p.begin(ctx, r); err != nil {
		r.Drop()
		return nil, err
	}
	if err := p.out.send(r.Frame); err != nil {
		return nil, err // the reader finds out too, and settles r
	}
	select {
	case a := <-r.settled:
		r.Drop()
		return a.result, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// begin takes r's slots and registers it for its answer.
func (p *Peer) begin(ctx context.Context, r *Syscall) error {
	if err := r.own.take(ctx); err != nil {
		return err
	}
	if err := p.slots.take(ctx); err != nil {
		r.own.free()
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	err := ctx.Err() // may have ended while both were there to choose
	if p.stopped {
		err = ErrClosed
	}
	if err != nil {
		p.slots.free()
		r.own.free()
		return err
	}
	p.unanswered[r.id] = r
	return nil
}

func (s Slots) take(ctx context.Context) error {
	select {
	case s <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s Slots) free() { <-s }

var errNoResult = errors.New("the answer has no result")

// settle hands an answer to who waits for it. Late answers and answers to
// nothing are dropped.
func (p *Peer) settle(m Message) {
	p.mu.Lock()
	r := p.unanswered[m.ID]
	delete(p.unanswered, m.ID)
	p.mu.Unlock()
	if r == nil {
		return
	}
	switch {
	case m.Err != nil && string(m.Err) != "null":
		p.end(r, answer{err: DecodeError(m.Err)})
	case m.Result == nil:
		p.end(r, answer{err: errNoResult})
	default:
		p.end(r, answer{result: m.Result})
	}
}

// end gives r's places and its answer away, and with the answer r itself.
func (p *Peer) end(r *Syscall, a answer) {
	p.slots.free()
	r.own.free()
	r.settled <- a
}

// settleAll tells those who wait that nothing will come any more.
func (p *Peer) settleAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	for id, r := range p.unanswered {
		delete(p.unanswered, id)
		p.end(r, answer{err: ErrClosed}) // who waits for its places finds out by taking them
	}
}
