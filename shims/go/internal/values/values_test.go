package values

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/watzon/alyx/internal/wire"
)

type m = map[string]any

type (
	level  int8
	secret []byte
	blob   struct{ Body []byte }
	noted  struct{ note string }
)

func (n noted) MarshalJSON() ([]byte, error) {
	return json.Marshal(m{"note": n.note, "n": int64(1) << 60})
}

type byPointer struct{ s string }

func (p *byPointer) MarshalText() ([]byte, error) { return []byte("<" + p.s + ">"), nil }

func ptr[T any](v T) *T { return &v }

func TestValuesOnTheWire(t *testing.T) {
	moment := time.Date(2026, 1, 24, 12, 30, 0, 123_987_000, time.FixedZone("", 7200))
	for _, c := range []struct {
		value any
		want  string
	}{
		{nil, `null`}, {true, `true`}, {"é\n\"", `"é\n\""`}, {"\xff", `"` + "\ufffd" + `"`},
		{1, `1`}, {int8(-3), `-3`}, {level(5), `5`}, {uint16(7), `7`}, {uintptr(8), `8`}, {time.Second, `1000000000`},
		{int64(maxExact), `9007199254740991`}, {int64(maxExact + 1), `{"$int":"9007199254740992"}`},
		{int64(-maxExact), `-9007199254740991`}, {int64(math.MinInt64), `{"$int":"-9223372036854775808"}`},
		{uint64(maxExact + 1), `{"$int":"9007199254740992"}`}, {uint64(math.MaxUint64), `{"$int":"18446744073709551615"}`},
		{1.5, `1.5`}, {3.0, `3`}, {float64(maxExact), `9007199254740991`}, {float64(1 << 53), `9.007199254740992e+15`},
		{1e300, `1e+300`}, {-0.25, `-0.25`}, {math.Copysign(0, -1), `-0`}, {float32(0.1), `0.1`}, {float32(2), `2`},
		{json.Number("1.50"), `1.5`}, {json.Number("9223372036854775808"), `{"$int":"9223372036854775808"}`}, {json.Number("1e3"), `1000`},
		{[]byte{0, 1, 2, 255}, `{"$bytes":"AAEC/w=="}`}, {secret("x"), `{"$bytes":"eA=="}`}, {[]byte{}, `{"$bytes":""}`}, {[]byte(nil), `null`},
		{moment, `"2026-01-24T10:30:00.123Z"`}, {&moment, `"2026-01-24T10:30:00.123Z"`}, {(*time.Time)(nil), `null`},
		{[]time.Time{moment}, `["2026-01-24T10:30:00.123Z"]`}, {[2]byte{1, 2}, `[1,2]`},
		{m{"b": 1, "a": []any{nil, "x"}}, `{"a":[null,"x"],"b":1}`}, {m(nil), `null`}, {[]any(nil), `null`}, {[]string{"a"}, `["a"]`},
		{map[string]int{"x": 1}, `{"x":1}`}, {map[level]bool{2: true}, `{"2":true}`}, {map[netip.Addr]int{netip.MustParseAddr("::1"): 1}, `{"::1":1}`},
		{m{"$int": "x"}, `{"$lit":{"$int":"x"}}`}, {m{"a": m{"$ref": 1}}, `{"a":{"$lit":{"$ref":1}}}`}, {m{"$": 1}, `{"$lit":{"$":1}}`},
		{m{"$lit": m{"$x": 1}}, `{"$lit":{"$lit":{"$lit":{"$x":1}}}}`}, {m{"$int": "1", "b": 2}, `{"$int":"1","b":2}`}, {m{"": 1}, `{"":1}`},
		{map[string]int{"$x": 1}, `{"$lit":{"$x":1}}`}, {struct {
			X int `json:"$x"`
		}{1}, `{"$lit":{"$x":1}}`},
		{blob{[]byte("x")}, `{"Body":{"$bytes":"eA=="}}`}, {ptr(ptr(5)), `5`}, {(*int)(nil), `null`}, {[]any{ptr("x")}, `["x"]`},
		{json.RawMessage(`{"n":9007199254740993,"$r":{"$r":1.0}}`), `{"$r":{"$lit":{"$r":1}},"n":{"$int":"9007199254740993"}}`},
		{noted{"x"}, `{"n":{"$int":"1152921504606846976"},"note":"x"}`}, {big.NewInt(1 << 60), `{"$int":"1152921504606846976"}`},
		{netip.MustParseAddr("10.0.0.1"), `"10.0.0.1"`}, {&byPointer{"x"}, `"<x>"`}, {&struct{ P byPointer }{byPointer{"y"}}, `{"P":"<y>"}`},
	} {
		got, fault := Append([]byte("> "), c.value)
		if fault != nil || string(got) != "> "+c.want {
			t.Errorf("%T %v: got %s %v, want %s", c.value, c.value, got, fault, c.want)
		}
	}
}

func TestWhatCannotBeWrittenIsNamed(t *testing.T) {
	circle := m{}
	circle["a"] = []any{circle}
	type node struct{ Next *node }
	ring := &node{}
	ring.Next = ring
	type loop *loop
	var self loop
	self = &self
	for _, c := range []struct {
		value any
		want  string
	}{
		{m{"tags": []any{1, make(chan int)}}, `.tags[1]: a chan int cannot be written to the database`},
		{m{"f": struct{ G func() }{}}, `.f.G: a func() cannot be written to the database`},
		{m{"n": math.NaN()}, `.n: NaN is no number that a database holds`},
		{[]float32{1, float32(math.Inf(-1))}, `[1]: -Inf is no number that a database holds`},
		{map[string][]any{"x": {1i}}, `.x[0]: a complex128 cannot be written to the database`},
		{m{"k": map[bool]int{true: 1}}, `.k: a map with keys of type bool cannot be written to the database`},
		{m{"b": new(big.Int).Lsh(big.NewInt(1), 64)}, `.b: 18446744073709551616 is no number of 64 bits`},
		{m{"t": time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)}, `.t: a time in the year 10000 cannot be written`},
		{m{"t": json.Number("x")}, `.t: x is no number of 64 bits`},
		{circle, `nested over 100 levels deep, or contains itself`},
		{ring, `nested over 100 levels deep, or contains itself`},
		{&self, `nested over 100 levels deep, or contains itself`},
	} {
		_, fault := Append(nil, c.value)
		if fault == nil || !strings.HasSuffix(fault.Error(), c.want) || len(fault.Error()) > 400 {
			t.Errorf("%T: got %v, want %s", c.value, fault, c.want)
		}
	}
	for value, want := range map[any]string{nil: "nil", 5: "int", "x": "string", int64(1 << 60): "int64", ptr(blob{}): ""} {
		_, fault := AppendDocument(nil, value)
		if got := fmt.Sprint(fault); want == "" && fault != nil || want != "" && got != ": must be a map or a struct, not "+want {
			t.Errorf("%v: %s", value, got)
		}
	}
	for _, value := range []any{[]byte("x"), m(nil), (*blob)(nil), []any{}} {
		if text, fault := AppendDocument(nil, value); fault == nil {
			t.Errorf("%v became %s", value, text)
		}
	}
	if text, fault := AppendDocument(nil, json.RawMessage(`{"a":1}`)); fault != nil {
		t.Errorf("%s %v", text, fault)
	}
}

func TestFilters(t *testing.T) {
	for _, c := range []struct {
		filter m
		want   string
	}{
		{m{}, `{}`},
		{m{"published": true, "deleted_at": nil}, `{"deleted_at":null,"published":true}`},
		{m{"n": m{"$gt": int64(1) << 60, "$lt": 3.5}}, `{"n":{"$gt":{"$int":"1152921504606846976"},"$lt":3.5}}`},
		{m{"c": map[string][]string{"$in": {"a", "b"}}}, `{"c":{"$in":["a","b"]}}`},
		{m{"body": []byte{1}, "at": m{"$gte": time.Unix(0, 0)}}, `{"at":{"$gte":"1970-01-01T00:00:00.000Z"},"body":{"$bytes":"AQ=="}}`},
		{m{"$or": []any{m{"a": m{"$eq": 1}}, m{"$not": m{"b": m{"$ne": nil}}}}}, `{"$or":[{"a":{"$eq":1}},{"$not":{"b":{"$ne":null}}}]}`},
		{m{"$and": []m{{"a": 1}, {"$or": []m{{"b": m{"$like": "x%"}}}}}}, `{"$and":[{"a":1},{"$or":[{"b":{"$like":"x%"}}]}]}`},
		{m{"meta": m{"$eq": m{"$x": 1}}}, `{"meta":{"$eq":{"$lit":{"$x":1}}}}`},
		{m{"$and": "no list", "$not": 5, "x": m{}, "y": m{"$regex": "."}}, `{"$and":"no list","$not":5,"x":{},"y":{"$regex":"."}}`},
	} {
		if got, fault := AppendFilter(nil, c.filter); fault != nil || string(got) != c.want {
			t.Errorf("got %s %v, want %s", got, fault, c.want)
		}
	}
	for want, filter := range map[string]m{
		`.price.$gt: NaN is no number that a database holds`:           {"price": m{"$gt": math.NaN()}},
		`.$or[1].a.$in[0]: a func() cannot be written to the database`: {"$or": []m{{}, {"a": m{"$in": []any{func() {}}}}}},
		`.$not.a: a chan int cannot be written to the database`:        {"$not": m{"a": make(chan int)}},
		`.$and[0].b[1]: a complex64 cannot be written to the database`: {"$and": []any{m{"b": []any{1, complex64(1)}}}},
	} {
		if _, fault := AppendFilter(nil, filter); fault == nil || fault.Error() != want {
			t.Errorf("got %v, want %s", fault, want)
		}
	}
}

func TestArguments(t *testing.T) {
	for _, c := range []struct {
		args []any
		want string
	}{
		{[]any{"u1", true, nil, int64(1) << 60}, `["u1",true,null,{"$int":"1152921504606846976"}]`},
		{[]any{m{"author": "u1", "body": []byte{1}}}, `{"author":"u1","body":{"$bytes":"AQ=="}}`},
		{[]any{map[string]string{"$a": "x"}}, `{"$a":"x"}`},
		{[]any{m{"a": 1}, 2}, `[{"a":1},2]`},
		{[]any{[]any{1}}, `[[1]]`},
	} {
		if got, fault := AppendArgs(nil, c.args); fault != nil || string(got) != c.want {
			t.Errorf("got %s %v, want %s", got, fault, c.want)
		}
	}
	for want, args := range map[string][]any{"[1]": {1, math.NaN()}, ".a": {m{"a": math.NaN()}}} {
		if _, fault := AppendArgs(nil, args); fault == nil || fault.Path != want {
			t.Errorf("%v, want %s", fault, want)
		}
	}
}

// Whatever is written reads back as it was: random values of the kinds that a
// document holds.
func TestValuesSurviveBothWays(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 20_000 {
		doc := randomObject(random, 0)
		text, fault := AppendDocument([]byte(`{"doc":`), doc)
		if fault != nil {
			t.Fatal(fault)
		}
		it := wire.MembersOf(append(text, '}'))
		if !it.Next() {
			t.Fatalf("%s", text)
		}
		got, err := it.StoredDocument()
		if it.Next(); err != nil || !it.Whole() || !reflect.DeepEqual(got, doc) {
			t.Fatalf("%s\n got %#v %v\nwant %#v", text, got, err, doc)
		}
	}
}

func randomObject(r *rand.Rand, depth int) m {
	names := []string{"a", "b", "$int", "$bytes", "$lit", "$x", "$", "é\"", "", "\u0000"}
	object := m{}
	for range r.IntN(4) {
		object[names[r.IntN(len(names))]] = randomValue(r, depth+1)
	}
	return object
}

func randomValue(r *rand.Rand, depth int) any {
	switch kind := r.IntN(10); {
	case kind == 0:
		return nil
	case kind == 1:
		return r.IntN(2) == 0
	case kind == 2:
		return int64(r.Uint64()) >> r.IntN(64)
	case kind == 3:
		return uint64(math.MaxInt64) + 1 + r.Uint64N(1<<62)
	case kind == 4:
		f := math.Ldexp(r.Float64()-0.5, r.IntN(1200)-600)
		if f == math.Trunc(f) && math.Abs(f) <= maxExact {
			return 0.5 // whole ones come back as integers
		}
		return f
	case kind == 5:
		return []string{"", "x", "$int", "9007199254740993", "\U0001f600\\"}[r.IntN(5)]
	case kind == 6:
		b := make([]byte, r.IntN(5))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	case kind == 7 && depth < 5:
		list := make([]any, r.IntN(4))
		for i := range list {
			list[i] = randomValue(r, depth+1)
		}
		return list
	case depth < 5:
		return randomObject(r, depth)
	}
	return "leaf"
}

func BenchmarkAppendDocument(b *testing.B) {
	type post struct {
		Title string   `json:"title"`
		Slug  string   `json:"slug"`
		Views int64    `json:"views"`
		Tags  []string `json:"tags"`
	}
	for name, doc := range map[string]any{
		"map":    m{"title": "Hello", "slug": "hello", "views": int64(12), "tags": []any{"a", "b"}},
		"struct": post{"Hello", "hello", 12, []string{"a", "b"}},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			buf := make([]byte, 0, 512)
			for range b.N {
				if _, fault := AppendDocument(buf, doc); fault != nil {
					b.Fatal(fault)
				}
			}
		})
	}
}
