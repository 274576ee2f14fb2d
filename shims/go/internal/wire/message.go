package wire

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

const (
	maxID     = 1<<53 - 1
	maxMethod = 64
)

// Shape tells the three things that a frame can be.
type Shape int

// The shapes of a message.
const (
	Request Shape = iota
	Notification
	Answer
)

// Message is one frame's envelope. Its slices lie inside the frame.
type Message struct {
	Shape  Shape
	ID     int64 // of a request or an answer; 0 in an answer whose id is null
	Method string
	Params []byte // an object, `{}` when absent
	Result []byte // of an answer
	Err    []byte // of an answer
}

// ParseError says why a payload is no message and how to answer it.
type ParseError struct {
	ID   int64 // 0 where unknown
	Code int
	Text string
}

func (e *ParseError) Error() string { return e.Text }

// Parse reads one payload in one pass. Unknown members are ignored, of
// repeated ones the last wins.
func Parse(payload []byte) (Message, *ParseError) {
	var m Message
	var version, id, method []byte
	it := MembersOf(payload)
	for it.Next() {
		switch string(it.Name) {
		case "jsonrpc":
			version = it.Raw()
		case "id":
			id = it.Raw()
		case "method":
			method = it.Raw()
		case "params":
			m.Params = it.Raw()
		case "result":
			m.Result = it.Raw()
		case "error":
			m.Err = it.Raw()
		}
	}
	if !it.Whole() || !utf8.Valid(payload) {
		return m, notAnObject(payload)
	}
	return m, m.classify(version, id, method)
}

// notAnObject tells broken text from a sound value of another type.
func notAnObject(payload []byte) *ParseError {
	end := skipValue(payload, skipSpace(payload, 0), 0)
	if end < 0 || skipSpace(payload, end) != len(payload) || !utf8.Valid(payload) {
		return &ParseError{0, CodeParse, "frame is not one UTF-8 JSON value"}
	}
	return invalid(0, "frame is not a JSON-RPC object; batches are not part of protocol v1")
}

// classify checks the envelope's rules and settles the shape.
func (m *Message) classify(version, id, method []byte) *ParseError {
	if method == nil {
		m.Shape = Answer
	} else if id == nil {
		m.Shape = Notification
	}
	if id != nil && string(id) != "null" {
		if m.ID = parseID(id); m.ID == 0 {
			return invalid(0, "id %s is no integer from 1 to 2^53-1", clip(string(id), 40))
		}
	}
	if s, ok := DecodeString(version); !ok || s != "2.0" {
		return invalid(m.ID, `member "jsonrpc" must be "2.0"`)
	}
	if m.Shape == Answer {
		if id == nil {
			return invalid(0, "frame has neither method nor id")
		}
		return nil
	}
	if m.Shape == Request && m.ID == 0 {
		return invalid(0, "id of a request must not be null")
	}
	name, ok := DecodeString(method)
	if !ok || len(name) > maxMethod {
		return invalid(m.ID, "method must be a string of at most %d bytes", maxMethod)
	}
	m.Method = name
	if m.Params == nil {
		m.Params = []byte("{}")
	} else if m.Params[0] != '{' {
		return invalid(m.ID, "params of %q must be an object", name)
	}
	return nil
}

func invalid(id int64, format string, args ...any) *ParseError {
	return &ParseError{id, CodeInvalidRequest, fmt.Sprintf(format, args...)}
}

// parseID returns 0 for anything that is no id: a fraction, a string, zero.
func parseID(text []byte) int64 {
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || n < 1 || n > maxID {
		return 0
	}
	return n
}
