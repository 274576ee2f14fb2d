package capture

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

func TestLinesAreCutOutOfWrites(t *testing.T) {
	for _, c := range []struct {
		writes []string
		want   string
	}{
		{[]string{"one\ntwo\n"}, `["one" "two"]`},
		{[]string{"o", "n", "e\n", "rest"}, `["one" "rest"]`},
		{[]string{"\n\r\nx\r\n"}, `["" "" "x"]`},
		{[]string{strings.Repeat("a", 40), strings.Repeat("b", 40) + "\nnext"}, `["aaaaaaaaaaaaa …[cut, 67 bytes]" "next"]`},
		{nil, `[]`},
	} {
		var lines Lines
		var got []string
		for _, text := range c.writes {
			rest := []byte(text)
			for len(rest) > 0 {
				var line string
				var whole bool
				if line, rest, whole = lines.Take(rest, 32); whole {
					got = append(got, line)
				}
			}
		}
		if line, some := lines.Rest(32); some {
			got = append(got, line)
		}
		if fmt.Sprintf("%q", got) != c.want {
			t.Errorf("%q: got %q, want %s", c.writes, got, c.want)
		}
	}
}

func TestTagsFollowGoroutines(t *testing.T) {
	if Current() != nil {
		t.Fatal("the test's own goroutine is marked")
	}
	var all sync.WaitGroup
	seen := sync.Map{}
	for range 50 {
		all.Add(1)
		go func() {
			defer all.Done()
			tag := Mark()
			if _, twice := seen.LoadOrStore(tag, true); twice || tag == nil || Current() != tag {
				t.Error("a tag is not its own")
			}
			child := make(chan *Tag)
			go func() { go func() { child <- Current() }() }()
			if <-child != tag {
				t.Error("a goroutine's goroutine lost the tag")
			}
		}()
	}
	all.Wait()
}

func BenchmarkMark(b *testing.B) {
	b.ReportAllocs()
	for range b.N {
		Mark()
	}
}

func BenchmarkCurrent(b *testing.B) {
	Mark()
	for range b.N {
		if Current() == nil {
			b.Fatal("unmarked")
		}
	}
}
