package shim

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"time"

	"github.com/watzon/alyx/internal/capture"
	"github.com/watzon/alyx/internal/wire"
)

const (
	// eofGrace is how long handlers may take to stop once the host is gone.
	eofGrace = 900 * time.Millisecond
	// cancelGrace is how long cancelled handlers may take during shutdown.
	cancelGrace = 900 * time.Millisecond
	// defaultShutdownGrace stands in for a missing graceMs.
	defaultShutdownGrace = time.Second
)

// Exit codes: 0 only after shutdown or the end of the stream.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// Invited tells whether a host or a launcher has started this process.
func Invited() bool {
	_, inherited := os.LookupEnv(handoverVariable)
	return inherited || os.Getenv("ALYX_ADDR") != ""
}

// Join takes over a launcher's connection, or makes one and says hello. A
// process that cannot join has no purpose and ends here.
func Join() *Worker {
	w, err := join()
	switch {
	case errors.Is(err, errAddress):
		die(exitUsage, err)
	case err != nil:
		die(exitFailed, err)
	}
	return w
}

func join() (*Worker, error) {
	l, h, found, err := takeHandover()
	if err != nil {
		return nil, err
	}
	if found {
		w := newWorker(l, wire.NewReader(l.in, h.Session.MaxFrame), h.Session)
		w.inherit(h)
		return w, nil
	}
	address, token := takeVariable("ALYX_ADDR"), takeVariable("ALYX_TOKEN")
	if l, err = dial(address); err != nil {
		return nil, err
	}
	late := time.AfterFunc(handshakeTimeout, func() {
		die(exitFailed, fmt.Errorf("the host did not answer hello within %v", handshakeTimeout))
	})
	frames := wire.NewReader(l.in, wire.HelloMaxFrame)
	s, err := handshake(frames, l.out, token)
	late.Stop()
	if err != nil {
		return nil, err
	}
	frames.SetLimit(s.MaxFrame)
	return newWorker(l, frames, s), nil
}

// Serve answers the host until one of the two ends it, and does not return.
// Without a function the worker is blank.
func (w *Worker) Serve(f *Function) {
	w.function = f
	tuneCollector()
	forward()
	if w.inherited != nil {
		w.takeOver()
	}
	err := w.peer.Run(w.methods())
	w.cancelAll()
	w.waitIdle(eofGrace)
	if err != nil {
		die(exitFailed, err)
	}
	os.Exit(exitOK)
}

// busyGCPercent trades memory for a fifth less CPU under load.
const busyGCPercent = 400

// tuneCollector lets garbage pile up where the host has set a memory limit
// (GOMEMLIMIT), near which Go collects more often by itself.
func tuneCollector() {
	if os.Getenv("GOGC") == "" && debug.SetMemoryLimit(-1) < math.MaxInt64 {
		debug.SetGCPercent(busyGCPercent)
	}
}

// takeVariable reads a variable and hides it from the function.
func takeVariable(name string) string {
	value := os.Getenv(name)
	_ = os.Unsetenv(name)
	return value
}

// Capture routes prints to invocations: through the hook in os where the
// binary has one, else through pipes, which cannot tell two calls apart. What
// is printed before load is answered belongs to no invocation and is sent so.
func (w *Worker) Capture() {
	if capture.Install != nil {
		capture.Install(w.printed)
		return
	}
	w.warnings = append(w.warnings, "this binary has no print capture of its own: "+
		"what is printed while several invocations run goes to the worker's output")
	drain, err := capture.Pipes(w.printedInPipe)
	if err != nil {
		w.warnings = append(w.warnings, "prints go to the worker's output: "+err.Error())
		return
	}
	w.drainPipes = drain
}

// shutdown lets running calls end within graceMs, cancels the rest, answers,
// and leaves without waiting for the host to close.
func (w *Worker) shutdown(id int64, params []byte) {
	if w.isDraining() {
		w.peer.Fail(id, shuttingDown)
		return
	}
	grace := defaultShutdownGrace
	for it := wire.MembersOf(params); it.Next(); {
		if string(it.Name) != "graceMs" {
			continue
		}
		ms, ok := it.Number()
		if !ok || ms < 0 {
			w.peer.Fail(id, wire.NewError(wire.CodeInvalidParams, "shutdown: graceMs must be a number of milliseconds"))
			return
		}
		grace = time.Duration(min(ms, maxDeadlineMs)) * time.Millisecond
	}
	w.mu.Lock()
	w.draining = true
	w.mu.Unlock()
	go func() {
		if !w.waitIdle(grace) {
			w.cancelAll()
			w.waitIdle(cancelGrace)
		}
		w.peer.Finish(id)
		w.link.close()
		os.Exit(exitOK)
	}()
}

func (w *Worker) cancelAll() {
	w.mu.Lock()
	w.draining = true
	running := make([]*Invocation, 0, len(w.running))
	for _, inv := range w.running {
		running = append(running, inv)
	}
	w.mu.Unlock()
	for _, inv := range running {
		inv.Cancel()
	}
}

// waitIdle waits until every invocation is answered. New ones are refused
// from here on, which is what makes the wait sound.
func (w *Worker) waitIdle(limit time.Duration) bool {
	idle := make(chan struct{})
	go func() {
		w.active.Wait()
		close(idle)
	}()
	select {
	case <-idle:
		return true
	case <-time.After(limit):
		return false
	}
}

// die leaves with one line on standard error.
func die(code int, err error) {
	fmt.Fprintf(os.Stderr, "alyx-shim-go: %v\n", err)
	os.Exit(code)
}

func dieStuck() {
	die(exitFailed, fmt.Errorf("the host has not read for 10 s"))
}
