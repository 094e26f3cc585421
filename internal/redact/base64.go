package redact

import "strings"

// findWebTokens looks for JSON web tokens, signed and encrypted, whole and cut
// short: base64url of an object, and a dot and more behind it.
func findWebTokens(s string, m mode, f found) bool {
	for i := 0; i+10 < len(s); i++ {
		// {", {, a blank and {, a line feed in base64
		if s[i] != 'e' || s[i+1] != 'y' && s[i+1] != 'w' || i > 0 && isAlnum(s[i-1]) {
			continue
		}
		end, dots := i, 0
		for end < len(s) && (isBase64URL(s[end]) || s[end] == '=' || s[end] == '.' && end > i && s[end-1] != '.') {
			if s[end] == '.' {
				dots++
			}
			end++
		}
		first, _, _ := strings.Cut(s[i:end], ".")
		head := decodeBase64(first, false)
		switch {
		case !strings.HasPrefix(head, "{"):
		case dots >= 2 && len(first) >= 8,
			dots >= 1 && end-i >= 24,
			m&mayGoOn != 0 && end == len(s) && end-i >= 16,
			strings.Contains(head, `"alg"`), strings.Contains(head, `"enc"`), strings.Contains(head, `"kid"`), strings.Contains(head, `"typ"`):
			if f(i, end) {
				return true
			}
		}
		i = max(i, end-1)
	}
	return false
}

// decodeBase64 decodes as much of s as can be, in either alphabet, up to the
// first character that can't be printed where printable is set.
func decodeBase64(s string, printable bool) string {
	var space [64]byte
	b, bits, n := space[:0], uint32(0), 0
	for i := range len(s) {
		v, ok := base64Value(s[i])
		if !ok {
			break
		}
		bits = bits<<6 | uint32(v)
		if n++; n < 2 {
			continue
		}
		c := byte(bits >> (2 * (4 - n)))
		if n == 4 {
			n = 0
		}
		if printable && (c < ' ' && c != '\n' && c != '\r' && c != '\t' || c >= 0x7f) {
			return ""
		}
		b = append(b, c)
	}
	return string(b)
}

func base64Value(c byte) (byte, bool) {
	switch {
	case isUpper(c):
		return c - 'A', true
	case isLower(c):
		return c - 'a' + 26, true
	case isDigit(c):
		return c - '0' + 52, true
	case c == '+', c == '-':
		return 62, true
	case c == '/', c == '_':
		return 63, true
	}
	return 0, false
}

// Bounds of the work that made-up base64 can make.
const (
	probed     = 16 // characters that must make sense for the rest to be decoded
	maxDecoded = 8  // stretches of one text that are decoded
)

// findEncoded looks for base64 of a text that holds a secret. It may begin
// anew behind a slash and a plus, which are in its alphabet.
func (r *Redactor) findEncoded(s string, f found) bool {
	inner := 0
	for i := 0; i+probed <= len(s) && inner < maxDecoded; {
		if !isAlnum(s[i]) {
			i++
			continue
		}
		start := i
		if len(decodeBase64(s[start:start+probed], true)) < 3*probed/4 {
			for i < len(s) && isBase64URL(s[i]) {
				i++
			}
			continue
		}
		for i < len(s) && isBase64(s[i]) && s[i] != '=' {
			i++
		}
		plain := decodeBase64(s[start:i], true)
		if plain == "" {
			plain = decodeBase64(s[start:start+probed], true)
		}
		inner++
		holds := layers(plain, func(text string) bool {
			return r.scan(text, decoded, func(int, int) bool { return true })
		})
		for i < len(s) && s[i] == '=' {
			i++
		}
		if !holds && len(plain) >= 15 && isPort(plain) && i < len(s) && s[i] == '.' { // an account's number, and what proves it
			holds = true
			i += base64s.length(s[i:])
		}
		if holds && f(start, i) {
			return true
		}
	}
	return false
}
