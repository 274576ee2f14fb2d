package capture

import (
	"bytes"
	"strings"

	"github.com/watzon/alyx/internal/wire"
)

// Lines gathers one stream of output into lines, keeping no more of a long
// line than will be shown.
type Lines struct {
	part []byte // a line that has not ended
	gone int    // bytes of it that were not kept
}

// Take reads text up to the end of a line. It returns that line, whole, or
// keeps the beginning of one; rest is what follows.
func (l *Lines) Take(text []byte, limit int) (line string, rest []byte, whole bool) {
	end := bytes.IndexByte(text, '\n')
	if end < 0 {
		l.keep(text, limit)
		return "", nil, false
	}
	l.keep(text[:end], limit)
	line, _ = l.Rest(limit)
	return line, text[end+1:], true
}

// Rest returns the line that has not ended, if there is one.
func (l *Lines) Rest(limit int) (line string, some bool) {
	some = len(l.part) > 0 || l.gone > 0
	line = wire.Cut(strings.TrimSuffix(string(l.part), "\r"), limit, l.gone)
	l.part, l.gone = l.part[:0], 0
	return line, some
}

func (l *Lines) keep(text []byte, limit int) {
	room := max(0, limit-len(l.part))
	if len(text) > room {
		l.gone += len(text) - room
		text = text[:room]
	}
	l.part = append(l.part, text...)
}
