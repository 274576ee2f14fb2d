package shim

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/watzon/alyx/internal/wire"
)

// keepBuffer is the largest answer buffer kept for the next answer.
const keepBuffer = 256 << 10

// answerBuffer is one answer frame in the making. encoding/json writes into it
// by way of the encoder, for what is not plain.
type answerBuffer struct {
	frame   []byte
	encoder *json.Encoder
}

func (b *answerBuffer) Write(text []byte) (int, error) {
	b.frame = append(b.frame, text...)
	return len(text), nil
}

var answerBuffers = sync.Pool{New: func() any {
	b := &answerBuffer{}
	b.encoder = json.NewEncoder(b)
	b.encoder.SetEscapeHTML(false)
	return b
}}

// encodeOutput makes the frame that answers request id with the value that the
// handler returned.
func encodeOutput(id int64, output any) (*answerBuffer, *wire.Error) {
	b := answerBuffers.Get().(*answerBuffer)
	head := strconv.AppendInt(append(wire.BeginFrame(b.frame[:0]), `{"jsonrpc":"2.0","id":`...), id, 10)
	head = append(head, `,"result":{"output":`...)
	var plain bool
	if b.frame, plain = wire.AppendValue(head, output); !plain {
		b.frame = b.frame[:len(head)]
		if err := b.encoder.Encode(output); err != nil {
			b.free()
			return nil, wire.NewError(wire.CodeUnserialisable, describeUnserialisable(output, err))
		}
		b.frame = b.frame[:len(b.frame)-len("\n")]
	}
	b.frame = append(b.frame, "}}"...)
	wire.EndFrame(b.frame, 0)
	return b, nil
}

// free gives the buffer to the next answer.
func (b *answerBuffer) free() {
	if cap(b.frame) <= keepBuffer {
		answerBuffers.Put(b)
	}
}

// describeUnserialisable names the value that JSON cannot hold and where it
// stands, which encoding/json's own error does not.
func describeUnserialisable(output any, err error) string {
	var unsupported *json.UnsupportedValueError
	var wrongType *json.UnsupportedTypeError
	var what string
	var matches func(reflect.Value) bool
	switch {
	case errors.As(err, &wrongType):
		what = wrongType.Type.String()
		matches = func(v reflect.Value) bool { return v.Type() == wrongType.Type }
	case errors.As(err, &unsupported) && unsupported.Value.CanFloat():
		what = unsupported.Str
		matches = func(v reflect.Value) bool {
			return v.CanFloat() && (math.IsNaN(v.Float()) || math.IsInf(v.Float(), 0))
		}
	case errors.As(err, &unsupported):
		path := findCycle(reflect.ValueOf(output), "result", map[uintptr]bool{})
		return fmt.Sprintf("%s: a value that contains itself (%s) cannot be written as JSON", path, unsupported.Value.Type())
	default: // a MarshalJSON of the function's
		return "result: " + err.Error()
	}
	path := findValue(reflect.ValueOf(output), "result", matches, 0)
	return fmt.Sprintf("%s: %s cannot be written as JSON", path, what)
}

// maxFindDepth ends the search in values that no error message needs.
const maxFindDepth = 100

// findValue returns the path of the first value that matches, or of the root.
func findValue(v reflect.Value, path string, matches func(reflect.Value) bool, depth int) string {
	found := findIn(v, path, matches, depth)
	if found == "" {
		return path
	}
	return found
}

func findIn(v reflect.Value, path string, matches func(reflect.Value) bool, depth int) string {
	if !v.IsValid() || depth > maxFindDepth {
		return ""
	}
	if matches(v) {
		return path
	}
	return findBelow(v, path, func(child reflect.Value, path string) string {
		return findIn(child, path, matches, depth+1)
	})
}

// findCycle returns the path of the first value that contains itself.
func findCycle(v reflect.Value, path string, above map[uintptr]bool) string {
	switch v.Kind() {
	case reflect.Map, reflect.Pointer, reflect.Slice:
		at := v.Pointer()
		if above[at] && at != 0 {
			return path
		}
		above[at] = true
		defer delete(above, at)
	}
	return findBelow(v, path, func(child reflect.Value, path string) string {
		return findCycle(child, path, above)
	})
}

// findBelow asks look of each value that v holds, and returns its first answer.
func findBelow(v reflect.Value, path string, look func(reflect.Value, string) string) string {
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		return look(v.Elem(), path)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if found := look(v.Index(i), fmt.Sprintf("%s[%d]", path, i)); found != "" {
				return found
			}
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			if found := look(it.Value(), fmt.Sprintf("%s.%v", path, it.Key())); found != "" {
				return found
			}
		}
	case reflect.Struct:
		return findInStruct(v, path, look)
	}
	return ""
}

// findInStruct skips what encoding/json skips.
func findInStruct(v reflect.Value, path string, look func(reflect.Value, string) string) string {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if !field.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			name = field.Name
		}
		if found := look(v.Field(i), path+"."+name); found != "" {
			return found
		}
	}
	return ""
}
