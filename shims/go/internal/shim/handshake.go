package shim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/watzon/alyx/internal/wire"
)

// Version is what this shim calls itself in hello.
const Version = "0.1.0"

const (
	protocolVersion  = 1
	concurrency      = 256
	helloID          = 1
	handshakeTimeout = 5 * time.Second
	// mostCalls is the most unanswered syscalls that this shim cares to have.
	mostCalls = 1 << 16
)

// Session is what the host granted in its answer to hello.
type Session struct {
	MaxFrame              int `json:"maxFrame"`              // the smaller of both sides' limits
	MaxLogEntry           int `json:"maxLogEntry"`           // bytes of one log entry
	MaxLogBytes           int `json:"maxLogBytes"`           // bytes of log of one invocation
	MaxCalls              int `json:"maxCalls"`              // unanswered syscalls
	MaxCallsPerInvocation int `json:"maxCallsPerInvocation"` // of these for one invocation

	Capabilities []string `json:"capabilities"` // what the host offers
}

// DefaultSession holds what protocol v1 says where the host says nothing.
func DefaultSession() Session {
	return Session{
		MaxFrame: 8 << 20, MaxLogEntry: 16 << 10, MaxLogBytes: 256 << 10,
		MaxCalls: 256, MaxCallsPerInvocation: 32,
	}
}

// Offers tells whether the host listed a capability.
func (s *Session) Offers(capability string) bool { return slices.Contains(s.Capabilities, capability) }

// handshake says hello and reads until the host's answer. It runs before the
// peer, one frame at a time, so that a request sent right behind the answer
// finds the answer already taken in.
func handshake(frames *wire.Reader, out io.Writer, token string) (Session, error) {
	if _, err := out.Write(wire.AppendCallFrame(nil, helloID, "hello", helloParams(token))); err != nil {
		return Session{}, fmt.Errorf("cannot say hello: %w", err)
	}
	for {
		payload, err := frames.Next()
		if err != nil && !errors.Is(err, wire.ErrOversize) {
			return Session{}, fmt.Errorf("no answer to hello: %w", err)
		}
		m, fault := wire.Parse(payload)
		if err == nil && fault == nil && m.Shape == wire.Answer && m.ID == helloID {
			return readSession(m)
		}
		if reply := earlyReply(m, fault, err); reply != nil {
			if _, err := out.Write(reply); err != nil {
				return Session{}, fmt.Errorf("no answer to hello: %w", err)
			}
		}
	}
}

// earlyReply answers what should not have come before the handshake was done.
func earlyReply(m wire.Message, fault *wire.ParseError, readErr error) []byte {
	switch {
	case readErr != nil:
		return wire.AppendErrorFrame(nil, 0, wire.NewError(wire.CodeFrameTooLarge, readErr.Error()))
	case fault != nil:
		return wire.AppendErrorFrame(nil, fault.ID, wire.NewError(fault.Code, fault.Text))
	case m.Shape == wire.Request:
		return wire.AppendErrorFrame(nil, m.ID,
			wire.NewError(wire.CodeNotReady, fmt.Sprintf("%q came before the answer to hello", m.Method)))
	}
	return nil
}

func helloParams(token string) []byte {
	type object = map[string]any
	body, err := json.Marshal(object{
		"protocolVersions": []int{protocolVersion},
		"token":            token,
		"runtime": object{
			"name": "go", "version": Version,
			"language": "go", "languageVersion": runtime.Version(),
		},
		"pid":          os.Getpid(),
		"concurrency":  object{"max": concurrency},
		"capabilities": object{"load": object{}},
		"limits":       object{"maxFrame": wire.MaxFrame},
	})
	if err != nil {
		panic(err) // plain strings and numbers
	}
	return body
}

// readSession takes the limits out of the answer to hello.
func readSession(m wire.Message) (Session, error) {
	if m.Err != nil && string(m.Err) != "null" {
		return Session{}, fmt.Errorf("the host refused hello: %w", wire.DecodeError(m.Err))
	}
	s, version := DefaultSession(), protocolVersion
	for it := wire.MembersOf(m.Result); it.Next(); {
		switch string(it.Name) {
		case "protocolVersion":
			version = count(&it, 0)
		case "limits":
			s.readLimits(it.Raw())
		case "capabilities":
			for offered := it.Members(); offered.Next(); {
				s.Capabilities = append(s.Capabilities, string(offered.Name))
			}
		}
	}
	if version != protocolVersion {
		return Session{}, fmt.Errorf("the host chose protocol version %d, this shim speaks %d", version, protocolVersion)
	}
	return s, nil
}

func (s *Session) readLimits(raw []byte) {
	for it := wire.MembersOf(raw); it.Next(); {
		switch string(it.Name) {
		case "maxFrame":
			s.MaxFrame = min(count(&it, s.MaxFrame), wire.MaxFrame)
		case "maxLogEntry":
			s.MaxLogEntry = count(&it, s.MaxLogEntry)
		case "maxLogBytes":
			s.MaxLogBytes = count(&it, s.MaxLogBytes)
		case "maxCalls":
			s.MaxCalls = min(count(&it, s.MaxCalls), mostCalls)
		case "maxCallsPerInvocation":
			s.MaxCallsPerInvocation = min(count(&it, s.MaxCallsPerInvocation), mostCalls)
		}
	}
}

// count reads the current member; anything that is no count gives the fallback.
func count(it *wire.Members, fallback int) int {
	n, ok := it.Number()
	if !ok || n < 1 {
		return fallback
	}
	return int(min(n, 1<<53))
}
