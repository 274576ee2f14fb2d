package runtime

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/watzon/alyx/internal/shim"
	"github.com/watzon/alyx/internal/wire"
)

// logHandler turns slog records into entries of the invocation's log. All
// levels are sent; the host decides what to show.
type logHandler struct {
	inv *shim.Invocation
	// With and WithGroup add here: fields already written, and the groups that
	// are open behind them.
	prefix []byte
	groups int
}

func (h *logHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *logHandler) Handle(_ context.Context, record slog.Record) error {
	fields := append([]byte{'{'}, h.prefix...)
	record.Attrs(func(attr slog.Attr) bool {
		fields = appendAttr(fields, attr)
		return true
	})
	fields = append(fields, bytes.Repeat([]byte{'}'}, h.groups+1)...)
	level := levelName(record.Level)
	if !h.inv.Log(level, record.Message, fields) {
		fmt.Fprintf(os.Stderr, "%s after the invocation has ended: %s %s\n", level, record.Message, fields)
	}
	return nil
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.prefix = bytes.Clone(h.prefix)
	for _, attr := range attrs {
		next.prefix = appendAttr(next.prefix, attr)
	}
	return &next
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	next := *h
	next.prefix = append(appendName(bytes.Clone(h.prefix), name), '{')
	next.groups++
	return &next
}

func levelName(level slog.Level) string {
	switch {
	case level < slog.LevelInfo:
		return "debug"
	case level < slog.LevelWarn:
		return "info"
	case level < slog.LevelError:
		return "warn"
	}
	return "error"
}

// appendAttr appends one member, or a group's members, and drops what slog
// says is empty.
func appendAttr(fields []byte, attr slog.Attr) []byte {
	value := attr.Value.Resolve()
	if value.Kind() != slog.KindGroup {
		if attr.Key == "" && value.Any() == nil {
			return fields
		}
		return append(appendName(fields, attr.Key), fieldJSON(value)...)
	}
	members := value.Group()
	if len(members) == 0 {
		return fields
	}
	if attr.Key != "" {
		fields = append(appendName(fields, attr.Key), '{')
	}
	for _, member := range members {
		fields = appendAttr(fields, member)
	}
	if attr.Key != "" {
		fields = append(fields, '}')
	}
	return fields
}

// appendName appends the comma that the place needs, and the name.
func appendName(fields []byte, name string) []byte {
	if n := len(fields); n > 0 && fields[n-1] != '{' {
		fields = append(fields, ',')
	}
	return append(wire.AppendString(fields, name), ':')
}

// fieldJSON writes one value. What JSON cannot hold, or what fails on the way,
// becomes a marker: logging never fails a function.
func fieldJSON(value slog.Value) (text []byte) {
	defer func() {
		if problem := recover(); problem != nil {
			text = wire.AppendString(nil, fmt.Sprintf("[cannot be written: %v]", problem))
		}
	}()
	switch value.Kind() {
	case slog.KindString:
		return wire.AppendString(nil, value.String())
	case slog.KindDuration:
		return wire.AppendString(nil, value.Duration().String())
	case slog.KindTime:
		return wire.AppendString(nil, value.Time().Format(time.RFC3339Nano))
	}
	if err, isError := value.Any().(error); isError {
		return wire.AppendString(nil, err.Error())
	}
	text, err := json.Marshal(value.Any())
	if err != nil {
		return wire.AppendString(nil, fmt.Sprintf("[%T cannot be written: %v]", value.Any(), err))
	}
	return text
}
