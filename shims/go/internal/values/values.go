// Package values writes Go values as a database stores them (section 13.1 of
// the protocol). Where the protocol says nothing it follows encoding/json:
// tags, embedding, marshalers, names of maps in order.
//
// It knows nothing of collections; reading is wire's Stored.
package values

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/watzon/alyx/internal/wire"
)

const (
	// maxExact is the largest integer that JSON carries exactly everywhere.
	maxExact = 1<<53 - 1
	// maxDepth is how deep values may nest. The host refuses less deep ones; a
	// value that contains itself must end somewhere.
	maxDepth = 100
	// timeLayout is how the database writes its own timestamps.
	timeLayout = "2006-01-02T15:04:05.000Z"
)

// Fault is a value that cannot be written, and where it stands below the value
// that was given: `.tags[2]`, "" for that value itself.
type Fault struct{ Path, Text string }

func (f *Fault) Error() string { return f.Path + ": " + f.Text }

func faulty(format string, args ...any) *Fault { return &Fault{Text: fmt.Sprintf(format, args...)} }

// below puts a step in front of the path, on the way out.
func (f *Fault) below(step string) *Fault {
	const longest = 200 // bytes; a value that contains itself has a long path
	if f != nil && len(f.Path) < longest {
		f.Path = step + f.Path
	}
	return f
}

// Append writes v behind buf.
func Append(buf []byte, v any) ([]byte, *Fault) { return appendAny(buf, v, 0) }

func appendAny(buf []byte, v any, depth int) ([]byte, *Fault) {
	switch v := v.(type) {
	case nil:
		return append(buf, "null"...), nil
	case bool:
		return strconv.AppendBool(buf, v), nil
	case string:
		return wire.AppendString(buf, v), nil
	case int:
		return appendInt(buf, int64(v)), nil
	case int64:
		return appendInt(buf, v), nil
	case float64:
		return appendFloat(buf, v, 64)
	case []byte:
		return appendBytes(buf, v), nil
	case time.Time:
		return appendTime(buf, v)
	case json.Number:
		return appendNumber(buf, v)
	case map[string]any:
		return appendMap(buf, v, depth, appendAny)
	case []any:
		return appendList(buf, v, depth, appendAny)
	case []string:
		return appendList(buf, v, depth, appendText)
	}
	return appendReflected(buf, reflect.ValueOf(v), depth)
}

// AppendDocument writes a map or a struct.
func AppendDocument(buf []byte, doc any) ([]byte, *Fault) {
	start := len(buf)
	buf, fault := Append(buf, doc)
	if fault == nil && (buf[start] != '{' || !mayBeDocument(reflect.ValueOf(doc))) {
		fault = faulty("must be a map or a struct, not %s", describe(doc))
	}
	return buf, fault
}

// mayBeDocument tells objects from `$int` and `$bytes`.
func mayBeDocument(v reflect.Value) bool {
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	return marshals(v.Type()) || v.Kind() == reflect.Map || v.Kind() == reflect.Struct
}

func describe(v any) string {
	if v == nil {
		return "nil"
	}
	if rv := reflect.ValueOf(v); (rv.Kind() == reflect.Map || rv.Kind() == reflect.Pointer) && rv.IsNil() {
		return fmt.Sprintf("a nil %T", v)
	}
	return fmt.Sprintf("%T", v)
}

func appendText(buf []byte, s string, _ int) ([]byte, *Fault) { return wire.AppendString(buf, s), nil }

func appendInt(buf []byte, n int64) []byte {
	if -maxExact <= n && n <= maxExact {
		return strconv.AppendInt(buf, n, 10)
	}
	buf = strconv.AppendInt(append(buf, `{"$int":"`...), n, 10)
	return append(buf, `"}`...)
}

// appendUint also writes what is beyond int64: a document inside a document may
// hold it, and the host says where not.
func appendUint(buf []byte, n uint64) []byte {
	if n <= maxExact {
		return strconv.AppendUint(buf, n, 10)
	}
	buf = strconv.AppendUint(append(buf, `{"$int":"`...), n, 10)
	return append(buf, `"}`...)
}

// appendFloat writes whole numbers as integers, since all numbers of an input
// are float64, but none beyond maxExact, where that would claim to be exact.
func appendFloat(buf []byte, f float64, bits int) ([]byte, *Fault) {
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return buf, faulty("%v is no number that a database holds", f)
	case f == math.Trunc(f) && math.Abs(f) <= maxExact && (f != 0 || !math.Signbit(f)):
		return strconv.AppendInt(buf, int64(f), 10), nil
	}
	return strconv.AppendFloat(buf, f, 'g', -1, bits), nil
}

// appendNumber writes what encoding/json could not decide about.
func appendNumber(buf []byte, n json.Number) ([]byte, *Fault) {
	text := string(n)
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return appendInt(buf, i), nil
	}
	if u, err := strconv.ParseUint(text, 10, 64); err == nil {
		return appendUint(buf, u), nil
	}
	f, err := n.Float64()
	if err != nil || isDecimal(text) {
		return buf, faulty("%.40s is no number of 64 bits", text)
	}
	return appendFloat(buf, f, 64)
}

// isDecimal tells an integer from a number with fraction or exponent.
func isDecimal(text string) bool {
	return !slices.ContainsFunc([]byte(text), func(c byte) bool { return c != '-' && (c < '0' || c > '9') })
}

func appendBytes(buf, b []byte) []byte {
	if b == nil {
		return append(buf, "null"...)
	}
	buf = base64.StdEncoding.AppendEncode(append(buf, `{"$bytes":"`...), b)
	return append(buf, `"}`...)
}

func appendTime(buf []byte, t time.Time) ([]byte, *Fault) {
	t = t.UTC()
	if year := t.Year(); year < 0 || year > 9999 {
		return buf, faulty("a time in the year %d cannot be written", year)
	}
	return append(t.AppendFormat(append(buf, '"'), timeLayout), '"'), nil
}

type appender[T any] func(buf []byte, v T, depth int) ([]byte, *Fault)

// appendMap writes the names in order, so that equal documents are equal texts.
func appendMap[T any](buf []byte, m map[string]T, depth int, each appender[T]) ([]byte, *Fault) {
	if m == nil {
		return append(buf, "null"...), nil
	}
	o, fault := beginObject(buf, depth)
	var few [16]string
	for _, name := range sortedNames(few[:0], m) {
		if fault != nil {
			break
		}
		o.name(name)
		if o.buf, fault = each(o.buf, m[name], depth+1); fault != nil {
			fault.below("." + name)
		}
	}
	return o.end(), fault
}

func sortedNames[T any](names []string, m map[string]T) []string {
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func appendList[T any](buf []byte, list []T, depth int, each appender[T]) ([]byte, *Fault) {
	if list == nil {
		return append(buf, "null"...), nil
	}
	fault := checkDepth(depth)
	buf = append(buf, '[')
	for i, v := range list {
		if fault != nil {
			break
		}
		if i > 0 {
			buf = append(buf, ',')
		}
		if buf, fault = each(buf, v, depth+1); fault != nil {
			fault.below("[" + strconv.Itoa(i) + "]")
		}
	}
	return append(buf, ']'), fault
}

func checkDepth(depth int) *Fault {
	if depth >= maxDepth {
		return faulty("nested over %d levels deep, or contains itself", maxDepth)
	}
	return nil
}

// object is an object being written. Whether it needs `$lit` around it shows
// only at its end.
type object struct {
	buf     []byte
	start   int
	members int
	first   string
}

func beginObject(buf []byte, depth int) (object, *Fault) {
	return object{buf: append(buf, '{'), start: len(buf)}, checkDepth(depth)
}

func (o *object) name(name string) {
	if o.members == 0 {
		o.first = name
	} else {
		o.buf = append(o.buf, ',')
	}
	o.members++
	o.buf = append(wire.AppendString(o.buf, name), ':')
}

// end closes an object that is a value.
func (o *object) end() []byte {
	o.buf = append(o.buf, '}')
	if o.members == 1 && o.first != "" && o.first[0] == '$' {
		o.buf = append(slices.Insert(o.buf, o.start, []byte(`{"$lit":`)...), '}')
	}
	return o.buf
}
