package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/watzon/alyx/internal/shim"
)

// Context is everything a handler is given. It is a [context.Context] as well.
// The zero value, with fields set at will, serves in a function's own tests.
type Context struct {
	// Input is the request body, empty if that is no object (Bind reads any).
	Input map[string]any
	// Auth is the authenticated user, nil without a token.
	Auth *Auth
	// Env holds the function's variables. Do not write to it: all invocations
	// share it.
	Env map[string]string
	// Log writes to the invocation's log.
	Log *slog.Logger
	// Request describes the HTTP request.
	Request *Request
	// DB is the database.
	DB *DB
	// Function says which function runs.
	Function FunctionInfo

	inv *shim.Invocation
	db  DB
}

// Auth is the authenticated user.
type Auth struct {
	ID       string
	Email    string
	Role     string
	Verified bool
	Metadata map[string]any
}

// Request is the HTTP request behind an invocation.
type Request struct {
	ID      string
	Method  string
	Headers map[string]string // names in lower case
	Query   map[string][]string
	IP      string
}

// FunctionInfo names the running code.
type FunctionInfo struct {
	Name     string
	Revision string
}

var _ context.Context = (*Context)(nil)

func newContext(inv *shim.Invocation) *Context {
	c := &Context{
		Input: inv.Input,
		Auth:  newAuth(inv.Auth),
		Env:   inv.Env,
		Log:   slog.New(&logHandler{inv: inv}),
		Request: &Request{
			ID: inv.RequestID, Method: inv.Method, Headers: inv.Headers, Query: inv.Query, IP: inv.IP,
		},
		Function: FunctionInfo{Name: inv.Function, Revision: inv.Revision},
		inv:      inv,
		db:       DB{inv},
	}
	c.DB = &c.db
	return c
}

func newAuth(user map[string]any) *Auth {
	if user == nil {
		return nil
	}
	a := &Auth{}
	a.ID, _ = user["id"].(string)
	a.Email, _ = user["email"].(string)
	a.Role, _ = user["role"].(string)
	a.Verified, _ = user["verified"].(bool)
	if a.Metadata, _ = user["metadata"].(map[string]any); a.Metadata == nil {
		a.Metadata = map[string]any{}
	}
	return a
}

// Bind decodes the request body into target, a pointer, as json.Unmarshal
// does. A body of the wrong shape gives an *Error that may be returned as it
// is: code INVALID_INPUT, status 400.
func (c *Context) Bind(target any) error {
	raw, err := c.rawInput()
	if err != nil {
		return err
	}
	err = json.Unmarshal(raw, target)
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		return &Error{
			Code: "INVALID_INPUT", Status: 400,
			Message: fmt.Sprintf("%s must not be a %s", mismatch.Field, mismatch.Value),
			Fields:  map[string]any{"field": mismatch.Field},
		}
	}
	return err
}

func (c *Context) rawInput() ([]byte, error) {
	if c.inv != nil {
		return c.inv.RawInput, nil
	}
	return json.Marshal(c.Input)
}

// Deadline is when the function's timeout ends.
func (c *Context) Deadline() (deadline time.Time, ok bool) {
	if c.inv == nil {
		return time.Time{}, false
	}
	return c.inv.Deadline, true
}

// Done is closed at the deadline, on cancellation, and when the handler has
// returned.
func (c *Context) Done() <-chan struct{} { return c.standard().Done() }

// Err says why Done is closed.
func (c *Context) Err() error { return c.standard().Err() }

// Value makes contexts that are derived from this one cheap.
func (c *Context) Value(key any) any { return c.standard().Value(key) }

func (c *Context) standard() context.Context {
	if c.inv == nil {
		return context.Background()
	}
	return c.inv.Context()
}
