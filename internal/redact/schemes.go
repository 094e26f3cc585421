package redact

import "strings"

// Schemes of Authorization, in small letters, by how much it takes to believe
// that credentials follow: most are words, too.
const (
	anyWord   = iota + 1 // any word but those of a sentence
	notPlain             // what is no word
	lookAlike            // what looks like credentials
	spoken               // what is no word, perhaps behind "is" or "to"; a number there
)

var schemes = map[string]int{
	"bearer": anyWord, "dpop": anyWord, "negotiate": anyWord, "ntlm": anyWord, "privatetoken": anyWord, "sharedkey": anyWord, "sharedkeylite": anyWord,
	"hawk": notPlain, "gnap": notPlain, "hoba": notPlain, "vapid": notPlain, "apikey": notPlain, "api-key": notPlain, "jwt": notPlain,
	"sapisidhash": notPlain, "ssws": notPlain, "geniekey": notPlain, "splunk": notPlain,
	"basic": lookAlike, "token": lookAlike, "digest": lookAlike, "oauth": lookAlike, "signature": lookAlike,
	"password": spoken, "passwd": spoken, "passcode": spoken, "passphrase": spoken, "pwd": spoken, "pin": spoken, "otp": spoken,
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
		if need == spoken || need == lookAlike {
			from = behindVerbs(s, from)
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

// behindVerbs skips what may stand between a password's name and itself:
// "was changed to".
func behindVerbs(s string, i int) int {
	for next := i; ; i = next {
		for next < len(s) && s[next] > ' ' && s[next] != '+' {
			next++
		}
		switch strings.ToLower(s[i:next]) {
		case "is", "was", "to", "now", "set", "changed", "reset", "-", "->", "→", "–":
		default:
			return i
		}
		for next < len(s) && isBlank(s[next]) {
			next++
		}
	}
}

func areCredentials(c string, need int) bool {
	if first, _, _ := strings.Cut(c, "+"); len(c) < 4 || c == Placeholder || sentence[strings.ToLower(first)] {
		return false
	}
	switch need {
	case anyWord:
		return true
	case spoken:
		c, _, _ = strings.Cut(decodeAll(c), "+")
		return !isPlain(c) && !isTime(c) && !isUUID(c) || isCode(c)
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
