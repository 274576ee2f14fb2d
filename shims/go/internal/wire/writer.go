package wire

import (
	"errors"
	"io"
	"runtime"
	"sync"
	"time"
)

const (
	// maxPending is how much may wait behind a write before senders block.
	maxPending = 4 << 20
	// keepPending is the largest batch buffer kept for the next batch.
	keepPending = 256 << 10
	// copyLimit is the largest frame that waits for others; a larger one would
	// cost more to copy than a system call.
	copyLimit = 64 << 10
	// fairShare is how many batches a sender writes before it may go on.
	fairShare = 16
	// stuckAfter is how long one write may block before the host is dead.
	stuckAfter = 10 * time.Second
)

// ErrClosed is what senders get once the connection is given up.
var ErrClosed = errors.New("the connection is closed")

// writer puts whole frames on a stream from many goroutines without a
// goroutine of its own: whoever finds it idle writes, and goes on writing what
// others have left meanwhile. So a lone frame goes out at once, and under load
// many frames share one system call. Measured with 64 calls in flight, worker
// CPU for each: 15.3 us with a write per frame, 14.0 us so, 11.5 us with the
// one yield in put.
type writer struct {
	out   io.Writer
	guard *time.Timer

	mu      sync.Mutex
	moved   *sync.Cond // a batch was written, or err was set
	busy    bool
	pending []byte
	spare   []byte
	taken   uint64 // batches taken out of pending
	written uint64 // of those, how many have been written
	waiting int
	err     error
}

// newWriter calls stuck, once, when a write blocks for stuckAfter.
func newWriter(out io.Writer, stuck func()) *writer {
	w := &writer{out: out}
	w.moved = sync.NewCond(&w.mu)
	w.guard = time.AfterFunc(stuckAfter, stuck)
	w.guard.Stop()
	return w
}

// send writes frame, or leaves a copy for the writer at work.
func (w *writer) send(frame []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.put(frame)
	return w.err
}

// sendNow is send that returns only when the bytes are out of the process, for
// what must survive the next instruction of the caller.
func (w *writer) sendNow(frame []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for batch := w.put(frame); w.written < batch && w.err == nil; {
		w.wait()
	}
	return w.err
}

// put returns the number of the batch that frame waits in, 0 for none. Called
// with mu held.
func (w *writer) put(frame []byte) (batch uint64) {
	for w.busy && len(w.pending) > maxPending && w.err == nil {
		w.wait()
	}
	if w.err != nil {
		return 0
	}
	if w.busy {
		w.pending = append(w.pending, frame...)
		return w.taken + 1
	}
	w.busy = true
	if len(frame) > copyLimit {
		w.write(frame)
	} else {
		w.pending = append(w.pending, frame...)
		w.mu.Unlock()
		runtime.Gosched() // answers that are about to be ready join this write
		w.mu.Lock()
	}
	w.drain()
	return 0
}

// drain writes what has gathered until nothing has, and ends the turn. Who has
// done its share, the reader perhaps, leaves the rest to a goroutine. Called
// with mu held.
func (w *writer) drain() {
	for batches := 0; len(w.pending) > 0 && w.err == nil; batches++ {
		if batches == fairShare {
			go func() {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.drain()
			}()
			return
		}
		batch := w.pending
		w.pending, w.spare = w.spare[:0], nil
		w.taken++
		w.write(batch)
		w.written = w.taken
		if cap(batch) <= keepPending {
			w.spare = batch
		}
	}
	w.busy = false
}

// write lets go of mu while the bytes move.
func (w *writer) write(b []byte) {
	w.mu.Unlock()
	w.guard.Reset(stuckAfter)
	_, err := w.out.Write(b)
	w.guard.Stop()
	w.mu.Lock()
	if err != nil && w.err == nil {
		w.err = err
	}
	if w.waiting > 0 {
		w.moved.Broadcast()
	}
}

func (w *writer) wait() {
	w.waiting++
	w.moved.Wait()
	w.waiting--
}

// close makes every later send fail.
func (w *writer) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = ErrClosed
	}
	w.moved.Broadcast()
}
