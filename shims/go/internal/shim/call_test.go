package shim

import (
	"testing"
	"time"
)

const usualParams = `{"function":"probe","revision":"sha256:0123456789abcdef","requestId":"0190b5c2","deadlineMs":30000,"attempt":1,` +
	`"trigger":{"type":"http","method":"POST","headers":{"host":"localhost:8090","content-type":"application/json","content-length":"100"},` +
	`"query":{},"ip":"127.0.0.1"},"auth":null,"input":{"name":"Alyx","title":"Some title of usual length","count":3,"price":12.5,"tags":["a","b"],"ok":true}}`

func BenchmarkDecodeCall(b *testing.B) {
	b.ReportAllocs()
	for range b.N {
		if _, err := decodeCall([]byte(usualParams), time.Time{}); err != nil {
			b.Fatal(err)
		}
	}
}
