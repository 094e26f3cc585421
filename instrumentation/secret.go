package instrumentation

import (
	"net/url"
	"strings"
)

// hasSecretPart reports whether a name, in small letters and with the
// separators between words taken out, has a part that marks a secret wherever
// it stands: "session_id", "accessToken", "user[password]", "x-amz-signature".
func hasSecretPart(name []byte) bool {
	for i, c := range name {
		rest := name[i:]
		switch c {
		case 'a':
			if starts(rest, "apikey") || starts(rest, "accesskey") || starts(rest, "authcode") {
				return true
			}
		case 'b':
			if starts(rest, "bearer") {
				return true
			}
		case 'c':
			if starts(rest, "credential") || starts(rest, "cookie") {
				return true
			}
		case 'p':
			if starts(rest, "password") || starts(rest, "passwd") || starts(rest, "passphrase") || starts(rest, "privatekey") {
				return true
			}
		case 's':
			if starts(rest, "secret") || starts(rest, "signature") || starts(rest, "session") || starts(rest, "sessid") {
				return true
			}
		case 't':
			if starts(rest, "token") {
				return true
			}
		}
	}
	return false
}

func starts(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && string(b[:len(prefix)]) == prefix
}

// isSecretName reports whether a parameter's name looks like a secret's. Words
// are told apart at anything but letters and digits, and where small letters
// meet capitals, so "key" is found in "api_key" and "signingKey" and not in
// "monkey".
func isSecretName(name string) bool {
	var space [96]byte
	joined := space[:0] // the name in small letters without separators
	start := 0
	var prev byte
	for i := range len(name) {
		c := name[i]
		switch {
		case c >= 'A' && c <= 'Z':
			next := byte(0)
			if i+1 < len(name) {
				next = name[i+1]
			}
			if isLower(prev) || isUpper(prev) && isLower(next) {
				if isSecretWord(joined[start:]) {
					return true
				}
				start = len(joined)
			}
			joined = append(joined, c|0x20)
		case isLower(c), c >= '0' && c <= '9', c >= 0x80:
			joined = append(joined, c)
		default:
			if isSecretWord(joined[start:]) {
				return true
			}
			start = len(joined)
		}
		prev = c
	}
	if isSecretWord(joined[start:]) {
		return true
	}
	// A "code" alone is an authorization code; a zip_code is not.
	return hasSecretPart(joined) || string(joined) == "code"
}

func isSecretWord(w []byte) bool {
	switch string(w) {
	case "key", "keys", "sig", "hmac", "pass", "pwd", "pw", "pin", "otp", "totp", "mfa", "sid", "auth",
		"authorization", "jwt", "assertion", "saml", "samlresponse", "ticket":
		return true
	}
	return false
}

func isLower(c byte) bool { return c >= 'a' && c <= 'z' }
func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }

// isSecretValue reports whether a value gives itself away, whatever its name:
// a JSON web token, a URL with user-info, or a URL or query within the query
// that carries a secret of its own.
func isSecretValue(v string) bool {
	if strings.HasPrefix(v, "eyJ") && strings.Count(v, ".") >= 2 {
		return true
	}
	for range 3 { // encoded once for each query it went through
		if strings.IndexByte(v, '%') < 0 {
			break
		}
		plain, err := url.QueryUnescape(v)
		if err != nil {
			break
		}
		v = plain
	}
	if i := strings.Index(v, "//"); i >= 0 {
		authority := v[i+2:]
		if end := strings.IndexAny(authority, "/?#"); end >= 0 {
			authority = authority[:end]
		}
		if strings.IndexByte(authority, '@') >= 0 {
			return true
		}
	}
	if strings.IndexByte(v, '=') < 0 {
		return false
	}
	for pair := range strings.FieldsFuncSeq(v, isQuerySeparator) {
		if name, _, ok := strings.Cut(pair, "="); ok && isSecretName(name) {
			return true
		}
	}
	return false
}

func isQuerySeparator(r rune) bool { return r == '?' || r == '&' || r == ';' || r == '#' }
