package redact

import "strings"

// maxUserInfo bounds how far from an @ a user and a password are looked for.
const maxUserInfo = 256

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
			for more < len(s) && more < start+maxUserInfo && !endsWord(s[more]) {
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
	return findBareUserInfo(s, f) || findOracle(s, f)
}

// findOracle looks for user/password@host of Oracle's connection strings.
func findOracle(s string, f found) bool {
	const mark = "oracle:"
	for i := 0; i+len(mark) < len(s); i++ {
		if s[i]|0x20 != 'o' || !hasPrefixFold(s[i:], mark) {
			continue
		}
		start := i + len(mark)
		i = start
		for i < len(s) && i < start+maxUserInfo && !endsWord(s[i]) {
			i++
		}
		at := strings.IndexByte(s[start:i], '@')
		if at < 0 {
			continue
		}
		start += strings.LastIndexByte(s[start:start+at], ':') + 1
		end := i - (i - strings.IndexByte(s[start:], '@') - start)
		for isSlash(s[start]) {
			start++
		}
		if strings.IndexByte(s[start:end], '/') > 0 && f(start, end) {
			return true
		}
	}
	return false
}

// findBareUserInfo looks for user:password@host without a scheme.
func findBareUserInfo(s string, f found) bool {
	start, colon := 0, -1 // of the word, and of the first colon in it
	for i := range len(s) {
		switch c := s[i]; {
		case endsWord(c) || c == '=' || c == '/' || c == '?' || c == '&':
			start, colon = i+1, -1
		case c == ':' && colon < 0:
			colon = i
		case c == '@' && colon >= 0 && colon+1 < i && i+1 < len(s) && !endsWord(s[i+1]) && s[i+1] != '/':
			user, password := s[start:colon], s[colon+1:i]
			if hasPrefixFold(password, "%2f%2f") || beforeAddress(user, password, s[i+1:]) {
				continue
			}
			if f(start, i) {
				return true
			}
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

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
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
