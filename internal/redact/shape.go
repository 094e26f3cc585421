package redact

import "strings"

// shapeTable holds the prefixes by their first two bytes.
type shapeTable struct {
	begins [1 << 16 / 64]uint64
	by     map[uint16][]prefix
}

type prefix struct {
	text     string
	shape    *shape
	anywhere bool // also within a word
}

var shapeIndex = compileShapes(shapes)

func compileShapes(list []shape) *shapeTable {
	t := &shapeTable{by: map[uint16][]prefix{}}
	for i := range list {
		for p := range strings.FieldsSeq(list[i].prefixes) {
			k := uint16(p[0])<<8 | uint16(p[1])
			t.begins[k/64] |= 1 << (k % 64)
			separated := strings.ContainsAny(p, "_-.$/{")
			t.by[k] = append(t.by[k], prefix{p, &list[i], len(p) >= 5 && separated})
		}
	}
	return t
}

// findShapes looks for the prefixes of the table.
func findShapes(s string, f found) bool {
	t := shapeIndex
	for i := 0; i+1 < len(s); i++ {
		k := uint16(s[i])<<8 | uint16(s[i+1])
		if t.begins[k/64]&(1<<(k%64)) == 0 {
			continue
		}
		for _, p := range t.by[k] {
			if !strings.HasPrefix(s[i:], p.text) || !p.anywhere && i > 0 && isAlnum(s[i-1]) {
				continue
			}
			start := i + len(p.text)
			end := start + p.shape.then.length(s[start:min(len(s), start+maxToken)])
			rest := s[start:end]
			if len(rest) < p.shape.min || p.shape.random && !isRandom(rest) && !isRandom(s[i:end]) {
				continue
			}
			end += p.shape.then.length(s[end:])
			if end < len(s) && s[end] == ':' { // AKIA…:signature
				end += 1 + base64s.length(s[end+1:])
			}
			if f(i, end) {
				return true
			}
			break
		}
	}
	return findTickets(s, f)
}

// maxToken is how much of a token is looked at to tell that it is one.
const maxToken = 96

// length returns how many characters of the set s begins with.
func (set charset) length(s string) int {
	i := 0
	for i < len(s) && set.has(s[i]) {
		i++
	}
	return i
}

func (set charset) has(c byte) bool {
	switch set {
	case alnum:
		return isAlnum(c)
	case word:
		return isAlnum(c) || c == '_' || c == '-'
	case upper:
		return isUpper(c) || isDigit(c)
	case hexed:
		return isHex(c)
	case visible:
		return c > ' ' && strings.IndexByte(`"'<>;&()[]`+"`", c) < 0
	default:
		return isBase64(c) || c == '.' || c == '~'
	}
}

func isBase64(c byte) bool {
	return isAlnum(c) || c == '_' || c == '-' || c == '+' || c == '/' || c == '='
}

func isBase64URL(c byte) bool { return isAlnum(c) || c == '_' || c == '-' }

// findTickets looks for tickets of a central sign-in: ST-12-….
func findTickets(s string, f found) bool {
	for i := 0; ; i++ {
		at := strings.Index(s[i:], "T-")
		if at < 0 {
			return false
		}
		i += at
		start := i
		for start > 0 && isUpper(s[start-1]) {
			start--
		}
		switch s[start : i+1] {
		case "ST", "PT", "LT", "TGT", "PGT", "TST":
		default:
			continue
		}
		end := i + 2
		for end < len(s) && isDigit(s[end]) {
			end++
		}
		if end == i+2 || end == len(s) || s[end] != '-' {
			continue
		}
		random := end + 1
		for end = random; end < len(s) && (isBase64URL(s[end]) || s[end] == '.'); end++ {
		}
		if end-random >= 12 && f(start, end) {
			return true
		}
	}
}
