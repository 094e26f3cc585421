package redact

import (
	"strings"
)

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
		'-': hasDash, '/': hasSlash, '%': hasEscape, '&': hasEscape, '\\': hasEscape, 'e': hasE, ' ': hasScheme, '+': hasScheme, '\t': hasScheme,
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
	if has&hasSlash != 0 && r.findPaths(s, f) {
		return true
	}
	return false
}

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
			end := p.shape.then.end(s, i+len(p.text))
			rest := s[i+len(p.text) : end]
			if len(rest) < p.shape.min || p.shape.random && !isRandom(rest) && !isRandom(s[i:end]) {
				continue
			}
			if end < len(s) && s[end] == ':' { // AKIA…:signature
				end = base64s.end(s, end+1)
			}
			if f(i, end) {
				return true
			}
			break
		}
	}
	return findTickets(s, f)
}

// end returns where the characters of the set that begin at i end.
func (set charset) end(s string, i int) int {
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
		return c > ' ' && strings.IndexByte(`"'<>,;&()[]`+"`", c) < 0
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

// findUserInfo looks for user:password@host, and for whatever stands before an
// @ in the authority of a URL.
func findUserInfo(s string, m mode, f found) bool {
	for i := 0; i+1 < len(s); i++ {
		if !isSlash(s[i]) || !isSlash(s[i+1]) {
			continue
		}
		start := i + 2
		for start < len(s) && isSlash(s[start]) {
			start++
		}
		end := start
		for end < len(s) && !endsAuthority(s[end]) {
			end++
		}
		i = start - 1
		authority := s[start:end]
		at := strings.LastIndexByte(authority, '@')
		if at < 0 {
			colon := strings.IndexByte(authority, ':')
			if colon < 0 || isPort(authority[colon+1:]) || strings.HasPrefix(authority, "[") {
				continue
			}
			// A password with a slash in it, or one whose end was cut off.
			more := start
			for more < len(s) && !endsWord(s[more]) {
				more++
			}
			at = strings.LastIndexByte(s[start:more], '@')
			if at < 0 && m&mayGoOn != 0 && end == len(s) {
				at = len(authority)
			}
			if at < 0 {
				continue
			}
		}
		if s[start:start+at] != Placeholder && at > 0 && f(start, start+at) {
			return true
		}
	}
	return findBareUserInfo(s, f)
}

// findBareUserInfo looks for user:password@host without a scheme.
func findBareUserInfo(s string, f found) bool {
	for i := 0; i < len(s); i++ {
		if s[i] != '@' || i+1 == len(s) || endsWord(s[i+1]) || s[i+1] == '/' {
			continue
		}
		start := i
		for start > 0 && !endsWord(s[start-1]) && s[start-1] != '=' && s[start-1] != '/' && s[start-1] != '?' && s[start-1] != '&' {
			start--
		}
		user, password, ok := strings.Cut(s[start:i], ":")
		if !ok || password == "" || s[start:i] == Placeholder || beforeAddress(user, password, s[i+1:]) {
			continue
		}
		if f(start, i) {
			return true
		}
	}
	return false
}

// beforeAddress reports whether a word and a colon stand before an e-mail
// address rather than before a password.
func beforeAddress(w, local, domain string) bool {
	switch strings.ToLower(w[strings.LastIndexAny(w, "([{,;|")+1:]) {
	case "mailto", "mail", "email", "e-mail", "sip", "sips", "xmpp", "acct", "im", "from", "to", "cc", "bcc", "sender", "recipient", "reply-to",
		"author", "assignee", "contact", "by":
	default:
		return false
	}
	for i := range len(local) {
		if !isAlnum(local[i]) && strings.IndexByte(".-_+%", local[i]) < 0 {
			return false
		}
	}
	dot := strings.IndexByte(domain, '.')
	return dot > 0 && dot+1 < len(domain) && isLetter(domain[dot+1])
}

func isSlash(c byte) bool       { return c == '/' || c == '\\' }
func endsAuthority(c byte) bool { return c == '?' || c == '#' || isSlash(c) || endsWord(c) }
func endsWord(c byte) bool {
	return c <= ' ' || strings.IndexByte(`"'<>`+"`", c) >= 0
}

func isPort(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return true
}

// findPEM looks for keys in PEM, and for what is left of one.
func findPEM(s string, f found) bool {
	const begin = "-----BEGIN"
	for i := 0; ; {
		at := strings.Index(s[i:], begin)
		if at < 0 {
			return false
		}
		start := i + at
		i = start + len(begin)
		label, _, _ := strings.Cut(s[i:], "-----")
		label = strings.ToUpper(label)
		if !strings.Contains(label, "KEY") && !strings.Contains(label, "PGP") && !strings.Contains(label, "SECRET") && len(label) < 64 && label != "" {
			continue // a certificate
		}
		end := len(s)
		if at := strings.Index(s[i:], "-----END"); at >= 0 {
			end = i + at + len("-----END")
			for end < len(s) && s[end] != '-' {
				end++
			}
			for end < len(s) && s[end] == '-' {
				end++
			}
		}
		if f(start, end) {
			return true
		}
		i = end
	}
}

// findFlags looks for flags of a command line: --password hunter2.
func (r *Redactor) findFlags(s string, f found) bool {
	for i := 0; ; {
		at := strings.Index(s[i:], "--")
		if at < 0 {
			return false
		}
		start := i + at + 2
		end := start
		for end < len(s) && (isAlnum(s[end]) || s[end] == '-' || s[end] == '_') {
			end++
		}
		i = max(end, start)
		if end == start || end == len(s) || !isBlank(s[end]) || r.name(s[start:end]) != always {
			continue
		}
		for end < len(s) && isBlank(s[end]) {
			end++
		}
		if stop := endOfValue(s, end, 0); stop > end && s[end:stop] != Placeholder && f(end, stop) {
			return true
		}
	}
}

// Schemes of Authorization, in small letters, by how much it takes to believe
// that credentials follow: most are words, too.
const (
	anyWord   = iota + 1 // any word but those of a sentence
	notPlain             // what is no word
	lookAlike            // what looks like credentials
)

var schemes = map[string]int{
	"bearer": anyWord, "dpop": anyWord, "negotiate": anyWord, "ntlm": anyWord, "privatetoken": anyWord, "sharedkey": anyWord, "sharedkeylite": anyWord,
	"hawk": notPlain, "gnap": notPlain, "hoba": notPlain, "vapid": notPlain, "apikey": notPlain, "api-key": notPlain, "jwt": notPlain,
	"sapisidhash": notPlain, "ssws": notPlain, "geniekey": notPlain, "splunk": notPlain,
	"basic": lookAlike, "token": lookAlike, "digest": lookAlike, "oauth": lookAlike, "signature": lookAlike,
	"scram-sha-256": lookAlike, "scram-sha-1": lookAlike, "concealed": lookAlike,
}

// sentence are words that follow a scheme's name where it is a word.
var sentence = set("of is was are for and or not with without from in on by to as the a an must may can only token tokens auth authentication " +
	"authorization scheme certificate bond bonds bearer missing required invalid expired header headers type null none undefined")

// findSchemes looks for credentials behind the scheme of an Authorization.
func findSchemes(s string, f found) bool {
	for i := 0; i < len(s); i++ {
		if !isLetter(s[i]) {
			continue
		}
		start := i
		for i < len(s) && (isAlnum(s[i]) || s[i] == '-') {
			i++
		}
		if i == len(s) || i-start < 3 || i-start > 16 || !isBlank(s[i]) && s[i] != ':' {
			continue
		}
		var lower [16]byte
		n := 0
		for ; n < i-start; n++ {
			lower[n] = s[start+n] | 0x20
		}
		need, known := schemes[string(lower[:n])]
		if !known {
			continue
		}
		from := i
		for from < len(s) && (isBlank(s[from]) || s[from] == ':') {
			from++
		}
		end := from
		for end < len(s) && s[end] != ' ' && s[end] != ',' && s[end] != ';' && !endsWord(s[end]) {
			end++
		}
		credentials := s[from:end]
		if !areCredentials(credentials, need) {
			continue
		}
		if strings.IndexByte(credentials, '=') > 0 && strings.ContainsAny(s[end:], ",=") {
			end = len(s) // Digest username="…", response="…"
		}
		if f(from, end) {
			return true
		}
	}
	return false
}

func areCredentials(c string, need int) bool {
	if len(c) < 4 || c == Placeholder || sentence[strings.ToLower(c)] {
		return false
	}
	switch need {
	case anyWord:
		return true
	case notPlain:
		return !isPlain(c) || len(c) >= 16
	}
	if strings.HasSuffix(c, "=") {
		return true
	}
	if plain := decodeBase64(c, true); len(c)%4 == 0 && strings.Contains(plain, ":") {
		return true
	}
	return len(c) >= 8 && !isPlain(c) && !isUUID(c) && !isTime(c)
}
