package shim

import (
	"errors"
	"fmt"
	"time"

	"github.com/watzon/alyx/internal/wire"
)

const (
	defaultDeadlineMs = 30_000
	maxDeadlineMs     = 1 << 31 // 24 days; keeps time.Duration far from its end
)

// Call is what an invoke request says, decoded once.
type Call struct {
	Function, Revision string
	RequestID          string
	Deadline           time.Time
	Auth               map[string]any // nil for an anonymous caller
	Method, IP         string
	Headers            map[string]string
	Query              map[string][]string
	Input              map[string]any
	RawInput           []byte // Input's own bytes
}

// decodeCall walks the params once; `input`, usually last, is the only value
// of any size and is decoded where it stands.
func decodeCall(params []byte, now time.Time) (*Call, error) {
	c := &Call{}
	deadlineMs := float64(defaultDeadlineMs)
	var err error
	for it := wire.MembersOf(params); err == nil && it.Next(); {
		switch string(it.Name) {
		case "function":
			err = textMember(&it, &c.Function)
		case "revision":
			err = textMember(&it, &c.Revision)
		case "requestId":
			err = textMember(&it, &c.RequestID)
		case "deadlineMs":
			var isNumber bool
			if deadlineMs, isNumber = it.Number(); !isNumber {
				err = errors.New("deadlineMs must be a number")
			}
		case "trigger":
			err = c.decodeTrigger(it.Members())
		case "auth":
			c.Auth, _, err = objectMember(&it)
		case "input":
			if c.Input, c.RawInput, err = it.Object(); err != nil {
				err = fmt.Errorf("input: %w", err)
			}
		}
	}
	if c.RawInput == nil || string(c.RawInput) == "null" {
		c.RawInput = []byte("{}")
	}
	if c.Input == nil { // another type is there for Bind alone
		c.Input = map[string]any{}
	}
	if err == nil && (c.Function == "" || c.Revision == "") {
		err = errors.New("function and revision are required")
	}
	c.Deadline = now.Add(time.Duration(min(max(deadlineMs, 0), maxDeadlineMs)) * time.Millisecond)
	return c, err
}

// objectMember decodes the current member, an object or null.
func objectMember(it *wire.Members) (object map[string]any, raw []byte, err error) {
	object, raw, err = it.Object()
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", it.Name, err)
	}
	if object == nil && string(raw) != "null" {
		return nil, nil, fmt.Errorf("%s must be an object", it.Name)
	}
	return object, raw, nil
}

// decodeTrigger reads what the ctx.Request of an HTTP call shows. Members of
// other types are left empty: triggers are an open list.
func (c *Call) decodeTrigger(it wire.Members) error {
	for it.Next() {
		switch string(it.Name) {
		case "method":
			c.Method, _ = it.Text()
		case "ip":
			c.IP, _ = it.Text()
		case "headers":
			c.Headers = map[string]string{}
			for headers := it.Members(); headers.Next(); {
				var value string
				if err := textMember(&headers, &value); err != nil {
					return fmt.Errorf("trigger.headers: %w", err)
				}
				c.Headers[string(headers.Name)] = value
			}
		case "query":
			c.Query = map[string][]string{}
			for query := it.Members(); query.Next(); {
				values, ok := query.Texts()
				if !ok {
					return fmt.Errorf("trigger.query: %s must be a list of strings", query.Name)
				}
				c.Query[string(query.Name)] = values
			}
		}
	}
	return nil
}
