package wire

import (
	"encoding/json"
	"strconv"
)

// Error codes of protocol v1 that a shim sends or asks about.
const (
	CodeParse           = -32700
	CodeInvalidRequest  = -32600
	CodeMethodNotFound  = -32601
	CodeInvalidParams   = -32602
	CodeInternal        = -32603
	CodeFunction        = -32020
	CodeUnknownFunction = -32021
	CodeNotReady        = -32022
	CodeLoadFailed      = -32023
	CodeCancelled       = -32024
	CodeDeadline        = -32025
	CodeOverloaded      = -32026
	CodeUnserialisable  = -32027
	CodeFrameTooLarge   = -32028
	CodeEnded           = -32029
)

// names gives the string that users and data.code see. Those of the database
// stand in where a host sends none of its own.
var names = map[int]string{
	CodeParse:           "PARSE_ERROR",
	CodeInvalidRequest:  "INVALID_REQUEST",
	CodeMethodNotFound:  "METHOD_NOT_FOUND",
	CodeInvalidParams:   "INVALID_PARAMS",
	CodeInternal:        "INTERNAL_ERROR",
	CodeFunction:        "FUNCTION_ERROR",
	CodeUnknownFunction: "FUNCTION_NOT_FOUND",
	CodeNotReady:        "NOT_READY",
	CodeLoadFailed:      "LOAD_FAILED",
	CodeCancelled:       "CANCELLED",
	CodeDeadline:        "DEADLINE_EXCEEDED",
	CodeOverloaded:      "OVERLOADED",
	CodeUnserialisable:  "RESULT_NOT_SERIALIZABLE",
	CodeFrameTooLarge:   "FRAME_TOO_LARGE",
	CodeEnded:           "INVOCATION_ENDED",
	-32040:              "DB_NOT_FOUND",
	-32041:              "DB_CONFLICT",
	-32042:              "DB_VALIDATION",
	-32043:              "DB_FORBIDDEN",
	-32044:              "DB_SQL",
	-32045:              "DB_BUSY",
	-32046:              "TX_ENDED",
	-32047:              "TX_TIMEOUT",
	-32048:              "DB_OUTCOME_UNKNOWN",
}

// MaxMessage bounds the message of an error.
const MaxMessage = 4 << 10

// Error is the `error` member of an answer.
type Error struct {
	Code    int       `json:"code"`
	Message string    `json:"message"`
	Data    ErrorData `json:"data"`
}

// ErrorData is what users of the function may see (Code, Details) and what
// only the host's log may (Stack).
type ErrorData struct {
	Code      string          `json:"code"`
	Retryable bool            `json:"retryable,omitempty"`
	Details   json.RawMessage `json:"details,omitempty"`
	Stack     string          `json:"stack,omitempty"`
}

// NewError makes an error whose data.code is the registry's name for code.
func NewError(code int, message string) *Error {
	return &Error{Code: code, Message: clip(message, MaxMessage-len("…")), Data: ErrorData{Code: names[code]}}
}

func (e *Error) Error() string { return e.Data.Code + ": " + e.Message }

// DecodeError reads the `error` member of an answer; what is missing or of
// another type stays empty.
func DecodeError(raw []byte) *Error {
	e := &Error{}
	for it := MembersOf(raw); it.Next(); {
		switch string(it.Name) {
		case "code":
			e.Code, _ = strconv.Atoi(string(it.Raw()))
		case "message":
			e.Message, _ = it.Text()
		case "data":
			e.Data = decodeErrorData(it.Raw())
		}
	}
	if e.Data.Code == "" {
		e.Data.Code = names[e.Code]
	}
	if e.Data.Code == "" { // a number that a later text of the protocol gives a name
		e.Data.Code = names[CodeInternal]
	}
	return e
}

func decodeErrorData(raw []byte) (data ErrorData) {
	for it := MembersOf(raw); it.Next(); {
		switch string(it.Name) {
		case "code":
			data.Code, _ = it.Text()
		case "retryable":
			data.Retryable = string(it.Raw()) == "true"
		case "details":
			data.Details = it.Raw()
		case "stack":
			data.Stack, _ = it.Text()
		}
	}
	return data
}

// AppendErrorFrame appends the frame that answers request id with e; id 0 is
// sent as null, for a frame whose request cannot be known.
func AppendErrorFrame(buf []byte, id int64, e *Error) []byte {
	start := len(buf)
	buf = append(BeginFrame(buf), `{"jsonrpc":"2.0","id":`...)
	if id == 0 {
		buf = append(buf, "null"...)
	} else {
		buf = strconv.AppendInt(buf, id, 10)
	}
	body, err := json.Marshal(e)
	if err != nil { // details that are no JSON: a bug of ours, but the answer must go out
		body, _ = json.Marshal(NewError(e.Code, e.Message))
	}
	buf = append(append(buf, `,"error":`...), body...)
	buf = append(buf, '}')
	EndFrame(buf, start)
	return buf
}

// AppendResultFrame appends the frame that answers request id with the JSON
// object in result.
func AppendResultFrame(buf []byte, id int64, result []byte) []byte {
	start := len(buf)
	buf = append(BeginFrame(buf), `{"jsonrpc":"2.0","id":`...)
	buf = append(strconv.AppendInt(buf, id, 10), `,"result":`...)
	buf = append(append(buf, result...), '}')
	EndFrame(buf, start)
	return buf
}

// AppendCallFrame appends a request, or a notification when id is 0. The
// method is one of ours and needs no escape.
func AppendCallFrame(buf []byte, id int64, method string, params []byte) []byte {
	start := len(buf)
	buf = append(BeginFrame(buf), `{"jsonrpc":"2.0",`...)
	if id != 0 {
		buf = append(strconv.AppendInt(append(buf, `"id":`...), id, 10), ',')
	}
	buf = append(append(append(buf, `"method":"`...), method...), `","params":`...)
	buf = append(append(buf, params...), '}')
	EndFrame(buf, start)
	return buf
}
