package wire

import (
	"math"
	"slices"
	"strconv"
)

// maxPlainDepth leaves deeper values, and those that contain themselves, to
// encoding/json, which can tell the two apart.
const maxPlainDepth = 200

// AppendValue writes a value made of the types that most handlers return: what
// Decode gives, integers, and maps and slices of strings. It is what
// encoding/json writes without its HTML escapes, at about a third of the cost.
// Any other type, and any number that JSON does not have, gives false.
func AppendValue(buf []byte, v any) ([]byte, bool) { return appendValue(buf, v, 0) }

func appendValue(buf []byte, v any, depth int) ([]byte, bool) {
	if depth > maxPlainDepth {
		return buf, false
	}
	switch v := v.(type) {
	case nil:
		return append(buf, "null"...), true
	case bool:
		return strconv.AppendBool(buf, v), true
	case string:
		return AppendString(buf, v), true
	case float64:
		return appendFloat(buf, v)
	case int:
		return strconv.AppendInt(buf, int64(v), 10), true
	case int64:
		return strconv.AppendInt(buf, v, 10), true
	case map[string]any:
		return appendMap(buf, v, depth, appendValue)
	case map[string]string:
		return appendMap(buf, v, depth, appendText)
	case []any:
		return appendList(buf, v, depth, appendValue)
	case []string:
		return appendList(buf, v, depth, appendText)
	case []map[string]any:
		return appendList(buf, v, depth, func(buf []byte, m map[string]any, depth int) ([]byte, bool) {
			return appendMap(buf, m, depth, appendValue)
		})
	}
	return buf, false
}

type appender[T any] func(buf []byte, v T, depth int) ([]byte, bool)

func appendText(buf []byte, s string, _ int) ([]byte, bool) { return AppendString(buf, s), true }

// appendMap writes the names in order, as encoding/json does.
func appendMap[T any](buf []byte, m map[string]T, depth int, each appender[T]) ([]byte, bool) {
	if m == nil {
		return append(buf, "null"...), true
	}
	var few [16]string
	names := few[:0]
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	buf = append(buf, '{')
	plain := true
	for i, name := range names {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(AppendString(buf, name), ':')
		if buf, plain = each(buf, m[name], depth+1); !plain {
			return buf, false
		}
	}
	return append(buf, '}'), true
}

func appendList[T any](buf []byte, list []T, depth int, each appender[T]) ([]byte, bool) {
	if list == nil {
		return append(buf, "null"...), true
	}
	buf = append(buf, '[')
	plain := true
	for i, v := range list {
		if i > 0 {
			buf = append(buf, ',')
		}
		if buf, plain = each(buf, v, depth+1); !plain {
			return buf, false
		}
	}
	return append(buf, ']'), true
}

// appendFloat writes the shortest text that reads back as f. Whole numbers, the
// usual case, need no search for it.
func appendFloat(buf []byte, f float64) ([]byte, bool) {
	const exact = 1 << 53
	if n := int64(f); float64(n) == f && -exact < n && n < exact && (n != 0 || !math.Signbit(f)) {
		return strconv.AppendInt(buf, n, 10), true
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return buf, false
	}
	if size := math.Abs(f); size >= 1e21 || size < 1e-6 && size != 0 { // as JavaScript does
		return strconv.AppendFloat(buf, f, 'e', -1, 64), true
	}
	return strconv.AppendFloat(buf, f, 'f', -1, 64), true
}
