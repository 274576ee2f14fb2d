package values

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/watzon/alyx/internal/wire"
)

var (
	jsonMarshaler = reflect.TypeFor[json.Marshaler]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
	timeType      = reflect.TypeFor[time.Time]()
	numberType    = reflect.TypeFor[json.Number]()
)

func marshals(t reflect.Type) bool { return t.Implements(jsonMarshaler) || t.Implements(textMarshaler) }

// appendReflected writes what has no case of its own in appendAny.
func appendReflected(buf []byte, v reflect.Value, depth int) ([]byte, *Fault) {
	switch t := v.Type(); {
	case t == timeType || t == numberType:
		return appendAny(buf, v.Interface(), depth)
	case v.Kind() == reflect.Pointer && v.Type().Elem() == timeType:
		// below: what it points to, not its marshaler
	case t.Implements(jsonMarshaler):
		return appendMarshaled(buf, v, depth)
	case v.CanAddr() && reflect.PointerTo(t).Implements(jsonMarshaler):
		return appendMarshaled(buf, v.Addr(), depth)
	case t.Implements(textMarshaler):
		return appendMarshaled(buf, v, depth)
	case v.CanAddr() && reflect.PointerTo(t).Implements(textMarshaler):
		return appendMarshaled(buf, v.Addr(), depth)
	}
	return appendKind(buf, v, depth)
}

func appendKind(buf []byte, v reflect.Value, depth int) ([]byte, *Fault) {
	switch v.Kind() {
	case reflect.Bool:
		return strconv.AppendBool(buf, v.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return appendInt(buf, v.Int()), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return appendUint(buf, v.Uint()), nil
	case reflect.Float32, reflect.Float64:
		return appendFloat(buf, v.Float(), v.Type().Bits())
	case reflect.String:
		return wire.AppendString(buf, v.String()), nil
	case reflect.Pointer, reflect.Interface:
		return appendElem(buf, v, depth)
	case reflect.Map:
		return appendReflectedMap(buf, v, depth)
	case reflect.Slice, reflect.Array:
		return appendReflectedList(buf, v, depth)
	case reflect.Struct:
		return appendStruct(buf, v, depth)
	}
	return buf, faulty("a %s cannot be written to the database", v.Type())
}

// appendElem follows a pointer. Only one that leads to a pointer counts as a
// level, since nothing else would end a circle of them.
func appendElem(buf []byte, v reflect.Value, depth int) ([]byte, *Fault) {
	if v.IsNil() {
		return append(buf, "null"...), nil
	}
	v = v.Elem()
	if v.Kind() != reflect.Pointer {
		return appendReflected(buf, v, depth)
	}
	if fault := checkDepth(depth); fault != nil {
		return buf, fault
	}
	return appendReflected(buf, v, depth+1)
}

// appendMarshaled writes what a value says of itself. It goes through plain
// values, since the text may hold large integers and lone $ names.
func appendMarshaled(buf []byte, v reflect.Value, depth int) ([]byte, *Fault) {
	text, err := json.Marshal(v.Interface())
	if err != nil {
		return buf, faulty("%v", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var plain any
	if err := decoder.Decode(&plain); err != nil {
		return buf, faulty("%v", err)
	}
	return appendAny(buf, plain, depth)
}

func appendReflectedMap(buf []byte, v reflect.Value, depth int) ([]byte, *Fault) {
	if v.IsNil() {
		return append(buf, "null"...), nil
	}
	m := make(map[string]reflect.Value, v.Len())
	for it := v.MapRange(); it.Next(); {
		name, fault := mapName(it.Key())
		if fault != nil {
			return buf, fault
		}
		m[name] = it.Value()
	}
	return appendMap(buf, m, depth, appendReflected)
}

// mapName is the name that a key becomes, by the rules of encoding/json.
func mapName(key reflect.Value) (string, *Fault) {
	if key.Kind() == reflect.String {
		return key.String(), nil
	}
	if key.Type().Implements(textMarshaler) {
		if key.Kind() == reflect.Pointer && key.IsNil() {
			return "", nil
		}
		text, err := key.Interface().(encoding.TextMarshaler).MarshalText()
		if err != nil {
			return "", faulty("%v", err)
		}
		return string(text), nil
	}
	if key.CanInt() || key.CanUint() {
		return fmt.Sprint(key.Interface()), nil
	}
	return "", faulty("a map with keys of type %s cannot be written to the database", key.Type())
}

func appendReflectedList(buf []byte, v reflect.Value, depth int) ([]byte, *Fault) {
	if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 && !marshals(v.Type().Elem()) {
		return appendBytes(buf, v.Bytes()), nil
	}
	if v.Kind() == reflect.Slice && v.IsNil() {
		return append(buf, "null"...), nil
	}
	list := make([]reflect.Value, v.Len())
	for i := range list {
		list[i] = v.Index(i)
	}
	return appendList(buf, list, depth, appendReflected)
}

func appendStruct(buf []byte, v reflect.Value, depth int) ([]byte, *Fault) {
	o, fault := beginObject(buf, depth)
	for _, f := range fieldsOf(v.Type()) {
		if fault != nil {
			break
		}
		value, there := f.of(v)
		if !there {
			continue
		}
		o.name(f.name)
		if f.quoted {
			o.buf, fault = appendQuoted(o.buf, value, depth+1)
		} else {
			o.buf, fault = appendReflected(o.buf, value, depth+1)
		}
		if fault != nil {
			fault.below("." + f.name)
		}
	}
	return o.end(), fault
}

// appendQuoted writes a field with the tag option `string`.
func appendQuoted(buf []byte, v reflect.Value, depth int) ([]byte, *Fault) {
	text, err := json.Marshal(v.Interface())
	if err != nil {
		return buf, faulty("%v", err)
	}
	if string(text) == "null" {
		return append(buf, text...), nil
	}
	return appendText(buf, string(text), depth)
}
