package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	patience = 10 * time.Second
	maxCalls = 40
	ownCalls = 8
)

// ask makes a syscall without params that mean anything.
func ask(ctx context.Context, p *Peer, method string, own Slots) ([]byte, error) {
	call := p.NewSyscall(method)
	call.Frame = append(call.Frame, "{}"...)
	return p.Do(ctx, call, own)
}

// connect returns a running peer and the other end of its connection.
func connect(t *testing.T, methods Methods) (*Peer, *Reader, net.Conn) {
	t.Helper()
	ours, theirs := net.Pipe()
	t.Cleanup(func() { theirs.Close() })
	if err := theirs.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	p := NewPeer(NewReader(ours, 1<<20), ours, Limits{MaxFrame: 1 << 20, MaxCalls: maxCalls}, func() { t.Error("stuck") })
	done := make(chan error, 1)
	go func() { done <- p.Run(methods) }()
	t.Cleanup(func() { theirs.Close(); <-done })
	return p, NewReader(theirs, MaxFrame), theirs
}

func next(t *testing.T, frames *Reader) string {
	t.Helper()
	payload, err := frames.Next()
	if err != nil {
		t.Fatal(err)
	}
	return string(payload)
}

func write(t *testing.T, w io.Writer, text string) {
	t.Helper()
	buf := append(BeginFrame(nil), text...)
	EndFrame(buf, 0)
	if _, err := w.Write(buf); err != nil {
		t.Fatal(err)
	}
}

func TestSyscallsAreMatchedById(t *testing.T) {
	p, frames, conn := connect(t, Methods{})
	results := make(chan string, 2)
	call := func(method string) {
		result, err := ask(context.Background(), p, method, NewSlots(2))
		results <- fmt.Sprintf("%s %s %v", method, result, err)
	}
	go call("a")
	first := next(t, frames)
	go call("b")
	second := next(t, frames)
	if first != `{"jsonrpc":"2.0","id":2,"method":"a","params":{}}` || !strings.Contains(second, `"id":3`) {
		t.Fatal(first, second)
	}
	write(t, conn, `{"jsonrpc":"2.0","id":4,"result":{"to":"nobody"}}`)
	write(t, conn, `{"jsonrpc":"2.0","id":3,"error":{"code":-32040,"message":"gone"}}`)
	if got := <-results; got != "b  DB_NOT_FOUND: gone" {
		t.Error(got)
	}
	write(t, conn, `{"jsonrpc":"2.0","id":2,"result":{"x":1},"error":null}`)
	if got := <-results; got != `a {"x":1} <nil>` {
		t.Error(got)
	}
	go call("c")
	next(t, frames)
	write(t, conn, `{"jsonrpc":"2.0","id":4}`)
	if got := <-results; got != "c  "+errNoResult.Error() {
		t.Error(got)
	}
}

func TestASyscallEndsWithItsContextOrItsConnection(t *testing.T) {
	p, frames, conn := connect(t, Methods{})
	ctx, cancel := context.WithCancel(context.Background())
	own := NewSlots(ownCalls)
	errs := make(chan error, 1)
	call := func(ctx context.Context) {
		_, err := ask(ctx, p, "slow", own)
		errs <- err
	}
	go call(ctx)
	next(t, frames)
	cancel()
	if err := <-errs; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if len(own) != 1 || len(p.slots) != 1 { // the host still works on it
		t.Error(len(own), len(p.slots))
	}
	if call(ctx); !errors.Is(<-errs, context.Canceled) {
		t.Error("sent for a context that is done")
	}
	go call(context.Background())
	next(t, frames)
	write(t, conn, `{"jsonrpc":"2.0","id":2,"result":{}}`) // late, dropped
	write(t, conn, `{"jsonrpc":"2.0","id":4,"result":{}}`)
	if err := <-errs; err != nil || len(own) != 0 || len(p.slots) != 0 {
		t.Error(err, len(own), len(p.slots))
	}
	go call(context.Background())
	next(t, frames)
	conn.Close()
	if err := <-errs; !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if call(context.Background()); !errors.Is(<-errs, ErrClosed) {
		t.Error("sent over a connection that is closed")
	}
}

func TestALargeSyscallIsNotSent(t *testing.T) {
	p, frames, conn := connect(t, Methods{})
	call := p.NewSyscall("m")
	call.Frame = append(call.Frame, make([]byte, 20<<20)...)
	var size *SizeError
	if _, err := p.Do(context.Background(), call, NewSlots(1)); !errors.As(err, &size) || size.Limit != 1<<20 || size.Size < 20<<20 {
		t.Fatal(err)
	}
	go func() { _, _ = ask(context.Background(), p, "m", NewSlots(1)) }()
	if got := next(t, frames); !strings.Contains(got, `"id":3`) {
		t.Fatal(got)
	}
	write(t, conn, `{"jsonrpc":"2.0","id":3,"result":{}}`)
}

// Syscalls beyond a limit wait instead of failing: those of one invocation for
// its own places, all together for the peer's.
func TestSyscallsBeyondALimitWait(t *testing.T) {
	own := NewSlots(ownCalls)
	checkLimit(t, ownCalls, func() Slots { return own })
	checkLimit(t, maxCalls, func() Slots { return NewSlots(1) })
}

// checkLimit makes more calls than the limit and answers one for each that
// comes after the first `limit`.
func checkLimit(t *testing.T, limit int, own func() Slots) {
	t.Helper()
	p, frames, conn := connect(t, Methods{})
	var all sync.WaitGroup
	for range 3 * limit {
		all.Add(1)
		go func() {
			defer all.Done()
			if _, err := ask(context.Background(), p, "m", own()); err != nil {
				t.Error(err)
			}
		}()
	}
	var open []int64
	read := func() {
		m, fault := Parse([]byte(next(t, frames)))
		if fault != nil {
			t.Fatal(fault)
		}
		open = append(open, m.ID)
	}
	answer := func() {
		write(t, conn, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":{}}`, open[0]))
		open = open[1:]
	}
	for range limit {
		read()
	}
	for range 2 * limit {
		p.mu.Lock()
		unanswered := len(p.unanswered)
		p.mu.Unlock()
		if unanswered != limit {
			t.Fatalf("%d unanswered, the limit is %d", unanswered, limit)
		}
		answer()
		read()
	}
	for len(open) > 0 {
		answer()
	}
	all.Wait()
	if len(p.unanswered) != 0 || len(p.slots) != 0 {
		t.Fatal(len(p.unanswered), len(p.slots))
	}
}

func TestNamesAreComparedExactly(t *testing.T) {
	for text, want := range map[string]string{
		`{"jsonrpc":"2.0","ID":5,"METHOD":"x","id":1,"method":"m","PARAMS":[]}`: "0 1 m {}",
		`{"jsonrpc":"2.0","\u0069d":1,"method":"m"}`:                            "0 1 m {}",
		`{"jsonrpc":"2.0","Id":1,"method":"m"}`:                                 "1 0 m {}",
		`{"jsonrpc":"2.0","id":9007199254740991,"method":"m"}`:                  "0 9007199254740991 m {}",
		`{"jsonrpc":"2.0","id":9007199254740992,"method":"m"}`:                  "-32600",
		`{"jsonrpc":"2.0","id":1e0,"method":"m"}`:                               "-32600",
		`{"jsonrpc":"2.0","id":1,"method":"m","params":[]}`:                     "-32600",
		`{"jsonrpc":"2.0","id":1,"method":"` + strings.Repeat("m", 65) + `"}`:   "-32600",
	} {
		m, fault := Parse([]byte(text))
		got := fmt.Sprint(int(m.Shape), m.ID, " ", m.Method, " ", string(m.Params))
		if fault != nil {
			got = fmt.Sprint(fault.Code)
		}
		if strings.ReplaceAll(got, "  ", " ") != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

// slowPipe makes every write visible, so that a test can hold the writer up.
type slowPipe struct {
	begun chan struct{}
	go_   chan struct{}
	mu    sync.Mutex
	sizes []int
}

func (s *slowPipe) Write(b []byte) (int, error) {
	s.begun <- struct{}{}
	<-s.go_
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sizes = append(s.sizes, len(b))
	return len(b), nil
}

func TestFramesGatherBehindAWrite(t *testing.T) {
	pipe := &slowPipe{begun: make(chan struct{}, 10), go_: make(chan struct{})}
	w := newWriter(pipe, func() { t.Error("stuck") })
	frame := make([]byte, 10)
	first := make(chan error, 1)
	go func() { first <- w.send(frame) }()
	<-pipe.begun
	for range 5 {
		if err := w.send(frame); err != nil { // returns although nothing moves
			t.Fatal(err)
		}
	}
	now := make(chan error, 1)
	go func() { now <- w.sendNow(frame) }()
	pipe.go_ <- struct{}{}
	<-pipe.begun
	select {
	case <-now:
		t.Fatal("sendNow returned before its bytes were written")
	default:
	}
	close(pipe.go_)
	if err := errors.Join(<-first, <-now); err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, size := range pipe.sizes {
		total += size
	}
	if total != 70 || len(pipe.sizes) > 3 {
		t.Fatal(pipe.sizes)
	}
}

func TestABrokenStreamFailsEverySender(t *testing.T) {
	r, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	w := newWriter(out, func() {})
	if w.send([]byte("x")) == nil || w.sendNow([]byte("x")) == nil {
		t.Fatal("no error")
	}
}

func TestStringsAreCutAtACharacter(t *testing.T) {
	for _, c := range []struct {
		in    string
		limit int
		gone  int
		want  string
	}{
		{"short", 10, 0, "short"},
		{strings.Repeat("é", 30), 40, 0, strings.Repeat("é", 10) + " …[cut, 40 bytes]"},
		{"abc", 40, 5, "abc …[cut, 5 bytes]"},
	} {
		if got := Cut(c.in, c.limit, c.gone); got != c.want || len(got) > c.limit {
			t.Errorf("%q: got %q", c.in, got)
		}
	}
	if got := string(AppendString(nil, "a\"\\\n\x01é\xff\u2028")); got != `"a\"\\\n\u0001é`+"\ufffd\u2028\"" {
		t.Errorf("%q", got)
	}
}
