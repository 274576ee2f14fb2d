package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

// asked is a database that answers all with one text and keeps what it heard.
type asked struct {
	*Invoked
	mu   sync.Mutex
	last Syscall
}

func answering(t *testing.T, text string) *asked {
	t.Helper()
	a := &asked{}
	a.Invoked = FakeHost(func(s Syscall) string {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.last = s
		return text
	})
	t.Cleanup(func() { a.conn.Close() })
	return a
}

func (a *asked) heard() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last.Method + " " + a.last.Params
}

const someDoc = `"result":{"doc":{"id":"p1","n":9007199254740991,"big":{"$int":"9007199254740993"},"f":2.0,"b":{"$bytes":"AAE="},"o":{"$lit":{"$x":1}}}}`

var someDocRead = M{"id": "p1", "n": int64(9007199254740991), "big": int64(9007199254740993), "f": 2.0, "b": []byte{0, 1}, "o": M{"$x": int64(1)}}

func TestDocumentsGoBothWays(t *testing.T) {
	a := answering(t, someDoc)
	posts := a.DB.Collection("po\"sts")
	type post struct {
		Title string    `json:"title"`
		At    time.Time `json:"at"`
		Draft bool      `json:"draft,omitempty"`
	}
	for want, call := range map[string]func() (map[string]any, error){
		`db.get {"inv":7,"collection":"po\"sts","id":"p1"}`:                                               func() (map[string]any, error) { return posts.Get("p1") },
		`db.create {"inv":7,"collection":"po\"sts","data":{"n":1,"x":null}}`:                              func() (map[string]any, error) { return posts.Create(M{"x": nil, "n": 1}) },
		`db.update {"inv":7,"collection":"po\"sts","id":"","data":{"n":1.5}}`:                             func() (map[string]any, error) { return posts.Update("", map[string]float64{"n": 1.5}) },
		`db.create {"inv":7,"collection":"po\"sts","data":{"title":"T","at":"1970-01-01T00:00:01.000Z"}}`: func() (map[string]any, error) { return posts.Create(&post{Title: "T", At: time.Unix(1, 0)}) },
	} {
		doc, err := call()
		if err != nil || !reflect.DeepEqual(doc, someDocRead) || a.heard() != want {
			t.Errorf("%v %v\n got %s\nwant %s", doc, err, a.heard(), want)
		}
	}
}

func TestAMissingDocumentIsNil(t *testing.T) {
	a := answering(t, `"result":{"doc":null}`)
	if doc, err := a.DB.Collection("posts").Get("p9"); doc != nil || err != nil {
		t.Fatal(doc, err)
	}
}

func TestDeleteReturnsNothing(t *testing.T) {
	a := answering(t, `"result":{"deleted":true}`)
	if err := a.DB.Collection("posts").Delete("p1"); err != nil || a.heard() != `db.delete {"inv":7,"collection":"posts","id":"p1"}` {
		t.Fatal(err, a.heard())
	}
}

func TestListSaysOnlyWhatTheQuerySays(t *testing.T) {
	a := answering(t, `"result":{"docs":[{"id":"p1"},{"id":"p2","n":{"$int":"1"}}],"total":42}`)
	for want, q := range map[string]Query{
		`{"inv":7,"collection":"posts"}`: {Filter: M{}, Fields: []string{}},
		`{"inv":7,"collection":"posts","filter":{"a":{"$gte":1}},"sort":"-a,b","limit":20,"offset":40,"fields":["id","a"],"count":false}`: {
			Filter: M{"a": M{"$gte": 1}}, Sort: "-a,b", Limit: 20, Offset: 40, Fields: []string{"id", "a"}, NoCount: true},
		`{"inv":7,"collection":"posts","limit":-1,"offset":-2}`: {Limit: -1, Offset: -2},
	} {
		list, err := a.DB.Collection("posts").List(q)
		if err != nil || a.heard() != "db.list "+want {
			t.Errorf("%v: got %s, want %s", err, a.heard(), want)
		}
		if want := (&List{[]map[string]any{{"id": "p1"}, {"id": "p2", "n": int64(1)}}, 42}); !reflect.DeepEqual(list, want) {
			t.Errorf("%+v", list)
		}
	}
}

func TestResultsAsJSON(t *testing.T) {
	for want, value := range map[string]any{
		`{"docs":[{"id":"p"}],"total":1}`:           &List{[]map[string]any{{"id": "p"}}, 1},
		`{"docs":[],"total":0}`:                     List{Docs: []map[string]any{}},
		`{"docs":[]}`:                               List{Docs: []map[string]any{}, Total: -1},
		`{"last_insert_id":null,"rows_affected":3}`: &ExecResult{RowsAffected: 3},
		`[{"last_insert_id":7,"rows_affected":1}]`:  []ExecResult{{1, 7}},
	} {
		if text, err := json.Marshal(value); err != nil || string(text) != want {
			t.Errorf("%s %v, want %s", text, err, want)
		}
	}
}

func TestRowsBecomeObjects(t *testing.T) {
	for _, c := range []struct {
		answer string
		want   []map[string]any
	}{
		{`{"columns":["n","b"],"rows":[[1,{"$bytes":""}],[1.5,null]]}`, []map[string]any{{"n": int64(1), "b": []byte{}}, {"n": 1.5, "b": nil}}},
		{`{"rows":[["x"]],"columns":["a"]}`, []map[string]any{{"a": "x"}}},
		{`{"columns":["a","a"],"rows":[[1,2]]}`, []map[string]any{{"a": int64(2)}}},
		{`{"columns":["a"],"rows":[],"truncated":false}`, []map[string]any{}},
	} {
		a := answering(t, `"result":`+c.answer)
		rows, err := a.DB.Query("SELECT ?", M{"a": 1}, "x")
		if err != nil || !reflect.DeepEqual(rows, c.want) || a.heard() != `db.query {"inv":7,"sql":"SELECT ?","args":[{"a":1},"x"]}` {
			t.Errorf("%s: %v %v %s", c.answer, rows, err, a.heard())
		}
	}
}

func TestExecTellsWhatItDid(t *testing.T) {
	a := answering(t, `"result":{"changes":1,"lastInsertId":{"$int":"9223372036854775807"}}`)
	r, err := a.DB.Exec("INSERT", Named{"a": 1})
	if err != nil || *r != (ExecResult{1, math.MaxInt64}) || a.heard() != `db.exec {"inv":7,"sql":"INSERT","args":{"a":1}}` {
		t.Fatal(r, err, a.heard())
	}
	a = answering(t, `"result":{"changes":3,"lastInsertId":null}`)
	if r, err = a.DB.Exec("UPDATE"); err != nil || *r != (ExecResult{RowsAffected: 3}) || a.heard() != `db.exec {"inv":7,"sql":"UPDATE"}` {
		t.Fatal(r, err, a.heard())
	}
}

func TestABatchIsOneCall(t *testing.T) {
	a := answering(t, `"result":{"results":[{"changes":1,"lastInsertId":5},{"changes":0}]}`)
	r, err := a.DB.Batch([]Statement{{"INSERT", []any{1, nil}}, {SQL: "DELETE"}})
	want := `db.batch {"inv":7,"ops":[{"method":"db.exec","params":{"sql":"INSERT","args":[1,null]}},{"method":"db.exec","params":{"sql":"DELETE"}}]}`
	if err != nil || !reflect.DeepEqual(r, []ExecResult{{1, 5}, {}}) || a.heard() != want {
		t.Fatal(r, err, a.heard())
	}
	a = answering(t, ``)
	if r, err = a.DB.Batch(nil); err != nil || r == nil || len(r) != 0 || a.heard() != " " {
		t.Fatal(r, err, a.heard())
	}
}

func TestErrorsOfTheDatabaseAreCoded(t *testing.T) {
	a := answering(t, `"error":{"code":-32041,"message":"posts.slug 'x' exists already","data":{"code":"UNIQUE_VIOLATION","details":{"op":1,"field":"slug"}}}`)
	_, err := a.DB.Batch([]Statement{{SQL: "x"}})
	var coded *Error
	if !errors.As(err, &coded) || coded.Message != "posts.slug 'x' exists already" || coded.Retryable ||
		!reflect.DeepEqual(coded.Fields, M{"op": int64(1), "field": "slug"}) || Code(fmt.Errorf("saving: %w", err)) != "UNIQUE_VIOLATION" {
		t.Fatalf("%#v", err)
	}
	uncaught, _ := json.Marshal(toWire(a.inv, err))
	if string(uncaught) != `{"code":-32020,"message":"posts.slug 'x' exists already","data":{"code":"UNIQUE_VIOLATION","details":{"field":"slug","op":1}}}` {
		t.Fatalf("%s", uncaught)
	}
	a = answering(t, `"error":{"code":-32045,"message":"busy","data":{"code":"DB_BUSY","retryable":true}}`)
	_, err = a.DB.Exec("x")
	if !errors.As(err, &coded) || !coded.Retryable || coded.Fields != nil || strings.Contains(fmt.Sprint(toWire(a.inv, err).Data), "retryable") {
		t.Fatalf("%#v", err)
	}
	for answer, code := range map[string]string{
		`"error":{"code":-32040,"message":"m"}`: "DB_NOT_FOUND",
		`"error":{"code":-31999,"message":"m"}`: "INTERNAL_ERROR",
		`"error":{"code":-32029,"message":"m"}`: "INVOCATION_ENDED",
		`"error":{"code":-32025,"message":"m"}`: "DEADLINE_EXCEEDED",
	} {
		_, err := answering(t, answer).DB.Query("x")
		if Code(err) != code || errors.Is(err, context.DeadlineExceeded) != (code == "DEADLINE_EXCEEDED") || errors.Is(err, context.Canceled) != (code == "INVOCATION_ENDED") {
			t.Errorf("%s: %v", answer, err)
		}
	}
	if Code(nil) != "" || Code(errors.New("x")) != "" || Code((*Error)(nil)) != "" {
		t.Error("a code from nowhere")
	}
}

func TestValuesThatCannotBeSentAreNamed(t *testing.T) {
	a := answering(t, "")
	db := a.DB
	for _, c := range []struct {
		call    func() error
		message string
		fields  M
	}{
		{func() error { _, err := db.Collection("c").Create(M{"tags": []any{1, make(chan int)}}); return err },
			"data.tags[1]: a chan int cannot be written to the database", M{"field": "tags[1]"}},
		{func() error { _, err := db.Collection("c").Update("i", "text"); return err },
			"data: must be a map or a struct, not string", nil},
		{func() error { _, err := db.Collection("c").List(Query{Filter: M{"n": math.Inf(1)}}); return err },
			"filter.n: +Inf is no number that a database holds", nil},
		{func() error { _, err := db.Query("x", 1, func() {}); return err },
			"args[1]: a func() cannot be written to the database", nil},
		{func() error { _, err := db.Exec("x", M{"n": math.NaN()}); return err },
			"args.n: NaN is no number that a database holds", nil},
		{func() error { _, err := db.Batch([]Statement{{SQL: "a"}, {"b", []any{math.NaN()}}}); return err },
			"args[0]: NaN is no number that a database holds", M{"op": int64(1)}},
	} {
		var coded *Error
		if err := c.call(); !errors.As(err, &coded) || coded.Code != "VALIDATION_ERROR" || coded.Message != c.message || !reflect.DeepEqual(coded.Fields, c.fields) {
			t.Errorf("%#v, want %s", err, c.message)
		}
	}
	_, err := db.Collection("c").Create(M{"text": strings.Repeat("x", 1<<20)})
	if Code(err) != "PAYLOAD_TOO_LARGE" || !strings.Contains(err.Error(), "1048576") {
		t.Error(err)
	}
	if a.heard() != " " {
		t.Error("sent:", a.heard())
	}
}

func TestStrangeAnswersAreErrors(t *testing.T) {
	for _, answer := range []string{`{}`, `{"doc":5}`, `{"doc":{"a":{"$int":"x"}}}`, `{"doc":{"a":{"$int":5}}}`, `{"doc":{"a":{"$bytes":"?"}}}`,
		`{"doc":{"a":{"$bytes":1}}}`, `{"doc":{"a":{"$lit":1}}}`, `{"doc":{"a":1e999}}`, `{"docs":{}}`, `{"docs":[1]}`, `{"docs":[],"total":"x"}`, `{"total":1}`,
		`{"columns":["a"],"rows":[[]]}`, `{"columns":["a"],"rows":[1]}`, `{"columns":[1],"rows":[]}`, `{"rows":[]}`, `{"columns":[]}`, `{"changes":1.5}`,
		`{"results":[]}`, `{"results":5}`, `{"results":[{}]}`} {
		db := answering(t, `"result":`+answer).DB
		_, get := db.Collection("c").Get("i")
		_, list := db.Collection("c").List(Query{})
		_, query := db.Query("x")
		_, exec := db.Exec("x")
		_, batch := db.Batch([]Statement{{SQL: "x"}})
		for _, err := range []error{get, list, query, exec, batch} {
			if Code(err) != "INTERNAL_ERROR" || !strings.HasPrefix(err.Error(), "the host's answer cannot be read: ") {
				t.Errorf("%s: %v", answer, err)
			}
		}
	}
	db := answering(t, `"result":{"columns":["a"],"rows":[[1]],"truncated":true}`).DB
	if rows, err := db.Query("x"); rows != nil || Code(err) != "RESULT_TOO_LARGE" {
		t.Error(rows, err)
	}
}

func TestDecodeFillsStructs(t *testing.T) {
	type post struct {
		ID   string    `json:"id"`
		At   time.Time `json:"created_at"`
		N    int64     `json:"n"`
		Body []byte    `json:"body"`
		Gone *string   `json:"gone"`
	}
	doc := M{"id": "p1", "created_at": "2026-01-24T10:30:00.123Z", "n": int64(math.MaxInt64), "body": []byte{1, 2}, "gone": nil}
	want := post{"p1", time.Date(2026, 1, 24, 10, 30, 0, 123e6, time.UTC), math.MaxInt64, []byte{1, 2}, nil}
	var one post
	var many []post
	if err := errors.Join(Decode(doc, &one), Decode([]map[string]any{doc, doc}, &many)); err != nil ||
		!reflect.DeepEqual(one, want) || !reflect.DeepEqual(many, []post{want, want}) {
		t.Fatal(one, many, err)
	}
	if Decode(doc, &struct{ N string }{}) == nil {
		t.Fatal("no error")
	}
}
