package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
)

const (
	// maxCalls bounds our own unanswered requests; further ones wait.
	maxCalls = 256
	// maxBadFrames is how many unreadable frames in a row end the connection.
	maxBadFrames = 8
)

// Methods is what a peer serves. Both functions run on the reading goroutine
// and must not block it. A request has to be answered exactly once, by
// Peer.Result, Peer.Fail or a frame of the caller's own.
type Methods struct {
	Requests      map[string]func(id int64, params []byte)
	Notifications map[string]func(params []byte)
}

// Peer is one live connection: it reads, dispatches, and sends in order.
type Peer struct {
	frames  *Reader
	out     *writer
	maxSend int
	slots   chan struct{} // one for each unanswered request of ours

	mu      sync.Mutex
	nextID  int64
	calls   map[int64]chan answer
	stopped bool
}

type answer struct {
	result []byte
	err    *Error
}

// NewPeer speaks over frames and out. maxSend is the largest payload that the
// other side takes; stuck is called when a write blocks for too long. Ids
// start behind 1, which the handshake has used.
func NewPeer(frames *Reader, out io.Writer, maxSend int, stuck func()) *Peer {
	return &Peer{
		frames: frames, out: newWriter(out, stuck), maxSend: maxSend,
		slots:  make(chan struct{}, maxCalls),
		nextID: 2, calls: make(map[int64]chan answer),
	}
}

// Run reads and dispatches until the stream ends (nil) or is beyond use.
func (p *Peer) Run(methods Methods) error {
	defer p.stop()
	bad := 0
	for {
		payload, err := p.frames.Next()
		switch {
		case err == nil:
		case errors.Is(err, ErrOversize):
			p.Fail(0, NewError(CodeFrameTooLarge, err.Error()))
			bad = 0
			continue
		case ended(err):
			return nil
		default:
			return err
		}
		m, fault := Parse(payload)
		if fault == nil {
			bad = 0
			p.dispatch(m, methods)
			continue
		}
		p.Refuse(m, fault)
		if fault.Code != CodeParse {
			bad = 0
		} else if bad++; bad == maxBadFrames {
			return fmt.Errorf("%d unreadable frames in a row; the other side does not speak protocol v1", bad)
		}
	}
}

// ended tells a host that is gone from a stream that makes no sense.
func ended(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, net.ErrClosed)
}

func (p *Peer) dispatch(m Message, methods Methods) {
	switch m.Shape {
	case Answer:
		p.settle(m)
	case Notification:
		if handle := methods.Notifications[m.Method]; handle != nil {
			handle(m.Params)
		}
	case Request:
		handle := methods.Requests[m.Method]
		if handle == nil {
			p.Fail(m.ID, NewError(CodeMethodNotFound, fmt.Sprintf("method %q is not served here", m.Method)))
			return
		}
		handle(m.ID, m.Params)
	}
}

// Refuse answers a frame that is no message. A broken answer gets none: two
// peers must not complain about each other's complaints.
func (p *Peer) Refuse(m Message, fault *ParseError) {
	if m.Result == nil && m.Err == nil {
		p.Fail(fault.ID, NewError(fault.Code, fault.Text))
	}
}

// Result answers request id with a JSON object.
func (p *Peer) Result(id int64, object []byte) { p.AnswerFrame(id, AppendResultFrame(nil, id, object)) }

// Fail answers request id with an error; id 0 is sent as null. A connection
// that is gone needs no answer, so that no error is returned.
func (p *Peer) Fail(id int64, e *Error) { _ = p.out.send(AppendErrorFrame(nil, id, e)) }

// Finish answers request id with an empty object and returns when the answer
// has left the process.
func (p *Peer) Finish(id int64) { _ = p.out.sendNow(AppendResultFrame(nil, id, []byte("{}"))) }

// AnswerFrame sends a finished answer to request id, or says that it is larger
// than the other side takes.
func (p *Peer) AnswerFrame(id int64, frame []byte) {
	if size := PayloadSize(frame, 0); size > p.maxSend {
		p.Fail(id, NewError(CodeFrameTooLarge,
			fmt.Sprintf("the answer is %d bytes, at most %d fit into a frame", size, p.maxSend)))
		return
	}
	_ = p.out.send(frame)
}

// Notify sends a notification and returns when it has left the process.
func (p *Peer) Notify(method string, params []byte) error {
	return p.out.sendNow(AppendCallFrame(nil, 0, method, params))
}

// Call sends a request and waits for its answer, for ctx or for the end of
// the connection.
func (p *Peer) Call(ctx context.Context, method string, params []byte) (json.RawMessage, error) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	id, settled, err := p.register()
	if err != nil {
		return nil, err
	}
	defer p.forget(id)
	frame := AppendCallFrame(nil, id, method, params)
	if size := PayloadSize(frame, 0); size > p.maxSend {
		return nil, NewError(CodeFrameTooLarge, fmt.Sprintf("the request is %d bytes, at most %d fit into a frame", size, p.maxSend))
	}
	if err := p.out.send(frame); err != nil {
		return nil, err
	}
	select {
	case a, ok := <-settled:
		if !ok {
			return nil, ErrClosed
		}
		if a.err != nil {
			return nil, a.err
		}
		return a.result, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *Peer) register() (int64, chan answer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return 0, nil, ErrClosed
	}
	id := p.nextID
	p.nextID++
	settled := make(chan answer, 1)
	p.calls[id] = settled
	return id, settled, nil
}

func (p *Peer) forget(id int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.calls, id)
}

// settle hands an answer to who waits for it. Late answers and answers to
// nothing are dropped.
func (p *Peer) settle(m Message) {
	p.mu.Lock()
	settled := p.calls[m.ID]
	delete(p.calls, m.ID)
	p.mu.Unlock()
	if settled == nil {
		return
	}
	if m.Err != nil && string(m.Err) != "null" {
		settled <- answer{err: DecodeError(m.Err)}
		return
	}
	settled <- answer{result: m.Result}
}

func (p *Peer) stop() {
	p.out.close()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	for id, settled := range p.calls {
		close(settled)
		delete(p.calls, id)
	}
}
