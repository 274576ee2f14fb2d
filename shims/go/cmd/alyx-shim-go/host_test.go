package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watzon/alyx/internal/build"
	"github.com/watzon/alyx/internal/wire"
)

// The programs under test, built once: the shim itself and the probe function.
var shimBinary, probeBinary, cacheDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "alyx-go-test-*")
	if err != nil {
		panic(err)
	}
	shimBinary, probeBinary, cacheDir = filepath.Join(dir, "alyx-shim-go"), filepath.Join(dir, "probe"), filepath.Join(dir, "cache")
	if out, err := exec.Command("go", "build", "-o", shimBinary, ".").CombinedOutput(); err != nil {
		panic(fmt.Sprintf("%v: %s", err, out))
	}
	if err := buildTo("probe", probeBinary); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func buildTo(function, binary string) error {
	return build.Run(build.Options{
		Source: "testdata/functions/" + function + ".go", Root: "testdata/functions",
		Binary: binary, Shim: "../..", Cache: cacheDir,
	})
}

func buildFunction(t *testing.T, function string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), function)
	must(t, buildTo(function, binary))
	return binary
}

// patience bounds every wait of these tests.
const patience = 10 * time.Second

// message is a frame as the host sees it.
type message struct {
	JSONRPC string `json:"jsonrpc"`
	ID      *int64 `json:"id"`
	Method  string `json:"method"`
	Params  json.RawMessage
	Result  json.RawMessage
	Error   *wire.Error
	raw     json.RawMessage
}

// host plays the other side of one worker process.
type host struct {
	t      testing.TB
	cmd    *exec.Cmd
	in     io.Reader
	out    io.WriteCloser
	frames chan message
	stderr *syncBuffer
	stdout *syncBuffer
	exited chan int
	nextID int64
	lean   atomic.Bool // count frames instead of reading them, for benchmarks
}

type syncBuffer struct {
	mu   sync.Mutex
	text []byte
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text = append(b.text, p...)
	return len(p), nil
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.text)
}

const (
	viaUnix  = "unix"
	viaTCP   = "tcp"
	viaStdio = "stdio"
)

// start runs a worker process and lets it connect.
func start(t testing.TB, transport string, command ...string) *host {
	t.Helper()
	h := &host{
		t: t, cmd: exec.Command(command[0], command[1:]...), frames: make(chan message, 4096),
		stderr: &syncBuffer{}, stdout: &syncBuffer{}, exited: make(chan int, 1), nextID: 1,
	}
	h.cmd.Stderr = h.stderr
	h.cmd.Env = []string{"ALYX_TOKEN=secret", "PATH=" + os.Getenv("PATH")}
	if transport == viaStdio {
		h.startStdio()
	} else {
		h.startSocket(transport)
	}
	t.Cleanup(func() { _ = h.cmd.Process.Kill(); h.out.Close(); h.exitCode() })
	go func() {
		_ = h.cmd.Wait()
		h.exited <- h.cmd.ProcessState.ExitCode()
	}()
	go h.read()
	return h
}

func (h *host) startStdio() {
	in, out, err := os.Pipe()
	must(h.t, err)
	h.cmd.Env = append(h.cmd.Env, "ALYX_ADDR=stdio")
	h.cmd.Stdout = out
	h.in = in
	h.out, err = h.cmd.StdinPipe()
	must(h.t, err)
	must(h.t, h.cmd.Start())
	out.Close()
}

func (h *host) startSocket(transport string) {
	address := "127.0.0.1:0"
	if transport == viaUnix {
		address = filepath.Join(h.t.TempDir(), "s")
	}
	listener, err := net.Listen(transport, address)
	must(h.t, err)
	defer listener.Close()
	h.cmd.Env = append(h.cmd.Env, "ALYX_ADDR="+transport+":"+listener.Addr().String())
	h.cmd.Stdout = h.stdout
	must(h.t, h.cmd.Start())
	must(h.t, listener.(interface{ SetDeadline(time.Time) error }).SetDeadline(time.Now().Add(patience)))
	conn, err := listener.Accept()
	must(h.t, err)
	h.in, h.out = conn, conn
}

func (h *host) read() {
	defer close(h.frames)
	frames := wire.NewReader(h.in, wire.MaxFrame)
	frames.Buffer()
	for {
		payload, err := frames.Next()
		if err != nil {
			return
		}
		var m message
		if h.lean.Load() && !bytes.Contains(payload[:min(len(payload), 64)], []byte(`"error"`)) {
			h.frames <- m
			continue
		}
		if err := json.Unmarshal(payload, &m); err != nil {
			h.t.Errorf("worker sent %q: %v", payload, err)
			return
		}
		m.raw = payload
		h.frames <- m
	}
}

// next returns the worker's next frame.
func (h *host) next() message {
	h.t.Helper()
	select {
	case m, ok := <-h.frames:
		if !ok {
			h.t.Fatalf("the worker closed the connection; stderr: %s", h.stderr)
		}
		return m
	case <-time.After(patience):
		h.t.Fatalf("no frame within %v; stderr: %s", patience, h.stderr)
	}
	panic("unreachable")
}

// closed waits for the end of the connection.
func (h *host) closed() {
	h.t.Helper()
	select {
	case m, ok := <-h.frames:
		if ok {
			h.t.Fatalf("unexpected frame %+v", m)
		}
	case <-time.After(patience):
		h.t.Fatal("the connection stayed open")
	}
}

func (h *host) exitCode() int {
	h.t.Helper()
	select {
	case code := <-h.exited:
		h.exited <- code
		return code
	case <-time.After(patience):
		h.t.Fatal("the worker did not exit")
	}
	panic("unreachable")
}

func frame(text string) []byte {
	buf := append(wire.BeginFrame(nil), text...)
	wire.EndFrame(buf, 0)
	return buf
}

func (h *host) raw(b []byte) {
	h.t.Helper()
	_, err := h.out.Write(b)
	must(h.t, err)
}

func (h *host) send(text string) { h.t.Helper(); h.raw(frame(text)) }

// hello completes the handshake.
func (h *host) hello() message {
	h.t.Helper()
	m := h.next()
	if m.Method != "hello" || m.ID == nil || *m.ID != 1 {
		h.t.Fatalf("first frame is %+v", m)
	}
	h.send(helloReply)
	return m
}

const helloReply = `{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":1,"session":"s","host":{"name":"test","version":"0"},` +
	`"limits":{"maxFrame":8388608,"maxDepth":128,"maxLogEntry":16384,"maxLogBytes":262144,"maxCalls":256,"maxCallsPerInvocation":32},` +
	`"heartbeat":{"intervalMs":5000,"timeoutMs":15000},"capabilities":{}}}`

// readyDB is ready with a database, of which calls may be unanswered for one
// invocation.
func readyDB(t testing.TB, calls int) *host {
	t.Helper()
	h := start(t, viaUnix, shimBinary, "worker")
	h.next()
	h.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":1,"session":"s","host":{"name":"test","version":"0"},`+
		`"limits":{"maxCallsPerInvocation":%d},"capabilities":{"batch":{},"db":{}}}}`, calls))
	h.load()
	return h
}

func (h *host) request(method, params string) int64 {
	h.t.Helper()
	id := h.nextID
	h.nextID++
	h.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`, id, method, params))
	return id
}

// load turns the worker into the probe.
func (h *host) load() message {
	h.t.Helper()
	h.request("load", fmt.Sprintf(`{"function":"probe","revision":"r1","path":%q,"env":{"KEY":"value"}}`, probeBinary))
	m := h.next()
	if m.Error != nil {
		h.t.Fatalf("load failed: %v", m.Error)
	}
	return m
}

func (h *host) invoke(input string) int64 {
	h.t.Helper()
	return h.request("invoke", `{"function":"probe","revision":"r1","requestId":"q1","deadlineMs":9000,"attempt":1,"auth":null,"input":`+input+`}`)
}

// answer skips log notifications, which it returns, up to the answer to id.
func (h *host) answer(id int64) (message, []entry) { h.t.Helper(); return h.answerWithLogOf(id, id) }

func (h *host) answerWithLogOf(id, inv int64) (message, []entry) {
	h.t.Helper()
	var log []entry
	for {
		m := h.next()
		if m.Method == "log" {
			log = append(log, entries(h.t, m, inv)...)
			continue
		}
		if m.ID == nil || *m.ID != id {
			h.t.Fatalf("awaiting answer %d, got %+v", id, m)
		}
		return m, log
	}
}

type entry struct {
	TS      int64           `json:"ts"`
	Level   string          `json:"level"`
	Msg     string          `json:"msg"`
	Fields  json.RawMessage `json:"fields"`
	Source  string          `json:"source"`
	dropped int
}

// anyCall stands for no certain invocation.
const anyCall = -1

func entries(t testing.TB, m message, inv int64) []entry {
	t.Helper()
	var p struct {
		Inv     int64   `json:"inv"`
		Entries []entry `json:"entries"`
		Dropped int     `json:"dropped"`
	}
	must(t, json.Unmarshal(m.Params, &p))
	if inv != anyCall && p.Inv != inv {
		t.Fatalf("log of %d instead of %d: %s", p.Inv, inv, m.Params)
	}
	if p.Dropped > 0 {
		p.Entries = append(p.Entries, entry{dropped: p.Dropped})
	}
	return p.Entries
}

func (e entry) String() string { return fmt.Sprintf("%s %s %q %s", e.Source, e.Level, e.Msg, e.Fields) }

// ready is a worker that holds the probe, started through the launcher.
func ready(t testing.TB) *host {
	t.Helper()
	h := start(t, viaUnix, shimBinary, "worker")
	h.hello()
	h.load()
	return h
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
