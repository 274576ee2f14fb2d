package wire

// A strict scan of JSON text: it says whether the text is valid and where the
// members of an object lie, and builds nothing. Names are compared
// exactly, which encoding/json does not do (it takes `ID` for `id`).

// maxScanDepth bounds recursion; the host bounds user input far below it.
const maxScanDepth = 10000

// Members walks the members of one JSON object, checking the text as it goes.
// A value is read by Raw, Object or Text; one that is not asked for is skipped.
// So a large value is passed over once to validate it and once to decode it.
type Members struct {
	Name []byte // of the current member, unescaped

	b       []byte
	i       int  // behind what is read; at the current value while it is unread
	began   bool // a member has been seen
	unread  bool
	invalid bool
	texts   *window // of b, made when the first string is asked for
}

// MembersOf starts a walk over the object in raw.
func MembersOf(raw []byte) Members {
	i := skipSpace(raw, 0)
	if i >= len(raw) || raw[i] != '{' {
		return Members{invalid: true}
	}
	return Members{b: raw, i: i + 1}
}

// Next moves to the next member; false at the end or at the first fault.
func (m *Members) Next() bool {
	if m.unread {
		m.Raw()
	}
	if m.invalid {
		return false
	}
	i := skipSpace(m.b, m.i)
	if i < len(m.b) && m.b[i] == '}' {
		m.i = i + 1
		return false
	}
	if m.began {
		if i >= len(m.b) || m.b[i] != ',' {
			return m.fail()
		}
		i = skipSpace(m.b, i+1)
	}
	m.began = true
	if i >= len(m.b) || m.b[i] != '"' {
		return m.fail()
	}
	end := skipString(m.b, i)
	if end < 0 {
		return m.fail()
	}
	m.Name = unquoteBytes(m.b[i:end])
	if i = skipSpace(m.b, end); i >= len(m.b) || m.b[i] != ':' {
		return m.fail()
	}
	m.i, m.unread = skipSpace(m.b, i+1), true
	return true
}

func (m *Members) fail() bool {
	m.invalid, m.unread = true, false
	return false
}

// Whole reports, after the last Next, whether the text was one valid object
// and nothing else.
func (m *Members) Whole() bool {
	return !m.invalid && skipSpace(m.b, m.i) == len(m.b)
}

// Raw returns the text of the current value, nil if it is no JSON.
func (m *Members) Raw() []byte {
	start := m.i
	m.unread = false
	if m.i = skipValue(m.b, start, 1); m.i < 0 {
		m.fail()
		return nil
	}
	return m.b[start:m.i]
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// skipValue returns the index behind the value at i, or -1 if there is none.
func skipValue(b []byte, i, depth int) int {
	if i >= len(b) || depth > maxScanDepth {
		return -1
	}
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{':
		return skipObject(b, i, depth)
	case '[':
		return skipArray(b, i, depth)
	case 't':
		return skipWord(b, i, "true")
	case 'f':
		return skipWord(b, i, "false")
	case 'n':
		return skipWord(b, i, "null")
	}
	return skipNumber(b, i)
}

func skipObject(b []byte, i, depth int) int {
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == '}' {
		return i + 1
	}
	for i < len(b) && b[i] == '"' {
		if i = skipString(b, i); i < 0 {
			return -1
		}
		if i = skipSpace(b, i); i >= len(b) || b[i] != ':' {
			return -1
		}
		if i = skipValue(b, skipSpace(b, i+1), depth+1); i < 0 {
			return -1
		}
		if i = skipSpace(b, i); i >= len(b) {
			return -1
		}
		switch b[i] {
		case '}':
			return i + 1
		case ',':
			i = skipSpace(b, i+1)
		default:
			return -1
		}
	}
	return -1
}

func skipArray(b []byte, i, depth int) int {
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == ']' {
		return i + 1
	}
	for {
		if i = skipValue(b, i, depth+1); i < 0 {
			return -1
		}
		if i = skipSpace(b, i); i >= len(b) {
			return -1
		}
		switch b[i] {
		case ']':
			return i + 1
		case ',':
			i = skipSpace(b, i+1)
		default:
			return -1
		}
	}
}

// skipString returns the index behind the string that opens at i.
func skipString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return i + 1
		case c < ' ':
			return -1
		case c == '\\':
			if i = skipEscape(b, i); i < 0 {
				return -1
			}
		}
	}
	return -1
}

// skipEscape returns the index of the last byte of the escape at i.
func skipEscape(b []byte, i int) int {
	if i+1 >= len(b) {
		return -1
	}
	switch b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
		if i+5 < len(b) && hex4(b[i+2:i+6]) >= 0 {
			return i + 5
		}
	}
	return -1
}

func skipWord(b []byte, i int, word string) int {
	if len(b)-i < len(word) || string(b[i:i+len(word)]) != word {
		return -1
	}
	return i + len(word)
}

func skipNumber(b []byte, i int) int {
	if i < len(b) && b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if i = skipDigits(b, i); i < 0 {
		return -1
	}
	if i < len(b) && b[i] == '.' {
		if i = skipDigits(b, i+1); i < 0 {
			return -1
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		return skipDigits(b, i)
	}
	return i
}

// skipDigits needs at least one digit.
func skipDigits(b []byte, i int) int {
	start := i
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	if i == start {
		return -1
	}
	return i
}

// hex4 is the value of four hexadecimal digits, or -1.
func hex4(b []byte) rune {
	var r rune
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}
