package shim

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

const usualParams = `{"function":"probe","revision":"sha256:0123456789abcdef","requestId":"0190b5c2","deadlineMs":30000,"attempt":1,` +
	`"trigger":{"type":"http","method":"POST","headers":{"host":"localhost:8090","content-type":"application/json","content-length":"100"},` +
	`"query":{},"ip":"127.0.0.1"},"auth":null,"input":{"name":"Alyx","title":"Some title of usual length","count":3,"price":12.5,"tags":["a","b"],"ok":true}}`

func TestCallIsDecodedWhole(t *testing.T) {
	now := time.Unix(1000, 0)
	got, err := decodeCall([]byte(`{"input":{"a":[1,"x"]},"auth":{"id":"u"},"deadlineMs":1500,"revision":"r","function":"f","requestId":"q\u00e9",`+
		`"trigger":{"type":"http","method":"POST","headers":{"x-a":"b"},"query":{"k":["1","2"],"e":[]},"ip":"::1","new":1},"trace":{"traceparent":"00"}}`), now)
	want := &Call{
		Function: "f", Revision: "r", RequestID: "qé", Deadline: now.Add(1500 * time.Millisecond),
		Auth: map[string]any{"id": "u"}, Method: "POST", IP: "::1",
		Headers: map[string]string{"x-a": "b"}, Query: map[string][]string{"k": {"1", "2"}, "e": {}},
		Input: map[string]any{"a": []any{1.0, "x"}}, RawInput: []byte(`{"a":[1,"x"]}`),
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%v\n got %+v\nwant %+v", err, got, want)
	}
}

func TestCallHasDefaults(t *testing.T) {
	now := time.Unix(1000, 0)
	for _, text := range []string{
		`{"function":"f","revision":"r"}`,
		`{"function":"f","revision":"r","input":null,"auth":null,"trigger":{"type":"cron","method":5}}`,
	} {
		got, err := decodeCall([]byte(text), now)
		want := &Call{Function: "f", Revision: "r", Deadline: now.Add(30 * time.Second), Input: map[string]any{}, RawInput: []byte("{}")}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v %+v", text, err, got)
		}
	}
}

func TestWrongMembersAreNamed(t *testing.T) {
	for member, culprit := range map[string]string{
		`"requestId":1`: "requestId", `"deadlineMs":"1"`: "deadlineMs", `"deadlineMs":1e999`: "deadlineMs", `"auth":"me"`: "auth",
		`"input":{"n":1e999}`: "input", `"trigger":{"query":{"k":"v"}}`: "query", `"trigger":{"headers":{"k":1}}`: "headers", `"function":""`: "function",
	} {
		_, err := decodeCall([]byte(`{"function":"f","revision":"r",`+member+`}`), time.Time{})
		if err == nil || !strings.Contains(err.Error(), culprit) {
			t.Errorf("%s: %v", member, err)
		}
	}
}

func BenchmarkDecodeCall(b *testing.B) {
	b.ReportAllocs()
	for range b.N {
		if _, err := decodeCall([]byte(usualParams), time.Time{}); err != nil {
			b.Fatal(err)
		}
	}
}
