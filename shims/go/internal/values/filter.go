package values

import (
	"reflect"
	"strconv"
)

// AppendFilter writes a filter behind buf. Only operands are values there: an
// operator such as $gt is not wrapped in `$lit`. What makes no sense passes, for
// the host knows what to say about it.
func AppendFilter(buf []byte, filter map[string]any) ([]byte, *Fault) {
	return appendFilter(buf, filter, 0)
}

func appendFilter(buf []byte, filter any, depth int) ([]byte, *Fault) {
	return appendMembers(buf, filter, depth, func(buf []byte, name string, v any) ([]byte, *Fault) {
		switch name {
		case "$and", "$or":
			return appendFilters(buf, v, depth+1)
		case "$not":
			return appendFilter(buf, v, depth+1)
		}
		return appendCondition(buf, v, depth+1)
	})
}

// appendCondition writes what is asked of one field: operators with their
// operands, or a value to be equal to.
func appendCondition(buf []byte, condition any, depth int) ([]byte, *Fault) {
	return appendMembers(buf, condition, depth, func(buf []byte, _ string, v any) ([]byte, *Fault) {
		return appendAny(buf, v, depth+1)
	})
}

func appendFilters(buf []byte, filters any, depth int) ([]byte, *Fault) {
	switch list := filters.(type) {
	case []any:
		return appendList(buf, list, depth, appendFilter)
	case []map[string]any:
		return appendList(buf, list, depth, func(buf []byte, filter map[string]any, depth int) ([]byte, *Fault) {
			return appendFilter(buf, filter, depth)
		})
	}
	return appendAny(buf, filters, depth)
}

// appendMembers writes a map member by member, and anything else as a value.
func appendMembers(buf []byte, v any, depth int, each func([]byte, string, any) ([]byte, *Fault)) ([]byte, *Fault) {
	m := asMap(v)
	if m == nil {
		return appendAny(buf, v, depth)
	}
	o, fault := beginObject(buf, depth)
	var few [16]string
	for _, name := range sortedNames(few[:0], m) {
		if fault != nil {
			break
		}
		o.name(name)
		if o.buf, fault = each(o.buf, name, m[name]); fault != nil {
			fault.below("." + name)
		}
	}
	return append(o.buf, '}'), fault
}

// asMap is v if it is a map of some kind with strings for names, else nil.
func asMap(v any) map[string]any {
	if m, usual := v.(map[string]any); usual {
		return m
	}
	rv := reflect.ValueOf(v)
	if rv.Kind() != reflect.Map || rv.Type().Key().Kind() != reflect.String || rv.IsNil() || marshals(rv.Type()) {
		return nil
	}
	m := make(map[string]any, rv.Len())
	for it := rv.MapRange(); it.Next(); {
		m[it.Key().String()] = it.Value().Interface()
	}
	return m
}

// AppendArgs writes the parameters of a statement behind buf: a list for `?`,
// or an object for `:name` where a map is the only argument.
func AppendArgs(buf []byte, args []any) ([]byte, *Fault) {
	if len(args) == 1 {
		if named := asMap(args[0]); named != nil {
			return appendMembers(buf, named, 0, func(buf []byte, _ string, v any) ([]byte, *Fault) {
				return appendAny(buf, v, 1)
			})
		}
	}
	buf = append(buf, '[')
	for i, arg := range args {
		if i > 0 {
			buf = append(buf, ',')
		}
		var fault *Fault
		if buf, fault = appendAny(buf, arg, 1); fault != nil {
			return buf, fault.below("[" + strconv.Itoa(i) + "]")
		}
	}
	return append(buf, ']'), nil
}
