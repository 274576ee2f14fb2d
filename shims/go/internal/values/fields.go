package values

import (
	"reflect"
	"slices"
	"strings"
	"sync"
)

// field is one member that a struct is written with.
type field struct {
	name      string
	index     []int // through embedded structs
	tagged    bool
	omitEmpty bool
	omitZero  bool
	quoted    bool
}

// of returns the field's value in v, unless it is to be left out.
func (f *field) of(v reflect.Value) (value reflect.Value, there bool) {
	for _, i := range f.index {
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return v, false
			}
			v = v.Elem()
		}
		v = v.Field(i)
	}
	return v, !(f.omitEmpty && isEmpty(v) || f.omitZero && isZero(v))
}

func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

func isZero(v reflect.Value) bool {
	if zeroer, asks := v.Interface().(interface{ IsZero() bool }); asks && !(v.Kind() == reflect.Pointer && v.IsNil()) {
		return zeroer.IsZero()
	}
	return v.IsZero()
}

var fieldsByType sync.Map // reflect.Type → []field; as many as the program has types

func fieldsOf(t reflect.Type) []field {
	if known, ok := fieldsByType.Load(t); ok {
		return known.([]field)
	}
	fields := findFields(t)
	fieldsByType.Store(t, fields)
	return fields
}

// embedded is a struct whose fields count as those of an outer one.
type embedded struct {
	t     reflect.Type
	index []int
}

// findFields goes through the embedded structs level by level: of fields with
// one name, the shallowest counts.
func findFields(t reflect.Type) []field {
	var fields []field
	taken := map[string]bool{}
	seen := map[reflect.Type]bool{}
	for level := []embedded{{t: t}}; len(level) > 0; {
		var found []field
		var deeper []embedded
		for _, e := range level {
			if !seen[e.t] {
				seen[e.t] = true
				found, deeper = e.look(found, deeper)
			}
		}
		for _, f := range found {
			if !taken[f.name] && dominates(f, found) {
				fields = append(fields, f)
			}
		}
		for _, f := range found {
			taken[f.name] = true
		}
		level = deeper
	}
	slices.SortFunc(fields, func(a, b field) int { return slices.Compare(a.index, b.index) })
	return fields
}

// dominates tells whether f is the one of its name in its level: the only one,
// or the only one whose name comes from a tag.
func dominates(f field, level []field) bool {
	rivals, taggedRivals := 0, 0
	for _, other := range level {
		if other.name != f.name || slices.Equal(other.index, f.index) {
			continue
		}
		rivals++
		if other.tagged {
			taggedRivals++
		}
	}
	return rivals == 0 || f.tagged && taggedRivals == 0
}

// look adds the fields of one struct, and the structs embedded in it.
func (e embedded) look(found []field, deeper []embedded) ([]field, []embedded) {
	for i := range e.t.NumField() {
		sf := e.t.Field(i)
		index := append(slices.Clone(e.index), i)
		tag := sf.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		inner := sf.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		embeds := sf.Anonymous && inner.Kind() == reflect.Struct
		switch {
		case tag == "-" || !sf.IsExported() && !embeds:
			continue
		case embeds && name == "":
			deeper = append(deeper, embedded{inner, index})
			continue
		case !sf.IsExported():
			continue
		}
		f := field{name: name, index: index, tagged: name != ""}
		if name == "" {
			f.name = sf.Name
		}
		for _, option := range strings.Split(options, ",") {
			f.omitEmpty = f.omitEmpty || option == "omitempty"
			f.omitZero = f.omitZero || option == "omitzero"
			f.quoted = f.quoted || option == "string" && isScalar(inner.Kind())
		}
		found = append(found, f)
	}
	return found, deeper
}

func isScalar(k reflect.Kind) bool {
	return k == reflect.String || reflect.Bool <= k && k <= reflect.Float64
}
