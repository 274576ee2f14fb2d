package wire

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Decoding of text that a scan has already found valid: one pass, no checks
// twice and no reflection. The result is what encoding/json gives for `any`,
// at about a third of its cost, and a request's input is decoded only here.

// RangeError reports a number that float64 cannot hold.
type RangeError struct{ Number string }

func (e *RangeError) Error() string {
	return fmt.Sprintf("number %s is out of the range of float64", e.Number)
}

// Decode returns the valid JSON in raw as nil, bool, float64, string, []any
// or map[string]any.
func Decode(raw []byte) (any, error) {
	d := decoder{b: raw, i: skipSpace(raw, 0), texts: &window{}}
	v := d.value()
	return v, d.err
}

// DecodeString is Decode for raw text that should be a string; ok tells.
func DecodeString(raw []byte) (s string, ok bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	return string(unquoteBytes(raw)), true
}

// Object decodes the current value, which a scan has found valid before, and
// returns its raw text too. A value that is no object gives nil.
func (m *Members) Object() (object map[string]any, raw []byte, err error) {
	if m.b[m.i] != '{' {
		return nil, m.Raw(), nil
	}
	d := decoder{b: m.b, i: m.i, texts: m.window()}
	object = d.object()
	raw = m.b[m.i:d.i]
	m.i, m.unread = d.i, false
	return object, raw, d.err
}

// Members walks the current value, which a scan has found valid before.
func (m *Members) Members() Members {
	if m.b[m.i] != '{' {
		return Members{invalid: true}
	}
	return Members{b: m.b, i: m.i + 1, texts: m.window()}
}

// Elements calls each at every element of the current value, a list that a scan
// has found valid before. Of another value there are none.
func (m *Members) Elements(each func(*Members)) {
	if m.b[m.i] != '[' {
		m.Raw()
		return
	}
	d := decoder{b: m.b, i: m.i}
	for d.step(); d.b[d.i] != ']'; d.sep() {
		each(&Members{b: m.b, i: d.i, texts: m.window()})
		d.i = skipValue(d.b, d.i, 0)
	}
	m.i, m.unread = d.i+1, false
}

// Text is the current value if it is a string.
func (m *Members) Text() (string, bool) {
	start := m.i
	if m.Raw(); m.invalid || m.b[start] != '"' {
		return "", false
	}
	return m.window().text(m.b, start, m.i), true
}

func (m *Members) window() *window {
	if m.texts == nil {
		m.texts = &window{}
	}
	return m.texts
}

// Number is the current value if it is a number that float64 holds.
func (m *Members) Number() (float64, bool) {
	raw := m.Raw()
	if c := raw[0]; c != '-' && (c < '0' || c > '9') {
		return 0, false
	}
	d := decoder{b: raw}
	n := d.number()
	return n, d.err == nil
}

// Texts is the current value if it is a list of strings.
func (m *Members) Texts() ([]string, bool) {
	list, err := Decode(m.Raw())
	values, isList := list.([]any)
	texts := make([]string, len(values))
	for i, value := range values {
		text, isText := value.(string)
		isList = isList && isText
		texts[i] = text
	}
	return texts, isList && err == nil
}

// windowSize is how much text is copied at once for the short strings in it.
// A string that a function keeps for long keeps its window too, so it is small.
const windowSize = 2 << 10

// window is a copy of a part of some text, shared by the strings that lie in
// it: most of what a message holds costs no memory of its own.
type window struct {
	copy string
	from int // where in the text
}

// text is the valid quoted string b[start:end].
func (w *window) text(b []byte, start, end int) string {
	inner, last := start+1, end-1
	switch {
	case bytes.IndexByte(b[inner:last], '\\') >= 0:
		return string(unquoteBytes(b[start:end]))
	case last-inner > windowSize/4:
		return string(b[inner:last])
	case inner < w.from || last > w.from+len(w.copy):
		w.from = inner
		w.copy = string(b[inner:min(inner+windowSize, len(b))])
	}
	return w.copy[inner-w.from : last-w.from]
}

type decoder struct {
	b      []byte
	i      int
	err    error
	texts  *window
	stored bool // by the rules of stored.go
}

func (d *decoder) value() any {
	switch d.b[d.i] {
	case '"':
		return d.string()
	case '{':
		if d.stored {
			return d.storedObject()
		}
		return d.object()
	case '[':
		return d.array()
	case 't':
		d.i += len("true")
		return true
	case 'f':
		d.i += len("false")
		return false
	case 'n':
		d.i += len("null")
		return nil
	}
	if d.stored {
		return d.storedNumber()
	}
	return d.number()
}

func (d *decoder) object() map[string]any {
	m := make(map[string]any)
	for d.step(); d.b[d.i] != '}'; d.sep() {
		name := d.string()
		d.i = skipSpace(d.b, d.i)
		d.step() // over the colon
		m[name] = d.value()
	}
	d.i++
	return m
}

func (d *decoder) array() []any {
	a := []any{}
	for d.step(); d.b[d.i] != ']'; d.sep() {
		a = append(a, d.value())
	}
	d.i++
	return a
}

// step moves over one byte and the space behind it.
func (d *decoder) step() { d.i = skipSpace(d.b, d.i+1) }

// sep moves to the next element or to the closing bracket.
func (d *decoder) sep() {
	d.i = skipSpace(d.b, d.i)
	if d.b[d.i] == ',' {
		d.step()
	}
}

func (d *decoder) string() string {
	start := d.i
	d.i = skipString(d.b, start)
	return d.texts.text(d.b, start, d.i)
}

// maxExactDigits is how many decimal digits a float64 holds without rounding.
const maxExactDigits = 15

func (d *decoder) number() float64 {
	start := d.i
	d.i = skipNumber(d.b, start)
	text := d.b[start:d.i]
	if n, ok := smallInt(text); ok {
		return n
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		d.fail(&RangeError{clip(string(text), 40)})
	}
	return f
}

// smallInt reads what most numbers are, without a float parser. `-0` is left
// to the parser, which keeps its sign.
func smallInt(text []byte) (float64, bool) {
	digits := bytes.TrimPrefix(text, []byte{'-'})
	if len(digits) > maxExactDigits || digits[0] == '0' && len(text) > 1 {
		return 0, false
	}
	var n int64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if len(digits) < len(text) {
		n = -n
	}
	return float64(n), true
}

// unquoteBytes returns the text of a valid quoted string, in place where it
// holds no escape. A lone surrogate becomes U+FFFD, as Go strings are UTF-8.
func unquoteBytes(quoted []byte) []byte {
	in := quoted[1 : len(quoted)-1]
	next := bytes.IndexByte(in, '\\')
	if next < 0 {
		return in
	}
	out := make([]byte, 0, len(in))
	for ; next >= 0; next = bytes.IndexByte(in, '\\') {
		out = append(out, in[:next]...)
		var r rune
		r, in = unescape(in[next+1:])
		out = utf8.AppendRune(out, r)
	}
	return append(out, in...)
}

var shortEscapes = [256]rune{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// unescape reads one escape behind its backslash and returns what follows.
func unescape(in []byte) (rune, []byte) {
	if in[0] != 'u' {
		return shortEscapes[in[0]], in[1:]
	}
	r := hex4(in[1:])
	in = in[5:]
	if !utf16.IsSurrogate(r) {
		return r, in
	}
	if len(in) >= 6 && in[0] == '\\' && in[1] == 'u' {
		if pair := utf16.DecodeRune(r, hex4(in[2:])); pair != utf8.RuneError {
			return pair, in[6:]
		}
	}
	return utf8.RuneError, in
}

// clip shortens text from outside for use inside a message.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit] + "…"
}
