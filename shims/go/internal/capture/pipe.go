package capture

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"sync"
	"time"
)

// drainTimeout bounds the wait for prints that are on their way.
const drainTimeout = 100 * time.Millisecond

// Pipes is the way without a hook in os: os.Stdout and os.Stderr become pipes,
// and take is offered what comes out of them. What it does not take goes to
// the real descriptor. drain waits until everything printed so far has come
// out.
func Pipes(take func(fd int, text []byte) bool) (drain func(), err error) {
	stdout, err := openPipe(1, os.Stdout, take)
	if err != nil {
		return nil, err
	}
	stderr, err := openPipe(2, os.Stderr, take)
	if err != nil {
		return nil, err
	}
	if log.Writer() == os.Stderr { // the default logger took its own copy at start
		log.SetOutput(stderr.in)
	}
	os.Stdout, os.Stderr = stdout.in, stderr.in
	return func() { stdout.drain(); stderr.drain() }, nil
}

type pipe struct {
	fd      int
	in, out *os.File
	real    *os.File
	take    func(fd int, text []byte) bool

	mu     sync.Mutex // held by the one that drains
	asked  int        // marks written
	passed chan int   // the last mark that came out
}

// mark is written into the pipe to learn when all before it has come out. The
// NUL bytes keep it apart from what programs print.
const mark = "\x00alyx\x00"

func openPipe(fd int, real *os.File, take func(int, []byte) bool) (*pipe, error) {
	out, in, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("cannot make a pipe for descriptor %d: %w", fd, err)
	}
	p := &pipe{fd: fd, in: in, out: out, real: real, take: take, passed: make(chan int, 1)}
	go p.pump()
	return p, nil
}

// pump ends with the process.
func (p *pipe) pump() {
	passed := 0
	var held []byte // the beginning of a mark, perhaps
	buf := make([]byte, 32<<10)
	for {
		n, err := p.out.Read(buf)
		text := append(held, buf[:n]...)
		for {
			before, after, found := bytes.Cut(text, []byte(mark))
			if !found {
				break
			}
			p.offer(before)
			text = after
			passed++
			select {
			case <-p.passed:
			default:
			}
			p.passed <- passed
		}
		keep := markPrefix(text)
		p.offer(text[:len(text)-keep])
		held = append([]byte(nil), text[len(text)-keep:]...)
		if err != nil {
			return
		}
	}
}

func (p *pipe) offer(text []byte) {
	if len(text) > 0 && !p.take(p.fd, text) {
		_, _ = p.real.Write(text) // nobody is left to tell
	}
}

// markPrefix is how many bytes at the end of text may begin a mark.
func markPrefix(text []byte) int {
	for n := min(len(text), len(mark)-1); n > 0; n-- {
		if bytes.HasSuffix(text, []byte(mark[:n])) {
			return n
		}
	}
	return 0
}

func (p *pipe) drain() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := p.in.WriteString(mark); err != nil {
		return
	}
	p.asked++
	timeout := time.After(drainTimeout)
	for {
		select {
		case passed := <-p.passed:
			if passed == p.asked {
				return
			}
		case <-timeout:
			return
		}
	}
}
