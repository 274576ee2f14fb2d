package shim

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/watzon/alyx/internal/wire"
)

// Refusal is a syscall that failed: in the host's words, or in ours where it
// was not sent or its answer did not come.
type Refusal struct {
	*wire.Error
	Cause error // what ended it, such as context.Canceled; may be nil
}

func refuse(code int, word string, cause error, format string, args ...any) *Refusal {
	e := wire.NewError(code, fmt.Sprintf(format, args...))
	e.Data.Code = word
	return &Refusal{e, cause}
}

// NewSyscall begins a request on behalf of the invocation: its params are open
// and have `inv`; the caller appends the other members and the closing brace.
// Where it would be in vain, nothing is begun.
func (inv *Invocation) NewSyscall(method, capability string) (*wire.Syscall, *Refusal) {
	if !inv.session.Offers(capability) {
		return nil, refuse(wire.CodeMethodNotFound, "UNAVAILABLE", nil, "the host offers no %s", offer(capability))
	}
	if inv.Context().Err() != nil {
		return nil, inv.ended()
	}
	call := inv.peer.NewSyscall(method)
	call.Frame = strconv.AppendInt(append(call.Frame, `{"inv":`...), inv.ID, 10)
	return call, nil
}

func offer(capability string) string {
	if capability == "db" {
		return "database"
	}
	return "database batches"
}

// Do makes the request and returns its result. It waits while the invocation,
// or the worker, has as many unanswered as the host takes.
func (inv *Invocation) Do(call *wire.Syscall) ([]byte, *Refusal) {
	inv.mu.Lock()
	if inv.slots == nil {
		inv.slots = wire.NewSlots(inv.session.MaxCallsPerInvocation)
	}
	ctx, slots := inv.context(), inv.slots
	inv.mu.Unlock()
	result, err := inv.peer.Do(ctx, call, slots)
	if err == nil {
		return result, nil
	}
	return nil, inv.refusal(err)
}

// refusal says why a request that was complete has no result.
func (inv *Invocation) refusal(err error) *Refusal {
	var answer *wire.Error
	var size *wire.SizeError
	switch {
	case errors.As(err, &answer):
		return &Refusal{answer, causes[answer.Code]}
	case errors.As(err, &size):
		return refuse(wire.CodeFrameTooLarge, "PAYLOAD_TOO_LARGE", nil,
			"the call is %d bytes, the host takes at most %d; write less at once", size.Size, size.Limit)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return inv.ended()
	}
	return refuse(wire.CodeInternal, "UNAVAILABLE", err, "no answer came from the host: %v", err)
}

// causes lets errors.Is find in an answer what a context would have said.
var causes = map[int]error{
	wire.CodeDeadline: context.DeadlineExceeded,
	wire.CodeEnded:    context.Canceled,
}

// ended says why the invocation's context is done.
func (inv *Invocation) ended() *Refusal {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	cause := inv.context().Err()
	switch {
	case inv.over:
		return refuse(wire.CodeEnded, "INVOCATION_ENDED", cause,
			"the handler has returned; wait for every call of ctx.DB before it does")
	case errors.Is(cause, context.DeadlineExceeded):
		return refuse(wire.CodeDeadline, "DEADLINE_EXCEEDED", cause, "the function's timeout is over")
	}
	return refuse(wire.CodeCancelled, "CANCELLED", cause, "the call was cancelled")
}
