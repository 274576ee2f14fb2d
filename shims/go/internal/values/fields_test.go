package values

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

type (
	Base struct {
		ID   string `json:"id,omitempty"`
		Name string
		Deep string
	}
	Other struct {
		Name string
		Deep string `json:"Deep"`
	}
	hidden struct{ Shown int }
	tagged struct {
		Base
		*Other
		hidden
		Named   Base `json:"named"`
		Skip    int  `json:"-"`
		private int
		Empty   []string `json:"empty,omitempty"`
		Quoted  int64    `json:"quoted,string"`
		Maybe   *float64 `json:"maybe,string"`
		Any     any      `json:"any"`
		Face    fmt.Stringer
		Matrix  [1][]int
	}
)

// Structs are written with the members that encoding/json gives them.
func TestStructsAreAsInEncodingJSON(t *testing.T) {
	for _, value := range []any{
		tagged{}, &tagged{private: 1, Skip: 2, Quoted: 4, Maybe: ptr(1.5), Any: []int{1}, Matrix: [1][]int{{1}}},
		tagged{Base: Base{"i", "n", "d"}, Other: &Other{"o", "p"}, hidden: hidden{7}, Empty: []string{"x"}},
		struct{ *Other }{}, struct {
			Other
			Name int
		}{Other{"x", "y"}, 3},
		[]Base{{ID: "1"}}, map[string]Base{"b": {}},
	} {
		text, fault := Append(nil, value)
		if fault != nil {
			t.Fatal(fault)
		}
		text = []byte(strings.ReplaceAll(string(text), ".000Z", "Z"))
		std, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := generic(t, text), generic(t, std); !reflect.DeepEqual(got, want) {
			t.Errorf("%T:\n got %s\nwant %s", value, text, std)
		}
	}
}

// encoding/json knows omitzero since Go 1.24.
func TestOmitzero(t *testing.T) {
	type times struct {
		A time.Time  `json:"a,omitzero"`
		B *time.Time `json:"b,omitzero"`
		C int        `json:"c,omitzero"`
		D Base       `json:"d,omitzero"`
	}
	for want, value := range map[string]times{
		`{}`: {A: time.Time{}.Local()}, `{"c":1,"d":{"Name":"x","Deep":""}}`: {B: &time.Time{}, C: 1, D: Base{Name: "x"}},
	} {
		if text, fault := Append(nil, value); fault != nil || string(text) != want {
			t.Errorf("%s %v, want %s", text, fault, want)
		}
	}
}

func generic(t *testing.T, text []byte) (v any) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}
