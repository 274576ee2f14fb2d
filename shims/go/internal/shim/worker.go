// Package shim is a worker process: it joins the host, serves the protocol's
// methods, and runs one function, which it knows only as a Go func.
package shim

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/watzon/alyx/internal/capture"
	"github.com/watzon/alyx/internal/wire"
)

// Function is the code that this process holds.
type Function struct {
	// Handle runs the handler. An error comes ready for the wire.
	Handle func(*Invocation) (output any, fault *wire.Error)
	// Schema is what the package declares, nil for nothing.
	Schema any
}

// Worker is one process of the pool. Without a function it is a blank one,
// which turns into a function's binary when it is told to load.
type Worker struct {
	link      *link
	inherited *inherited // from the launcher that this process was
	frames    *wire.Reader
	peer      *wire.Peer
	session   Session
	function  *Function // nil in a blank worker

	held       atomic.Pointer[loadRequest] // set once, by load
	loadResult []byte
	loadLog    journal // what is printed before load is answered
	warnings   []string
	drainPipes func() // waits for prints on their way, where they take one

	mu       sync.Mutex
	running  map[int64]*Invocation
	draining bool
	active   sync.WaitGroup // invocations not yet answered
}

func newWorker(l *link, frames *wire.Reader, s Session) *Worker {
	w := &Worker{
		link: l, frames: frames, session: s,
		running: map[int64]*Invocation{}, drainPipes: func() {},
	}
	w.peer = wire.NewPeer(frames, l.out, wire.Limits{MaxFrame: s.MaxFrame, MaxCalls: s.MaxCalls}, dieStuck)
	w.loadLog = newJournal(0, w.peer, &w.session)
	return w
}

func (w *Worker) methods() wire.Methods {
	return wire.Methods{
		Requests: map[string]func(int64, []byte){
			"ping":     func(id int64, _ []byte) { w.peer.Result(id, []byte("{}")) },
			"load":     w.load,
			"unload":   w.unload,
			"invoke":   w.invoke,
			"shutdown": w.shutdown,
		},
		Notifications: map[string]func([]byte){
			"cancel": w.cancel,
		},
	}
}

// invoke registers the call before anything else can be read, so that a cancel
// right behind it finds it, and runs it on a goroutine of its own.
func (w *Worker) invoke(id int64, params []byte) {
	held := w.held.Load()
	if held == nil { // answered here and now: the next frame may replace this process
		_, fault := decodeFor(&loadRequest{}, params)
		w.peer.Fail(id, fault)
		return
	}
	inv := NewInvocation(id, held.env, w.peer, &w.session)
	if refusal := w.register(inv); refusal != nil {
		w.peer.Fail(id, refusal)
		return
	}
	go w.run(inv, held, params)
}

var shuttingDown = wire.NewError(wire.CodeNotReady, "this worker is shutting down")

func (w *Worker) register(inv *Invocation) *wire.Error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.draining:
		return shuttingDown
	case w.running[inv.ID] != nil:
		return wire.NewError(wire.CodeInvalidRequest, fmt.Sprintf("id %d is in use by a running invocation", inv.ID))
	case len(w.running) >= concurrency:
		e := wire.NewError(wire.CodeOverloaded, fmt.Sprintf("%d invocations are running, the most this worker takes", concurrency))
		e.Data.Retryable = true
		return e
	}
	w.running[inv.ID] = inv
	w.active.Add(1)
	return nil
}

// run is one invocation from its params to its answer.
func (w *Worker) run(inv *Invocation, held *loadRequest, params []byte) {
	defer w.active.Done()
	call, fault := decodeFor(held, params)
	if fault != nil {
		w.remove(inv)
		w.peer.Fail(inv.ID, fault)
		return
	}
	inv.Call = call
	w.handle(inv)
}

// decodeFor decodes a call that must be for the function held.
func decodeFor(held *loadRequest, params []byte) (*Call, *wire.Error) {
	call, err := decodeCall(params, time.Now())
	switch {
	case err != nil:
		return nil, wire.NewError(wire.CodeInvalidParams, "invoke: "+err.Error())
	case call.Function != held.function || call.Revision != held.revision:
		return nil, notLoaded(call.Function, call.Revision)
	}
	return call, nil
}

var leftByGoexit = wire.NewError(wire.CodeFunction, "the handler called runtime.Goexit")

// handle calls the handler and encodes what it returns, which may run code of
// the function's too. The answer is sent from the deferred function, since a
// handler may also leave by runtime.Goexit. A panic ends the process, as in any
// Go program, but not before the lines printed so far are out; panicking again
// from here keeps the handler's frames in the stack that Go prints.
func (w *Worker) handle(inv *Invocation) {
	var answer *answerBuffer
	fault := leftByGoexit
	returned := false
	defer func() {
		if !returned {
			if problem := recover(); problem != nil {
				inv.log.flush()
				panic(problem)
			}
		}
		w.conclude(inv, answer, fault)
	}()
	if capture.Install != nil { // only the hook reads marks
		inv.tag.Store(capture.Mark())
	}
	var output any
	if output, fault = w.function.Handle(inv); fault == nil {
		answer, fault = encodeOutput(inv.ID, output)
	}
	returned = true
}

// conclude ends the log and the context, and answers.
func (w *Worker) conclude(inv *Invocation, answer *answerBuffer, fault *wire.Error) {
	w.drainPipes()
	inv.log.close()
	w.remove(inv)
	if inv.Finish() && fault != nil {
		fault = wire.NewError(wire.CodeCancelled, "cancelled")
	}
	if fault != nil {
		w.peer.Fail(inv.ID, fault)
		return
	}
	w.peer.AnswerFrame(inv.ID, answer.frame)
	answer.free()
}

func (w *Worker) isDraining() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.draining
}

func (w *Worker) countRunning() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.running)
}

func (w *Worker) remove(inv *Invocation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.running, inv.ID)
}

// cancel notes the wish; an id that is unknown or already answered is ignored.
func (w *Worker) cancel(params []byte) {
	for it := wire.MembersOf(params); it.Next(); {
		if string(it.Name) != "id" {
			continue
		}
		id := int64(count(&it, 0))
		w.mu.Lock()
		inv := w.running[id]
		w.mu.Unlock()
		if inv != nil {
			inv.Cancel()
		}
	}
}

// printed routes what some goroutine wrote to standard output or error. The
// few running invocations are searched, so that calls which print nothing pay
// nothing for a table.
func (w *Worker) printed(fd int, text []byte) bool {
	tag := capture.Current()
	if tag == nil {
		return w.loadLog.print(fd, text)
	}
	w.mu.Lock()
	var found *Invocation
	for _, inv := range w.running {
		if inv.tag.Load() == tag {
			found = inv
			break
		}
	}
	w.mu.Unlock()
	return found != nil && found.log.print(fd, text)
}

// printedInPipe is printed where only the text is known: it belongs to the
// invocation that runs, if exactly one does.
func (w *Worker) printedInPipe(fd int, text []byte) bool {
	w.mu.Lock()
	var only *Invocation
	if len(w.running) == 1 {
		for _, inv := range w.running {
			only = inv
		}
	}
	w.mu.Unlock()
	if only == nil {
		return w.loadLog.print(fd, text)
	}
	return only.log.print(fd, text)
}
