package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/watzon/alyx/internal/shim"
)

func TestSchemaKeepsTheOrderOfItsFields(t *testing.T) {
	schema := Schema{
		Input: Fields{
			{Name: "title", Type: "string", Required: true, MaxLength: 200, Pattern: "<a>"},
			{Name: "price", Type: "number", Min: 0, Max: 9.5, Enum: []any{1, 2}, Default: 1},
			{Name: "author", Type: "object", Properties: Fields{{Name: "z", Type: "string"}, {Name: "a", Type: "any", Optional: true}}},
			{Name: "tags", Type: "array", Items: Field{Type: "string", Format: "email", MinLength: 3}},
			{Name: "ids", Type: "array", Items: "integer"},
			{Name: "none", MinLength: 0, MaxLength: 0, Max: 0, Default: 0},
		},
		Output: Fields{},
	}
	want := `{"input":{"title":{"type":"string","required":true,"maxLength":200,"pattern":"\u003ca\u003e"},` +
		`"price":{"type":"number","min":0,"max":9.5,"enum":[1,2],"default":1},` +
		`"author":{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"any","optional":true}}},` +
		`"tags":{"type":"array","items":{"type":"string","minLength":3,"format":"email"}},` +
		`"ids":{"type":"array","items":"integer"},"none":{"max":0,"minLength":0,"maxLength":0,"default":0}}}`
	if got, err := json.Marshal(schema); err != nil || string(got) != want {
		t.Errorf("got  %s %v\nwant %s", got, err, want)
	}
	for _, fields := range []Fields{{{Type: "string"}}, {{Name: "a"}, {Name: "a"}}, {{Name: "a", Min: func() {}}}} {
		if text, err := json.Marshal(Schema{Input: fields}); err == nil {
			t.Errorf("no error for %s", text)
		}
	}
}

// stacked prints a stack for %+v, as some error packages do.
type stacked struct{}

func (stacked) Error() string { return "plain" }

func (stacked) Format(s fmt.State, _ rune) { fmt.Fprint(s, "plain\nmain.go:1") }

func TestErrorsOnTheWire(t *testing.T) {
	inv := &shim.Invocation{Call: &shim.Call{Deadline: time.Now().Add(time.Hour)}}
	var none *Error
	for _, c := range []struct {
		err  error
		want string
	}{
		{errors.New("it broke"), `{"code":-32020,"message":"it broke","data":{"code":"FUNCTION_ERROR"}}`},
		{errors.New(""), `{"code":-32020,"message":"function failed","data":{"code":"FUNCTION_ERROR"}}`},
		{none, `{"code":-32020,"message":"nil *runtime.Error","data":{"code":"FUNCTION_ERROR"}}`},
		{stacked{}, `{"code":-32020,"message":"plain","data":{"code":"FUNCTION_ERROR","stack":"plain\nmain.go:1"}}`},
		{&Error{}, `{"code":-32020,"message":"function failed","data":{"code":"FUNCTION_ERROR"}}`},
		{&Error{Code: "TEAPOT"}, `{"code":-32020,"message":"TEAPOT","data":{"code":"TEAPOT"}}`},
		{&Error{Message: "m", Status: 418}, `{"code":-32020,"message":"m","data":{"code":"FUNCTION_ERROR","details":{"status":418}}}`},
		{fmt.Errorf("a: %w", &Error{Code: "C", Message: "m", Fields: map[string]any{"f": []int{1}}}), `{"code":-32020,"message":"m","data":{"code":"C","details":{"f":[1]},"stack":"a: m"}}`},
		{&Error{Code: "C", Message: "m", Fields: map[string]any{"big": strings.Repeat("x", 70_000)}}, `{"code":-32020,"message":"m","data":{"code":"C","details":{"dropped":"70010 bytes of fields, at most 65536 are sent"}}}`},
		{context.DeadlineExceeded, `{"code":-32020,"message":"context deadline exceeded","data":{"code":"FUNCTION_ERROR"}}`},
	} {
		got, err := json.Marshal(toWire(inv, c.err))
		if err != nil || string(got) != c.want {
			t.Errorf("%#v:\n got %s %v\nwant %s", c.err, got, err, c.want)
		}
	}
	if e := toWire(inv, errors.New(strings.Repeat("é", 4000))); len(e.Message) > 4096 || !strings.HasSuffix(e.Message, "é…") {
		t.Errorf("%d bytes", len(e.Message))
	}
}

type panics struct{}

func (panics) MarshalJSON() ([]byte, error) { panic("no") }

func TestAttributesBecomeFields(t *testing.T) {
	for _, c := range []struct {
		attrs []slog.Attr
		want  string
	}{
		{nil, ``},
		{[]slog.Attr{slog.Int("a", 1), slog.Bool("b", true), slog.Any("c", nil)}, `"a":1,"b":true,"c":null`},
		{[]slog.Attr{slog.Group("g", slog.Int("a", 1), slog.Group("empty")), slog.Group("", slog.Int("inline", 2))}, `"g":{"a":1},"inline":2`},
		{[]slog.Attr{{}, slog.Time("t", time.Unix(0, 0).UTC()), slog.Duration("d", 1500*time.Millisecond)}, `"t":"1970-01-01T00:00:00Z","d":"1.5s"`},
		{[]slog.Attr{slog.Any("e", errors.New("x")), slog.Any("p", panics{}), slog.Any("f", func() {})},
			`"e":"x","p":"[cannot be written: no]","f":"[func() cannot be written: json: unsupported type: func()]"`},
		{[]slog.Attr{slog.Any("v", slog.AnyValue(valuer{}))}, `"v":"resolved"`},
	} {
		var fields []byte
		for _, attr := range c.attrs {
			fields = appendAttr(fields, attr)
		}
		if string(fields) != c.want {
			t.Errorf("got %s, want %s", fields, c.want)
		}
	}
	levels := ""
	for _, level := range []slog.Level{-8, -4, -1, 0, 3, 4, 7, 8, 12} {
		levels += levelName(level)[:1]
	}
	if levels != "dddiiwwee" {
		t.Error(levels)
	}
}

type valuer struct{}

func (valuer) LogValue() slog.Value { return slog.StringValue("resolved") }

// A function's own tests make a Context by hand.
func TestAContextMadeByHandWorks(t *testing.T) {
	ctx := &Context{Input: map[string]any{"n": 3.0}}
	var input struct{ N int }
	if err := ctx.Bind(&input); err != nil || input.N != 3 {
		t.Fatal(input, err)
	}
	if _, ok := ctx.Deadline(); ok || ctx.Err() != nil || ctx.Done() != nil || ctx.Value("k") != nil {
		t.Fatal("a context that nobody can end has ended")
	}
	child, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	if child.Err() != nil {
		t.Fatal(child.Err())
	}
	var coded *Error
	if err := (&Context{Input: map[string]any{"n": "x"}}).Bind(&input); !errors.As(err, &coded) || coded.Code != "INVALID_INPUT" || coded.Message != "n must not be a string" && coded.Message != "N must not be a string" {
		t.Fatal(err)
	}
	if _, err := ctx.DB.Query("SELECT 1"); err.Error() != "the host offers no database" {
		t.Fatal(err)
	}
}

func TestDerivedContextsFollowTheInvocation(t *testing.T) {
	inv := &shim.Invocation{Call: &shim.Call{Deadline: time.Now().Add(-time.Second)}}
	child, cancel := context.WithCancel(newContext(inv))
	defer cancel()
	<-child.Done()
	if !errors.Is(child.Err(), context.DeadlineExceeded) {
		t.Fatal(child.Err())
	}
}
