package redact

// found is told of a stretch of text that is a secret. It returns whether to
// stop looking.
type found func(start, end int) bool

// feature is something a text has that a kind of secret can't do without.
type feature uint16

const (
	hasEqual feature = 1 << iota
	hasColon
	hasAt
	hasAngle
	hasQuote
	hasDash
	hasSlash
	hasEscape // something to decode
	hasDigits // enough of them for a card
	hasE      // an e, with which every JSON web token begins
	hasScheme // a blank, that stands between a scheme and its credentials
)

var features = func() (t [256]feature) {
	for c, f := range map[byte]feature{
		'=': hasEqual, ':': hasColon, '@': hasAt, '<': hasAngle, '>': hasAngle, '"': hasQuote, '\'': hasQuote, '`': hasQuote,
		'-': hasDash, '/': hasSlash, '%': hasEscape, '&': hasEscape, '\\': hasEscape | hasSlash, 'e': hasE, ' ': hasScheme, '+': hasScheme, '\t': hasScheme, '\n': hasScheme, '\r': hasScheme,
	} {
		t[c] = f
	}
	for c := range 256 {
		if c < ' ' || c >= 0x7f {
			t[c] |= hasEscape
		}
	}
	return t
}()

func featuresOf(s string) feature {
	var f feature
	digits := 0
	for i := range len(s) {
		c := s[i]
		f |= features[c]
		if isDigit(c) {
			digits++
		}
	}
	if digits >= 13 {
		f |= hasDigits
	}
	return f
}

// mode says what a text is.
type mode uint8

const (
	mayGoOn mode = 1 << iota // the text was cut off
	isPath                   // a slash ends a value
	decoded                  // the text was base64
)

// scan calls f with every secret in a text as it stands, without decoding.
func (r *Redactor) scan(s string, m mode, f found) bool {
	has := featuresOf(s)
	if findShapes(s, f) {
		return true
	}
	if has&hasE != 0 && findWebTokens(s, m, f) {
		return true
	}
	if has&hasDigits != 0 && findCards(s, f) {
		return true
	}
	if has&(hasEqual|hasColon|hasAngle|hasQuote) != 0 && r.findPairs(s, m, f) {
		return true
	}
	if has&(hasAt|hasColon) != 0 && findUserInfo(s, m, f) {
		return true
	}
	if has&hasDash != 0 && (findPEM(s, f) || r.findFlags(s, f)) {
		return true
	}
	if has&(hasScheme|hasColon) != 0 && findSchemes(s, f) {
		return true
	}
	if has&hasSlash != 0 && r.findPaths(s, m, f) {
		return true
	}
	return m&decoded == 0 && r.findEncoded(s, f)
}
