package redact

// findCards calls found with each card number: 13 to 19 digits, with blanks or
// dashes between them, that begin like one of a scheme and whose check digit
// (Luhn's) is right.
func findCards(s string, found func(start, end int) bool) bool {
	for start := 0; start < len(s); {
		if !isDigit(s[start]) {
			start++
			continue
		}
		if end := cardAt(s, start); end > 0 && found(start, end) {
			return true
		}
		for start < len(s) && isDigit(s[start]) { // on to the next group
			start++
		}
	}
	return false
}

// cardAt returns where the card number that starts at start ends, or 0.
func cardAt(s string, start int) int {
	if mixedBefore(s, start) {
		return 0
	}
	var digits [19]byte
	n := 0
	for i := start; i < len(s); i++ {
		switch {
		case isDigit(s[i]):
			if n == len(digits) {
				return 0
			}
			digits[n] = s[i] - '0'
			n++
			last := i+1 == len(s) || !isDigit(s[i+1])
			if last && n >= 13 && isCard(digits[:n]) && !mixedBehind(s, i+1) {
				return i + 1
			}
		case (s[i] == ' ' || s[i] == '-' || s[i] == '+' || s[i] == '.' || s[i] == '_') && isDigit(s[i-1]):
		default:
			return 0
		}
	}
	return 0
}

// mixedBefore reports whether digits at i belong to a word in which letters and
// digits take turns, as in a hash.
func mixedBefore(s string, i int) bool {
	j := i
	for j > 0 && isLetter(s[j-1]) {
		j--
	}
	return j < i && j > 0 && isDigit(s[j-1])
}

func mixedBehind(s string, i int) bool {
	j := i
	for j < len(s) && isLetter(s[j]) {
		j++
	}
	return j > i && j < len(s) && isDigit(s[j])
}

// isCard reports whether digits are a card's number.
func isCard(d []byte) bool {
	two := int(d[0])*10 + int(d[1])
	four := two*100 + int(d[2])*10 + int(d[3])
	n := len(d)
	switch {
	case d[0] == 4: // Visa
		if n != 13 && n != 16 && n != 19 {
			return false
		}
	case two >= 51 && two <= 55, four >= 2221 && four <= 2720, four >= 2200 && four <= 2204: // Mastercard, Mir
		if n != 16 {
			return false
		}
	case two == 34, two == 37: // American Express
		if n != 15 {
			return false
		}
	case two == 30, two == 36, two == 38, two == 39: // Diners Club
		if n != 14 && n != 16 {
			return false
		}
	case two == 35: // JCB
		if n != 16 {
			return false
		}
	case two == 50, two >= 56 && two <= 69, two == 81: // Maestro, Discover, UnionPay, RuPay
		if n < 16 {
			return false
		}
	default:
		return false
	}
	sum, twice := 0, false
	for i := n - 1; i >= 0; i-- {
		v := int(d[i])
		if twice {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
		twice = !twice
	}
	return sum%10 == 0
}
