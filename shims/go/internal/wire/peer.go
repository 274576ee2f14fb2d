package wire

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
)

// maxBadFrames is how many unreadable frames in a row end the connection.
const maxBadFrames = 8

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
	slots   Slots // of our syscalls
	lastID  atomic.Int64

	mu         sync.Mutex
	unanswered map[int64]*Syscall
	stopped    bool
}

// Limits are what the other side takes.
type Limits struct {
	MaxFrame int // bytes of a payload
	MaxCalls int // unanswered syscalls
}

// NewPeer speaks over frames and out; stuck is called when a write blocks for
// too long. Ids start behind 1, which the handshake has used.
func NewPeer(frames *Reader, out io.Writer, limits Limits, stuck func()) *Peer {
	p := &Peer{
		frames: frames, out: newWriter(out, stuck), maxSend: limits.MaxFrame,
		slots: NewSlots(limits.MaxCalls), unanswered: make(map[int64]*Syscall),
	}
	p.lastID.Store(1)
	return p
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

func (p *Peer) stop() {
	p.out.close()
	p.settleAll()
}
