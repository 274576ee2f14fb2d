package runtime

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/watzon/alyx/internal/values"
	"github.com/watzon/alyx/internal/wire"
)

// Collection is one collection of documents.
type Collection struct {
	db   *DB
	name string
}

// Query selects documents of a collection. The zero value selects the first
// hundred.
type Query struct {
	// Filter tells which documents. A member `field: value` asks for equality,
	// `field: M{operator: value}` for $eq, $ne, $gt, $gte, $lt, $lte, $in, $nin
	// or $like; `$and` and `$or` take a list of filters, `$not` one. nil as a
	// value means that the field is empty. Give a value from the request its
	// type first (`status, _ := ctx.Input["status"].(string)`): a map would be
	// read as operators.
	Filter map[string]any
	// Sort names fields, with commas between and `-` before a descending one.
	Sort string
	// Limit is how many documents at most; 0 means 100, the most is 1000.
	Limit int
	// Offset is how many documents to skip.
	Offset int
	// Fields are the members wanted of each document, all by default.
	Fields []string
	// NoCount leaves the total uncounted, which is cheaper.
	NoCount bool
}

// List is one page of documents and the number of all that match.
type List struct {
	Docs  []map[string]any
	Total int64 // without regard to Limit and Offset; -1 if the query has NoCount
}

// MarshalJSON writes {"docs": …, "total": …}, without a total if none was
// counted.
func (l List) MarshalJSON() ([]byte, error) { return json.Marshal(l.plain()) }

func (l *List) plain() map[string]any {
	m := map[string]any{"docs": l.Docs, "total": l.Total}
	if l.Total < 0 {
		delete(m, "total")
	}
	return m
}

// List returns the documents that a query selects.
func (c *Collection) List(q Query) (*List, error) {
	call, err := c.begin("db.list")
	if err != nil {
		return nil, err
	}
	if len(q.Filter) > 0 {
		var fault *values.Fault
		call.Frame, fault = values.AppendFilter(append(call.Frame, `,"filter":`...), q.Filter)
		if fault != nil {
			fault.Path = "filter" + fault.Path
			return nil, dropped(call, fault, nil)
		}
	}
	call.Frame = q.appendOptions(call.Frame)
	result, err := c.db.do(call)
	if err != nil {
		return nil, err
	}
	return readList(result)
}

func (q *Query) appendOptions(buf []byte) []byte {
	if q.Sort != "" {
		buf = wire.AppendString(append(buf, `,"sort":`...), q.Sort)
	}
	if q.Limit != 0 {
		buf = strconv.AppendInt(append(buf, `,"limit":`...), int64(q.Limit), 10)
	}
	if q.Offset != 0 {
		buf = strconv.AppendInt(append(buf, `,"offset":`...), int64(q.Offset), 10)
	}
	if len(q.Fields) > 0 {
		buf, _ = wire.AppendValue(append(buf, `,"fields":`...), q.Fields) // texts can be written
	}
	if q.NoCount {
		buf = append(buf, `,"count":false`...)
	}
	return buf
}

// Get returns a document, nil if there is none.
func (c *Collection) Get(id string) (map[string]any, error) {
	call, err := c.begin("db.get")
	if err != nil {
		return nil, err
	}
	call.Frame = appendID(call.Frame, id)
	return c.document(call)
}

// Create stores a document, a map or a struct with json tags, and returns it
// whole: with its id, its times and the defaults of other fields.
func (c *Collection) Create(data any) (map[string]any, error) {
	call, err := c.begin("db.create")
	if err != nil {
		return nil, err
	}
	if err := appendData(call, data); err != nil {
		return nil, err
	}
	return c.document(call)
}

// Update changes the members of a document that data has, and returns it whole.
// A missing document is an error with code NOT_FOUND.
func (c *Collection) Update(id string, data any) (map[string]any, error) {
	call, err := c.begin("db.update")
	if err != nil {
		return nil, err
	}
	call.Frame = appendID(call.Frame, id)
	if err := appendData(call, data); err != nil {
		return nil, err
	}
	return c.document(call)
}

// Delete removes a document. A missing one is an error with code NOT_FOUND.
func (c *Collection) Delete(id string) error {
	call, err := c.begin("db.delete")
	if err != nil {
		return err
	}
	call.Frame = appendID(call.Frame, id)
	_, err = c.db.do(call)
	return err
}

func (c *Collection) begin(method string) (*wire.Syscall, error) {
	call, err := c.db.begin(method, "db")
	if err != nil {
		return nil, err
	}
	call.Frame = wire.AppendString(append(call.Frame, `,"collection":`...), c.name)
	return call, nil
}

func appendID(buf []byte, id string) []byte {
	return wire.AppendString(append(buf, `,"id":`...), id)
}

func appendData(call *wire.Syscall, data any) error {
	var fault *values.Fault
	call.Frame, fault = values.AppendDocument(append(call.Frame, `,"data":`...), data)
	if fault == nil {
		return nil
	}
	var fields M
	if fault.Path != "" {
		fields = M{"field": strings.TrimPrefix(fault.Path, ".")}
	}
	fault.Path = "data" + fault.Path
	return dropped(call, fault, fields)
}

// document makes a call that is answered with a document.
func (c *Collection) document(call *wire.Syscall) (map[string]any, error) {
	result, err := c.db.do(call)
	if err != nil {
		return nil, err
	}
	return readDocument(result)
}
