package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// samples are texts on which the scanner and decoder must agree with
// encoding/json, sound and broken ones.
var samples = []string{
	`null`, `true`, `false`, `0`, `-0`, `1`, `-1`, `12345`, `123456789012345`, `1234567890123456789`, `0.1`, `-2.5e-3`, `1E+2`,
	`""`, `"a"`, `"é\u00e9\n\"\\\/\b\f\r\t"`, `"\ud83d\ude00"`, `"\ud800"`, `"\ud800x"`, `"\ud800\u0041"`, `"\udc00\ud800"`,
	`[]`, `[ ]`, `[1,2 , 3]`, `[[[]]]`, `{}`, `{ }`, `{"a":1,"b":{"c":[1,{"d":null}]}}`, `{"a":1,"a":2}`, `{"":{}}`,
	" \t\r\n{ \"a\" : [ 1 , 2 ] } \n", `{"k\u0065y":"v"}`,
	`{"$int":"1"}`, `{ "\u0024int" : "-9007199254740993" }`, `{"$int":1}`, `{"$bytes":"AAE="}`, `{"$lit":{"$x":1}}`, `[{"$int":"1","b":2}]`,
	``, ` `, `nul`, `tru`, `truex`, `01`, `1.`, `.5`, `-`, `+1`, `1e`, `1e+`, `0x1`, `NaN`, `"`, `"\`, `"\x"`, `"\u12"`, `"\u12g4"`, "\"\n\"", "\"\x00\"",
	`[`, `]`, `[1`, `[1,`, `[1,]`, `[,1]`, `[1 2]`, `{`, `}`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{,}`, `{a:1}`, `{1:1}`, `{"a" 1}`, `{"a":1 "b":2}`,
	`{"a":1}}`, `{} {}`, `[]]`, `1 2`, "\ufeff{}", `{"a":1};`,
}

func TestScanAgreesWithEncodingJSON(t *testing.T) {
	for _, text := range samples {
		end := skipValue([]byte(text), skipSpace([]byte(text), 0), 0)
		valid := end >= 0 && skipSpace([]byte(text), end) == len(text)
		if valid != json.Valid([]byte(text)) {
			t.Errorf("%q: %v", text, valid)
		}
		it := MembersOf([]byte(text))
		for it.Next() {
		}
		isObject := json.Valid([]byte(text)) && strings.HasPrefix(strings.TrimSpace(text), "{")
		if it.Whole() != isObject {
			t.Errorf("members of %q: %v", text, it.Whole())
		}
	}
}

func TestDecodeAgreesWithEncodingJSON(t *testing.T) {
	long := `{"list":[` + strings.Repeat(`{"title":"`+strings.Repeat("é", 200)+`","a\tb":"x","n":1.5},`, 50) + `"` + strings.Repeat("y", 5000) + `"]}`
	for _, text := range append(samples, long) {
		var want any
		if json.Unmarshal([]byte(text), &want) != nil {
			continue
		}
		got, err := Decode([]byte(text))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%.80q: got %v, %v; want %v", text, got, err, want)
		}
	}
	if minus, _ := Decode([]byte("-0")); !math.Signbit(minus.(float64)) {
		t.Error("-0 lost its sign")
	}
}

func TestDecodeNamesANumberOutOfRange(t *testing.T) {
	_, err := Decode([]byte(`[1,1e999]`))
	var outOfRange *RangeError
	if !errors.As(err, &outOfRange) || outOfRange.Number != "1e999" {
		t.Fatal(err)
	}
}

func TestDecodeStored(t *testing.T) {
	for text, want := range map[string]any{
		`-0`: int64(0), `1.0`: 1.0, `1e2`: 100.0, `9223372036854775807`: int64(math.MaxInt64), `9223372036854775808`: float64(1 << 63),
		`{ "\u0024int" : "-9007199254740993" } `: int64(-9007199254740993), `{"$int":"18446744073709551615"}`: uint64(math.MaxUint64),
		`{"$bytes":"AAE"}`: nil, `{"$bytes":1}`: nil, `{"$int":"1.0"}`: nil, `{"$int":1}`: nil, `{"$lit":[]}`: nil,
		`{"$int":"1","$int":"2"}`: map[string]any{"$int": "2"}, `{"$INT":"1"}`: map[string]any{"$INT": "1"}, `{"\n":1}`: map[string]any{"\n": int64(1)},
		`{"$lit":{"$lit":{"$int":"1"}}}`: map[string]any{"$lit": int64(1)}, `{"$lit":{}}`: map[string]any{},
	} {
		got, err := DecodeStored([]byte(text))
		if (want == nil) != (err != nil) || err == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %#v %v", text, got, err)
		}
	}
}

func TestNumbersAndTextsOfMembers(t *testing.T) {
	it := MembersOf([]byte(`{"n":3,"s":"3","l":["a","\u0062"],"m":["a",1]}`))
	var got []any
	for it.Next() {
		copied := it
		n, isNumber := it.Number()
		texts, areTexts := copied.Texts()
		got = append(got, n, isNumber, strings.Join(texts, ""), areTexts)
	}
	want := []any{3.0, true, "", false, 0.0, false, "", false, 0.0, false, "ab", true, 0.0, false, "a", false}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%v", got)
	}
}

func FuzzScan(f *testing.F) {
	for _, text := range samples {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		end := skipValue(text, skipSpace(text, 0), 0)
		valid := end >= 0 && skipSpace(text, end) == len(text)
		if valid != json.Valid(text) {
			t.Fatalf("%q: %v", text, valid)
		}
		var want any
		if !valid || !utf8.Valid(text) || json.Unmarshal(text, &want) != nil {
			return // frames that are no UTF-8 are refused before they are decoded
		}
		if got, err := Decode(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: got %#v, %v; want %#v", text, got, err, want)
		}
		if _, err := DecodeStored(text); err != nil && !bytes.Contains(text, []byte{'$'}) && !bytes.Contains(text, []byte(`\u`)) {
			t.Fatalf("%q: %v", text, err)
		}
		encoded, plain := AppendValue(nil, want)
		if !plain || !json.Valid(encoded) {
			t.Fatalf("%q: encoded as %q", text, encoded)
		}
		var again any
		if err := json.Unmarshal(encoded, &again); err != nil || !reflect.DeepEqual(again, want) {
			t.Fatalf("%q: encoded as %q", text, encoded)
		}
	})
}

// value is of the usual mixture, about 1 MB.
var value = `{"items":[` + strings.Repeat(`{"id":"a1b2c3","title":"A title","price":12.5,"count":3,"tags":["x","y"],"ok":true},`, 12_000) + `null]}`

func BenchmarkDecode(b *testing.B) {
	for name, text := range map[string]string{"1M": value, "100": `{"name":"Alyx","title":"Some title of usual length","count":3,"price":12.5,"tags":["a","b"],"ok":true}`} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for range b.N {
				if _, err := Decode([]byte(text)); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/encoding-json", func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for range b.N {
				var v any
				if err := json.Unmarshal([]byte(text), &v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkScan(b *testing.B) {
	b.SetBytes(int64(len(value)))
	for range b.N {
		if skipValue([]byte(value), 0, 0) < 0 {
			b.Fatal("invalid")
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	v, err := Decode([]byte(value))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("own", func(b *testing.B) {
		b.SetBytes(int64(len(value)))
		b.ReportAllocs()
		var buf []byte
		for range b.N {
			buf, _ = AppendValue(buf[:0], v)
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.SetBytes(int64(len(value)))
		b.ReportAllocs()
		for range b.N {
			if _, err := json.Marshal(v); err != nil {
				b.Fatal(err)
			}
		}
	})
}
