package runtime

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/watzon/alyx/internal/wire"
)

// Schema describes a function's input and output. A package-level variable
// named Schema is read when the function is loaded; the host checks input
// before the handler runs:
//
//	var Schema = runtime.Schema{
//		Input: runtime.Fields{
//			{Name: "title", Type: "string", Required: true, MaxLength: 200},
//			{Name: "tags", Type: "array", Items: "string"},
//		},
//		Output: runtime.Fields{{Name: "id", Type: "string"}},
//	}
type Schema struct {
	Input  Fields `json:"input,omitempty"`
	Output Fields `json:"output,omitempty"`
}

// Fields are the members of an object, in the order in which faults are
// reported.
type Fields []Field

// Field is one member and its rules; a rule left at its zero value is not
// there. The bounds are `any`, though numbers, so that 0 can be one of them.
type Field struct {
	Name     string `json:"-"`
	Type     string `json:"type,omitempty"` // string number integer boolean array object any
	Required bool   `json:"required,omitempty"`
	Optional bool   `json:"optional,omitempty"`

	Min       any    `json:"min,omitempty"`
	Max       any    `json:"max,omitempty"`
	MinLength any    `json:"minLength,omitempty"`
	MaxLength any    `json:"maxLength,omitempty"`
	Pattern   string `json:"pattern,omitempty"`
	Format    string `json:"format,omitempty"` // email, url, uuid
	Enum      []any  `json:"enum,omitempty"`
	Default   any    `json:"default,omitempty"`

	// Items is the type of an array's elements: a name such as "string", or a
	// Field without a name.
	Items any `json:"items,omitempty"`
	// Properties are the members of an object.
	Properties Fields `json:"properties,omitempty"`
}

// MarshalJSON writes an object whose members keep the order of the fields.
func (fields Fields) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	seen := make(map[string]bool, len(fields))
	for i, field := range fields {
		switch {
		case field.Name == "":
			return nil, fmt.Errorf("field %d has no Name", i+1)
		case seen[field.Name]:
			return nil, fmt.Errorf("field %q is described twice", field.Name)
		}
		seen[field.Name] = true
		rules, err := json.Marshal(field)
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", field.Name, err)
		}
		separator := byte(',')
		if i == 0 {
			separator = '{'
		}
		out.WriteByte(separator)
		out.Write(wire.AppendString(nil, field.Name))
		out.WriteByte(':')
		out.Write(rules)
	}
	if len(fields) == 0 {
		out.WriteByte('{')
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}
