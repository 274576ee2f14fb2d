package runtime

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const examplesDir = "../../../../protocol/v1/examples"

// calls make the requests of the golden examples by ctx.DB, by file. `tx` has no
// counterpart here, nor have other operations than exec in a batch.
var calls = map[string]func(db *DB) (any, error){
	"db.list/request.json": func(db *DB) (any, error) { return db.Collection("posts").List(Query{}) },
	"db.list/request-full.json": func(db *DB) (any, error) {
		return db.Collection("posts").List(Query{
			Filter: M{
				"published": true, "price": M{"$gte": 10, "$lt": 99.5}, "slug": M{"$like": "hello%"},
				"category": M{"$in": []string{"tech", "science"}}, "deleted_at": nil,
			},
			Sort: "-created_at,title", Limit: 20, Offset: 40, Fields: []string{"id", "title"}, NoCount: true,
		})
	},
	"db.list/request-operators.json": func(db *DB) (any, error) {
		return db.Collection("posts").List(Query{Filter: M{
			"$or": []M{{"a": M{"$eq": 1}}, {"$and": []M{{"b": M{"$ne": nil}}, {"$not": M{"c": M{"$nin": []int{1, 2}}}}}}},
			"n":   M{"$gt": int64(9007199254740993)},
		}})
	},
	"db.get/request.json": func(db *DB) (any, error) { return db.Collection("posts").Get("0190a1b2-0000-7000-8000-000000000001") },
	"db.create/request.json": func(db *DB) (any, error) {
		return db.Collection("posts").Create(M{"title": "Hello", "slug": "hello", "tags": []string{"a", "b"}})
	},
	"db.create/request-values.json": func(db *DB) (any, error) {
		return db.Collection("files").Create(M{"size": int64(9007199254740992), "body": []byte{0, 1, 2, 255}, "meta": M{"$ref": "x"}})
	},
	"db.update/request.json": func(db *DB) (any, error) {
		return db.Collection("posts").Update("0190a1b2-0000-7000-8000-000000000001", M{"title": "Updated Title"})
	},
	"db.delete/request.json": func(db *DB) (any, error) {
		return nil, db.Collection("posts").Delete("0190a1b2-0000-7000-8000-000000000001")
	},
	"db.query/request.json": func(db *DB) (any, error) {
		return db.Query("SELECT id, title FROM posts WHERE author_id = ? AND published = ?", "u1", true)
	},
	"db.query/request-named.json": func(db *DB) (any, error) {
		return db.Query("SELECT count(*) AS n FROM posts WHERE author_id = :author", Named{"author": "u1"})
	},
	"db.query/request-no-args.json": func(db *DB) (any, error) { return db.Query("SELECT 1 AS one") },
	"db.exec/request.json": func(db *DB) (any, error) {
		return db.Exec("UPDATE posts SET view_count = view_count + 1 WHERE id = ?", "p1")
	},
	"db.exec/request-values.json": func(db *DB) (any, error) {
		return db.Exec("INSERT INTO blobs (n, body, flag) VALUES (?, ?, ?)", int64(math.MinInt64), []byte{0xde, 0xad, 0xbe, 0xef}, false)
	},
	"db.get/request-null-id.json": nil, // an id is a string here
	"db.batch/request-empty.json": nil, // answered without asking
	"db.batch/request.json":       nil, // three kinds of operations; see TestABatchIsOneCall
}

type example struct {
	From, Kind string
	Message    struct {
		Method string
		Params map[string]any
		Result json.RawMessage
		Error  json.RawMessage
	}
}

// databaseExamples reads them all, by file.
func databaseExamples(t *testing.T) map[string]example {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(examplesDir, "db.*", "*.json"))
	if err != nil || len(paths) < 30 {
		t.Fatalf("%d examples under %s", len(paths), examplesDir)
	}
	all := map[string]example{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var e example
		if err := json.Unmarshal(text, &e); err != nil {
			t.Fatal(err)
		}
		all[strings.TrimPrefix(path, filepath.Clean(examplesDir)+"/")] = e
	}
	return all
}

func TestRequestsAreAsInTheExamples(t *testing.T) {
	for path, e := range databaseExamples(t) {
		call, known := calls[path]
		if e.Kind != "request" || known && call == nil {
			continue
		}
		if !known {
			t.Errorf("%s: no call makes it", path)
			continue
		}
		a := answering(t, `"result":{}`)
		_, _ = call(a.DB) // the answer fits none of them
		method, params, _ := strings.Cut(a.heard(), " ")
		var got map[string]any
		if err := json.Unmarshal([]byte(params), &got); err != nil {
			t.Fatal(err)
		}
		delete(e.Message.Params, "tx")
		e.Message.Params["inv"] = 7.0
		if method != e.Message.Method || !reflect.DeepEqual(got, e.Message.Params) {
			t.Errorf("%s: sent %s %s", path, method, params)
		}
	}
}

// ask calls what a directory of the examples is about.
func ask(db *DB, path string) (any, error) {
	c := db.Collection("posts")
	switch dir, _, _ := strings.Cut(path, "/"); dir {
	case "db.list":
		return c.List(Query{})
	case "db.get":
		return c.Get("p1")
	case "db.create":
		return c.Create(M{})
	case "db.update":
		return c.Update("p1", M{})
	case "db.delete":
		return nil, c.Delete("p1")
	case "db.query":
		return db.Query("x")
	case "db.exec":
		return db.Exec("x")
	}
	return db.Batch([]Statement{{SQL: "x"}})
}

func TestAnswersOfTheExamplesAreUnderstood(t *testing.T) {
	understood := 0
	for path, e := range databaseExamples(t) {
		switch e.Kind {
		case "response":
			_, err := ask(answering(t, `"result":`+string(e.Message.Result)).DB, path)
			odd := path == "db.query/result-truncated.json" || strings.HasPrefix(path, "db.batch/")
			if (err != nil) != odd {
				t.Errorf("%s: %v", path, err)
			}
		case "error":
			var want struct {
				Message string
				Data    struct {
					Code      string
					Retryable bool
					Details   map[string]any
				}
			}
			if err := json.Unmarshal(e.Message.Error, &want); err != nil {
				t.Fatal(err)
			}
			_, err := ask(answering(t, `"error":`+string(e.Message.Error)).DB, path)
			var got *Error
			if !errors.As(err, &got) || got.Code != want.Data.Code || got.Message != want.Message || got.Retryable != want.Data.Retryable || len(got.Fields) != len(want.Data.Details) {
				t.Errorf("%s: %#v", path, err)
			}
		default:
			continue
		}
		understood++
	}
	if understood < 20 {
		t.Errorf("only %d answers", understood)
	}
}

func TestValuesOfTheExamples(t *testing.T) {
	e := databaseExamples(t)["db.get/result-values.json"]
	doc, err := answering(t, `"result":`+string(e.Message.Result)).DB.Collection("posts").Get("p1")
	want := M{
		"id": "0190a1b2-0000-7000-8000-000000000001", "views": int64(math.MaxInt64), "debt": int64(-9007199254740993), "small": int64(9007199254740991),
		"photo": []byte("\x89PNG\r\n\x1a\n"), "empty": []byte{}, "meta": M{"$int": "not a number"}, "plain": M{"$int": "1", "other": int64(2)},
		"nested": M{"list": []any{M{"$lit": M{"$x": int64(1)}}}},
	}
	if err != nil || !reflect.DeepEqual(doc, want) {
		t.Fatalf("%#v %v", doc, err)
	}
}
