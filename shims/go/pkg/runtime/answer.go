package runtime

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/watzon/alyx/internal/wire"
)

// The results of db.*, from the host's words to the author's. A host that
// answers with something else is at fault, and the function is told so.

func readList(result []byte) (*List, error) {
	list := &List{Total: -1}
	var err error
	for it := wire.MembersOf(result); err == nil && it.Next(); {
		switch string(it.Name) {
		case "docs":
			list.Docs, err = it.StoredDocuments()
		case "total":
			list.Total, err = integer(&it)
		}
	}
	if err == nil && list.Docs == nil {
		err = errors.New("docs is missing")
	}
	if err != nil {
		return nil, unreadable(err)
	}
	return list, nil
}

var errNoDoc = errors.New("doc is missing")

func readDocument(result []byte) (doc map[string]any, err error) {
	err = errNoDoc
	for it := wire.MembersOf(result); it.Next(); {
		if string(it.Name) == "doc" {
			doc, err = it.StoredDocument()
		}
	}
	if err != nil {
		return nil, unreadable(err)
	}
	return doc, nil
}

func readRows(result []byte) ([]map[string]any, error) {
	rows, truncated, err := rowsIn(result)
	switch {
	case err == nil && rows == nil:
		return nil, unreadable(errors.New("columns or rows are missing"))
	case err != nil:
		return nil, unreadable(err)
	case truncated: // half an answer must not look like a whole one
		return nil, &Error{Code: "RESULT_TOO_LARGE",
			Message: fmt.Sprintf("the result has more than the %d rows that the host sends at once; ask for fewer", len(rows))}
	}
	return rows, nil
}

// rowsIn reads rows where they stand if their columns come first, as they
// usually do, else afterwards.
func rowsIn(result []byte) (rows []map[string]any, truncated bool, err error) {
	var columns []string
	var later *wire.Members
	for it := wire.MembersOf(result); err == nil && it.Next(); {
		switch string(it.Name) {
		case "columns":
			var ok bool
			if columns, ok = it.Texts(); !ok {
				err = errors.New("columns is no list of strings")
			}
		case "rows":
			if columns != nil {
				rows, err = it.StoredRows(columns)
			} else {
				at := it
				later = &at
			}
		case "truncated":
			truncated = string(it.Raw()) == "true"
		}
	}
	if err == nil && later != nil && columns != nil {
		rows, err = later.StoredRows(columns)
	}
	return rows, truncated, err
}

func readExec(it wire.Members) (*ExecResult, error) {
	r := &ExecResult{RowsAffected: -1}
	var err error
	for err == nil && it.Next() {
		switch string(it.Name) {
		case "changes":
			r.RowsAffected, err = integer(&it)
		case "lastInsertId":
			r.LastInsertID, err = integer(&it)
		}
	}
	if err == nil && r.RowsAffected < 0 {
		err = errors.New("changes is missing")
	}
	if err != nil {
		return nil, unreadable(err)
	}
	return r, nil
}

func readBatch(result []byte, want int) ([]ExecResult, error) {
	results := make([]ExecResult, 0, want)
	for it := wire.MembersOf(result); it.Next(); {
		if string(it.Name) != "results" {
			continue
		}
		var err error
		it.Elements(func(each *wire.Members) {
			r, failed := readExec(each.Members())
			if failed != nil {
				err = failed
				return
			}
			results = append(results, *r)
		})
		if err != nil {
			return nil, err
		}
	}
	if len(results) != want {
		return nil, unreadable(fmt.Errorf("%d results for %d statements", len(results), want))
	}
	return results, nil
}

// integer reads the current member; null counts as 0.
func integer(it *wire.Members) (int64, error) {
	name := string(it.Name)
	switch v, err := it.Stored(); n := v.(type) {
	case int64:
		return n, err
	case nil:
		return 0, err
	default:
		return 0, fmt.Errorf("%s is no integer of 64 bits", name)
	}
}

func unreadable(err error) error {
	return &Error{Code: "INTERNAL_ERROR", Message: "the host's answer cannot be read: " + err.Error()}
}

// Decode fills target, a pointer to a struct or a slice of them, with a
// document or a list of documents, as json.Unmarshal would. Timestamps may
// become time.Time, blobs []byte. Numbers are exact where the field has a type
// of its own; in a field of type any they are float64.
func Decode(doc, target any) error {
	text, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, target)
}
