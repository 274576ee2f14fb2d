package shim

import (
	"bytes"
	"strconv"
	"sync"
	"time"

	"github.com/watzon/alyx/internal/capture"
	"github.com/watzon/alyx/internal/wire"
)

// maxBatch is how many printed lines travel in one log notification.
const maxBatch = 64

// journal is the log of one invocation: ctx.Log and what was printed, in the
// order of the calls, within the limits that the host set.
type journal struct {
	inv      int64 // 0 outside of any invocation
	peer     *wire.Peer
	maxEntry int
	maxBytes int

	mu      sync.Mutex
	used    int // bytes of entries sent
	dropped int // entries over maxBytes
	closed  bool
	out     capture.Lines
	err     capture.Lines
	batch   []byte // entries waiting for send, without brackets
	waiting int
}

// newJournal is the log of invocation inv; 0 stands for none.
func newJournal(inv int64, peer *wire.Peer, s *Session) journal {
	return journal{inv: inv, peer: peer, maxEntry: s.MaxLogEntry, maxBytes: s.MaxLogBytes}
}

// add sends one entry of ctx.Log.
func (j *journal) add(level, message string, fields []byte) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return false
	}
	j.entry(level, message, fields, "")
	j.send()
	return true
}

// print takes what the function wrote to descriptor 1 or 2, line by line.
func (j *journal) print(fd int, text []byte) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return false
	}
	for len(text) > 0 {
		var line string
		var whole bool
		line, text, whole = j.lines(fd).Take(text, j.maxEntry)
		if whole {
			j.printed(fd, line)
		}
	}
	j.send()
	return true
}

// flush sends lines that were never ended, for the last moment of a process or
// of an invocation.
func (j *journal) flush() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return
	}
	for _, fd := range []int{1, 2} {
		if line, some := j.lines(fd).Rest(j.maxEntry); some {
			j.printed(fd, line)
		}
	}
	j.send()
}

// close flushes, says how much was dropped, and takes no more.
func (j *journal) close() {
	j.flush()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.dropped > 0 {
		params := append(j.head(), `"entries":[],"dropped":`...)
		_ = j.peer.Notify("log", append(strconv.AppendInt(params, int64(j.dropped), 10), '}'))
	}
	j.closed = true
}

func (j *journal) lines(fd int) *capture.Lines {
	if fd == 2 {
		return &j.err
	}
	return &j.out
}

func (j *journal) printed(fd int, line string) {
	if fd == 2 {
		j.entry("warn", line, nil, "stderr")
	} else {
		j.entry("info", line, nil, "stdout")
	}
	if j.waiting == maxBatch {
		j.send()
	}
}

// entry puts one entry into the batch, or counts it as dropped.
func (j *journal) entry(level, message string, fields []byte, source string) {
	if j.used >= j.maxBytes {
		j.dropped++
		return
	}
	message = wire.Cut(message, j.maxEntry, 0)
	if len(fields) > j.maxEntry {
		fields = []byte(`{"fields":"` + wire.CutMarker(len(fields)) + `"}`)
	}
	start := len(j.batch)
	if start > 0 {
		j.batch = append(j.batch, ',')
	}
	j.batch = strconv.AppendInt(append(j.batch, `{"ts":`...), time.Now().UnixMilli(), 10)
	j.batch = append(append(append(j.batch, `,"level":"`...), level...), `","msg":`...)
	j.batch = wire.AppendString(j.batch, message)
	if len(bytes.TrimSpace(fields)) > len("{}") {
		j.batch = append(append(j.batch, `,"fields":`...), fields...)
	}
	if source != "" {
		j.batch = append(append(append(j.batch, `,"source":"`...), source...), '"')
	}
	j.batch = append(j.batch, '}')
	size := len(j.batch) - start
	if j.used += size; j.used > j.maxBytes {
		j.batch = j.batch[:start]
		j.used = j.maxBytes // one too many ends the log, so that nothing later looks complete
		j.dropped++
		return
	}
	j.waiting++
	if echoes {
		echo(level, message, fields)
	}
}

// send hands the batch over and returns when it is out of the process: a
// function that logs and then exits or spins must not lose the line. A
// connection that is gone is noticed by the reader.
func (j *journal) send() {
	if j.waiting == 0 {
		return
	}
	params := append(append(j.head(), `"entries":[`...), j.batch...)
	j.batch, j.waiting = j.batch[:0], 0
	_ = j.peer.Notify("log", append(params, "]}"...))
}

func (j *journal) head() []byte {
	if j.inv == 0 {
		return []byte{'{'}
	}
	return append(strconv.AppendInt([]byte(`{"inv":`), j.inv, 10), ',')
}
