package wire

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
)

// Decoding of what a database holds (section 13.1 of the protocol): integers
// are exact, and objects with the one member $int, $bytes or $lit stand for
// values that JSON lacks. It costs no second pass: an object is looked at twice
// only if its first name starts with `$`.

// DecodeStored is Decode by these rules: int64, float64, []byte, and else the
// same.
func DecodeStored(raw []byte) (any, error) {
	d := decoder{b: raw, i: skipSpace(raw, 0), texts: &window{}, stored: true}
	v := d.value()
	return v, d.err
}

// Stored decodes the current value, which a scan has found valid before.
func (m *Members) Stored() (any, error) {
	d := m.beginStored()
	v := d.value()
	return v, m.endStored(d)
}

// StoredDocument is Stored for an object, nil for null.
func (m *Members) StoredDocument() (map[string]any, error) {
	d := m.beginStored()
	doc := d.document()
	return doc, m.endStored(d)
}

// StoredDocuments is Stored for a list of objects.
func (m *Members) StoredDocuments() ([]map[string]any, error) {
	d := m.beginStored()
	docs := []map[string]any{}
	d.elements("docs", func() { docs = append(docs, d.document()) })
	return docs, m.endStored(d)
}

// StoredRows is Stored for a list of lists, each as long as columns, which
// become objects. Of columns with one name the last counts.
func (m *Members) StoredRows(columns []string) ([]map[string]any, error) {
	d := m.beginStored()
	rows := []map[string]any{}
	d.elements("rows", func() { rows = append(rows, d.row(columns)) })
	return rows, m.endStored(d)
}

func (m *Members) beginStored() *decoder {
	return &decoder{b: m.b, i: m.i, texts: m.window(), stored: true}
}

func (m *Members) endStored(d *decoder) error {
	m.i, m.unread = d.i, false
	return d.err
}

// elements calls each at every element of the list that must stand here.
func (d *decoder) elements(what string, each func()) {
	if d.b[d.i] != '[' {
		d.fail(fmt.Errorf("%s is no list", what))
		d.value()
		return
	}
	for d.step(); d.b[d.i] != ']'; d.sep() {
		each()
	}
	d.i++
}

func (d *decoder) document() map[string]any {
	v := d.value()
	doc, isObject := v.(map[string]any)
	if !isObject && v != nil {
		d.fail(fmt.Errorf("a document is a %T", v))
	}
	return doc
}

func (d *decoder) row(columns []string) map[string]any {
	row := make(map[string]any, len(columns))
	at := 0
	d.elements("a row", func() {
		if v := d.value(); at < len(columns) {
			row[columns[at]] = v
		}
		at++
	})
	if at != len(columns) {
		d.fail(fmt.Errorf("a row has %d values for %d columns", at, len(columns)))
	}
	return row
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

// storedObject is an object, or what it stands for.
func (d *decoder) storedObject() any {
	first := skipSpace(d.b, d.i+1)
	if d.b[first] == '"' && (d.b[first+1] == '$' || d.b[first+1] == '\\') {
		if v, stands := d.standIn(first); stands {
			return v
		}
	}
	return d.object()
}

// standIn reads the value that an object stands for whose first name is at
// first, and moves behind the object.
func (d *decoder) standIn(first int) (v any, stands bool) {
	end := skipString(d.b, first)
	name := unquoteBytes(d.b[first:end])
	at := skipSpace(d.b, skipSpace(d.b, end)+1) // over the colon
	end = skipValue(d.b, at, 0)
	last := skipSpace(d.b, end)
	if d.b[last] != '}' {
		return nil, false
	}
	var err error
	switch string(name) {
	case "$int":
		v, err = exactInteger(d.b[at:end])
	case "$bytes":
		v, err = storedBytes(d.b[at:end])
	case "$lit":
		if d.b[at] != '{' {
			err = errors.New("$lit holds no object")
			break
		}
		d.i = at
		v = d.object()
	default:
		return nil, false
	}
	if err != nil {
		d.fail(err)
	}
	d.i = last + 1
	return v, true
}

// exactInteger reads the quoted number in raw. One beyond int64, which JSON
// inside a document may hold, becomes a uint64.
func exactInteger(raw []byte) (any, error) {
	text, _ := DecodeString(raw)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("$int %s is no integer of 64 bits", clip(string(raw), 40))
	}
	return n, nil
}

func storedBytes(raw []byte) ([]byte, error) {
	if raw[0] == '"' {
		text := unquoteBytes(raw)
		out := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
		if n, err := base64.StdEncoding.Decode(out, text); err == nil {
			return out[:n], nil
		}
	}
	return nil, fmt.Errorf("$bytes %s is no base64 with padding", clip(string(raw), 40))
}

// storedNumber is an int64 for text without fraction and exponent.
func (d *decoder) storedNumber() any {
	text := d.b[d.i:skipNumber(d.b, d.i)]
	if bytes.ContainsAny(text, ".eE") {
		return d.number()
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil { // a host writes it as $int
		return d.number()
	}
	d.i += len(text)
	return n
}
