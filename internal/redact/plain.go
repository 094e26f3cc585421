package redact

import "strings"

func isLower(c byte) bool  { return c >= 'a' && c <= 'z' }
func isUpper(c byte) bool  { return c >= 'A' && c <= 'Z' }
func isLetter(c byte) bool { return isLower(c | 0x20) }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isAlnum(c byte) bool  { return isLetter(c) || isDigit(c) }
func isHex(c byte) bool    { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }
func isBlank(c byte) bool  { return c == ' ' || c == '+' || c == '\t' || c == '\n' || c == '\r' }

// isFlag reports whether a value is a yes or a no.
func isFlag(v string) bool {
	switch strings.ToLower(v) {
	case "", "0", "1", "on", "off", "true", "false", "yes", "no", "y", "n", "t", "f", "null", "none":
		return true
	}
	return false
}

// isPlain reports whether a value reads as people write: up to six words, or
// numbers of at most ten digits. A word with a digit in it is none, for that is
// what passwords are made of.
func isPlain(v string) bool {
	tokens := 0
	for i := 0; i < len(v); {
		if !isAlnum(v[i]) && v[i] < 0x80 {
			i++
			continue
		}
		start, letters, digits := i, 0, 0
		for ; i < len(v) && (isAlnum(v[i]) || v[i] >= 0x80); i++ {
			if isDigit(v[i]) {
				digits++
			} else {
				letters++
			}
		}
		tokens++
		if tokens > 6 || letters > 0 && digits > 0 || letters > 18 || digits > 10 || !hasUsualCase(v[start:i]) {
			return false
		}
	}
	return true
}

// isTold reports whether a value tells something about a secret: a flag, some
// words, an amount, a date, the name of an algorithm.
func isTold(v string) bool {
	return len(v) <= 40 && (isPlain(v) || isTime(v) || isAlgorithm(v))
}

// isAlgorithm reports whether a value is like S256, HS512, ed25519.
func isAlgorithm(v string) bool {
	letters := 0
	for letters < len(v) && isLetter(v[letters]) {
		letters++
	}
	digits := len(v) - letters
	return letters > 0 && letters <= 4 && digits >= 3 && digits <= 5 && len(trimDigits([]byte(v))) == letters
}

// hasUsualCase reports whether a word is written in small letters, in
// capitals, or in parts of some length that begin with a capital.
func hasUsualCase(w string) bool {
	changes := 0
	for i := 1; i < len(w); i++ {
		if isUpper(w[i]) && isLower(w[i-1]) {
			changes++
		}
	}
	return changes <= len(w)/5
}

// isRandom reports whether a value looks made by a machine to be unguessable:
// 16 characters or more in which letters, digits and capitals alternate. Known
// forms of identifiers are not taken for it.
func isRandom(v string) bool {
	if len(v) < 16 || isUUID(v) || isTime(v) || isObjectID(v) || isULID(v) {
		return false
	}
	changes, run := 0, 0
	for i := range len(v) {
		c := v[i]
		if !isAlnum(c) {
			run = 0
			continue
		}
		if run++; run > 24 && !isDigit(c) {
			return true
		}
		if run == 1 {
			continue
		}
		p := v[i-1]
		if isDigit(c) != isDigit(p) || isUpper(c) && isLower(p) {
			changes++
		}
	}
	return changes >= 4
}

func isLowerWord(s string) bool {
	for i := range len(s) {
		if !isLower(s[i]) {
			return false
		}
	}
	return true
}

// isCode reports whether a value is a number as codes for signing in are.
func isCode(v string) bool { return len(v) >= 4 && len(v) <= 10 && isPort(v) }

// isMixed reports whether a value is one word of letters and digits, as
// passwords are, and no identifier of a known form.
func isMixed(v string) bool {
	letters, digits := 0, 0
	for i := range len(v) {
		switch {
		case isDigit(v[i]):
			digits++
		case isLetter(v[i]):
			letters++
		default:
			return false
		}
	}
	return letters > 0 && digits > 0 && len(v) >= 7 && !isObjectID(v) && !isULID(v)
}

// isUUID also takes a UUID in braces or without dashes for one only in the
// usual form: 32 hexadecimal digits in a row are as often a token.
func isUUID(v string) bool {
	if len(v) != 36 {
		return false
	}
	for i := range len(v) {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if v[i] != '-' {
				return false
			}
		} else if !isHex(v[i]) {
			return false
		}
	}
	return true
}

func isObjectID(v string) bool {
	if len(v) != 24 {
		return false
	}
	for i := range len(v) {
		if !isDigit(v[i]) && (v[i] < 'a' || v[i] > 'f') {
			return false
		}
	}
	return true
}

func isULID(v string) bool {
	if len(v) != 26 || v[0] > '7' {
		return false
	}
	for i := range len(v) {
		if !isDigit(v[i]) && !isUpper(v[i]) || strings.IndexByte("ILOU", v[i]) >= 0 {
			return false
		}
	}
	return true
}

// isTime reports whether a value is a date or a time in digits.
func isTime(v string) bool {
	if len(v) < 8 || len(v) > 35 || !isDigit(v[0]) {
		return false
	}
	for i := range len(v) {
		if !isDigit(v[i]) && strings.IndexByte("-:.+/TZ ", v[i]) < 0 {
			return false
		}
	}
	return strings.Count(v, "-") >= 2 || strings.Count(v, "/") == 2
}
