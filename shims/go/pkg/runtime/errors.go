package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/watzon/alyx/internal/shim"
	"github.com/watzon/alyx/internal/values"
	"github.com/watzon/alyx/internal/wire"
)

// Error is an error that tells the caller of the function what went wrong.
// Code, Message and Fields become the HTTP body:
//
//	{"error": {"code": "VALIDATION_ERROR", "message": "Email is required", "field": "email"}}
type Error struct {
	// Code is in capitals by custom; it also chooses the HTTP status.
	Code string
	// Message is meant for the caller.
	Message string
	// Status overrides the HTTP status, from 400 to 599.
	Status int
	// Fields are further members of the body. They cannot replace code and
	// message, and what JSON cannot hold is left out. In an error of the database
	// they are values as in a document: `field` a string, `op` an int64.
	Fields map[string]any
	// Retryable says that the same call may succeed a little later. Errors of
	// the database have it; callers of the function are not told.
	Retryable bool

	cause error
}

// Error is the message, or the code where there is none.
func (e *Error) Error() string {
	switch {
	case e == nil:
		return "nil *runtime.Error"
	case e.Message != "":
		return e.Message
	case e.Code != "":
		return e.Code
	}
	return "function failed"
}

// Unwrap is context.Canceled or context.DeadlineExceeded where that has ended a
// call of the database.
func (e *Error) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.cause
}

// Code is the code of an error or of what it wraps, "" without one:
//
//	_, err := ctx.DB.Collection("users").Create(user)
//	if runtime.Code(err) == "UNIQUE_VIOLATION" { … }
func Code(err error) string {
	var coded *Error
	if errors.As(err, &coded) && coded != nil {
		return coded.Code
	}
	return ""
}

// fromHost is a failed syscall, as the function is told.
func fromHost(refusal *shim.Refusal) *Error {
	e := &Error{
		Code: refusal.Data.Code, Message: refusal.Message, Retryable: refusal.Data.Retryable, cause: refusal.Cause,
	}
	if refusal.Data.Details != nil {
		details, _ := wire.DecodeStored(refusal.Data.Details)
		e.Fields, _ = details.(map[string]any)
	}
	return e
}

// dropped gives up a call because of a value in it.
func dropped(call *wire.Syscall, fault *values.Fault, fields M) *Error {
	call.Drop()
	return &Error{Code: "VALIDATION_ERROR", Message: fault.Error(), Fields: fields}
}

const (
	maxStack   = 16 << 10
	maxDetails = 64 << 10
)

// toWire is the error that a handler returned, as the host is told.
func toWire(inv *shim.Invocation, err error) *wire.Error {
	if errors.Is(err, context.DeadlineExceeded) && !time.Now().Before(inv.Deadline) {
		return wire.NewError(wire.CodeDeadline, err.Error())
	}
	var coded *Error
	if !errors.As(err, &coded) || coded == nil {
		e := wire.NewError(wire.CodeFunction, messageOf(err))
		e.Data.Stack = stackOf(err)
		return e
	}
	e := wire.NewError(wire.CodeFunction, coded.Error())
	if coded.Code != "" {
		e.Data.Code = coded.Code
	}
	e.Data.Details = details(coded)
	e.Data.Stack = stackOf(err)
	return e
}

func messageOf(err error) string {
	if text := err.Error(); text != "" {
		return text
	}
	return "function failed"
}

// stackOf returns what an error says about itself beyond its message: the
// chain around an *Error, or the stack that some error packages print for %+v.
// Go's own errors carry none.
func stackOf(err error) string {
	text := fmt.Sprintf("%+v", err)
	var coded *Error
	if text == err.Error() && !(errors.As(err, &coded) && text != coded.Error()) {
		return ""
	}
	return wire.Cut(text, maxStack, 0)
}

// details are the fields and the status as one JSON object, nil for none.
func details(e *Error) json.RawMessage {
	members := make(map[string]json.RawMessage, len(e.Fields)+1)
	for name, value := range e.Fields {
		if text, err := json.Marshal(value); err == nil {
			members[name] = text
		}
	}
	if e.Status != 0 {
		members["status"] = json.RawMessage(fmt.Sprint(e.Status))
	}
	if len(members) == 0 {
		return nil
	}
	text, err := json.Marshal(members)
	if err != nil {
		return nil
	}
	if len(text) > maxDetails {
		return json.RawMessage(fmt.Sprintf(`{"dropped":"%d bytes of fields, at most %d are sent"}`, len(text), maxDetails))
	}
	return text
}
