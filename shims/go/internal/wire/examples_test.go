package wire

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"testing/iotest"
)

// The golden examples that the tests of every language read.
const examplesDir = "../../../../protocol/v1/examples"

// examples calls check for each file that matches, and fails without any.
func examples[T any](t *testing.T, pattern string, check func(t *testing.T, example T)) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(examplesDir, pattern))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no examples match %s under %s", pattern, examplesDir)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var example T
		if err := json.Unmarshal(text, &example); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		name, _ := filepath.Rel(examplesDir, path)
		t.Run(name, func(t *testing.T) { check(t, example) })
	}
}

type framingExample struct {
	Hex      string
	MaxFrame int
	Frames   []*string
	End      string
}

func TestFramingExamples(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	examples(t, "framing/*.json", func(t *testing.T, example framingExample) {
		stream, err := hex.DecodeString(example.Hex)
		if err != nil {
			t.Fatal(err)
		}
		checkFraming(t, example, bytes.NewReader(stream))
		checkFraming(t, example, iotest.OneByteReader(bytes.NewReader(stream)))
		for range 20 {
			checkFraming(t, example, &randomSplits{stream, random})
		}
	})
}

// randomSplits hands out a stream in pieces of random size.
type randomSplits struct {
	rest   []byte
	random *rand.Rand
}

func (r *randomSplits) Read(b []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b, r.rest[:1+r.random.IntN(len(r.rest))])
	r.rest = r.rest[n:]
	return n, nil
}

func checkFraming(t *testing.T, example framingExample, stream io.Reader) {
	t.Helper()
	limit := example.MaxFrame
	if limit == 0 {
		limit = 8 << 20
	}
	frames := NewReader(stream, limit)
	for i, want := range example.Frames {
		payload, err := frames.Next()
		switch {
		case want == nil && errors.Is(err, ErrOversize):
		case want == nil && i == len(example.Frames)-1 && errors.Is(err, io.ErrUnexpectedEOF) && example.End == "truncated":
			return // the end came inside the frame that was thrown away
		case want == nil || err != nil || string(payload) != *want:
			t.Fatalf("frame %d: %q, %v", i, payload, err)
		}
	}
	payload, err := frames.Next()
	var unknown *UnknownKindError
	switch example.End {
	case "unknown-kind":
		if !errors.As(err, &unknown) {
			t.Fatalf("end: %q, %v", payload, err)
		}
	case "truncated":
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("end: %q, %v", payload, err)
		}
	default:
		if !errors.Is(err, io.EOF) {
			t.Fatalf("end: %q, %v", payload, err)
		}
	}
}

type messageExample struct {
	From, Kind string
	Message    json.RawMessage
}

// Every message survives decode, encode, decode.
func TestMessageExamples(t *testing.T) {
	seen := map[string]bool{}
	examples(t, "*/*.json", func(t *testing.T, example messageExample) {
		if example.Kind == "" {
			return // a framing example
		}
		seen[example.Kind] = true
		m, fault := Parse(example.Message)
		if fault != nil {
			t.Fatal(fault)
		}
		frame := encode(t, example.Kind, m)
		payload, err := NewReader(bytes.NewReader(frame), MaxFrame).Next()
		if err != nil {
			t.Fatal(err)
		}
		again, fault := Parse(payload)
		if fault != nil || again.Shape != m.Shape || again.ID != m.ID || again.Method != m.Method {
			t.Fatalf("%+v, %v", again, fault)
		}
		sameJSON(t, m.Params, again.Params)
		sameJSON(t, m.Result, again.Result)
		if m.Err != nil && !reflect.DeepEqual(normal(DecodeError(m.Err)), normal(DecodeError(again.Err))) {
			t.Fatalf("%s became %s", m.Err, again.Err)
		}
	})
	for _, kind := range []string{"request", "response", "error", "notification"} {
		if !seen[kind] {
			t.Errorf("no example of kind %s", kind)
		}
	}
}

func encode(t *testing.T, kind string, m Message) []byte {
	shapes := map[string]Shape{"request": Request, "notification": Notification, "response": Answer, "error": Answer}
	if m.Shape != shapes[kind] {
		t.Fatalf("a %s was read as shape %d", kind, m.Shape)
	}
	switch {
	case m.Shape != Answer:
		return AppendCallFrame(nil, m.ID, m.Method, m.Params)
	case m.Err != nil:
		return AppendErrorFrame(nil, m.ID, DecodeError(m.Err))
	}
	return AppendResultFrame(nil, m.ID, m.Result)
}

// normal compares details as values.
func normal(e *Error) any {
	var details any
	if e.Data.Details != nil {
		_ = json.Unmarshal(e.Data.Details, &details)
	}
	data := e.Data
	data.Details = nil
	return []any{e.Code, e.Message, data, details}
}

func sameJSON(t *testing.T, a, b []byte) {
	t.Helper()
	if a == nil && b == nil {
		return
	}
	x, errX := Decode(a)
	y, errY := Decode(b)
	if errX != nil || errY != nil || !reflect.DeepEqual(x, y) {
		t.Fatalf("%s became %s", a, b)
	}
}
