package wire

import (
	"fmt"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string. Bytes that are no UTF-8, as a
// program may well print, become U+FFFD.
func AppendString[T string | []byte](buf []byte, s T) []byte {
	buf = append(buf, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
			if r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		}
		buf = appendEscape(append(buf, s[start:i]...), c)
		i++
		start = i
	}
	return append(append(buf, s[start:]...), '"')
}

func appendEscape(buf []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(buf, '\\', c)
	case '\n':
		return append(buf, '\\', 'n')
	case '\r':
		return append(buf, '\\', 'r')
	case '\t':
		return append(buf, '\\', 't')
	}
	if c >= utf8.RuneSelf {
		return append(buf, "\ufffd"...)
	}
	return append(buf, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// Cut shortens s to at most limit bytes, marker included, without splitting a
// character. The marker says how much is gone; `gone` counts what the caller
// has cut before.
func Cut(s string, limit, gone int) string {
	if len(s) <= limit && gone == 0 {
		return s
	}
	keep := min(len(s), max(0, limit-len(CutMarker(len(s)+gone))))
	for keep > 0 && keep < len(s) && !utf8.RuneStart(s[keep]) {
		keep--
	}
	return s[:keep] + CutMarker(len(s)-keep+gone)
}

// CutMarker says how many bytes are missing.
func CutMarker(gone int) string { return fmt.Sprintf(" …[cut, %d bytes]", gone) }
