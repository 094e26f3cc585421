package instrumentation

import (
	"net/netip"
	"strings"
)

// cutLastElement splits s at the last sep that stands outside of quotes, as
// seen from the end.
func cutLastElement(s string, sep byte) (before, last string) {
	for i := len(s) - 1; i >= 0; i-- {
		switch s[i] {
		case sep:
			return s[:i], s[i+1:]
		case '"':
			i = openingQuote(s, i)
		}
	}
	return "", s
}

// openingQuote returns the offset of the quote that the one at end closes, or
// -1 if there is none.
func openingQuote(s string, end int) int {
	for i := end - 1; i >= 0; i-- {
		if s[i] != '"' {
			continue
		}
		escapes := 0
		for j := i - 1; j >= 0 && s[j] == '\\'; j-- {
			escapes++
		}
		if escapes%2 == 0 {
			return i
		}
	}
	return -1
}

// parseElement reads one hop: for=192.0.2.60;proto=http;host=example.org. Of a
// parameter that is there twice the right-most counts.
func parseElement(s string) (node, scheme, host string) {
	for s != "" {
		var pair string
		s, pair = cutLastElement(s, ';')
		name, value, _ := strings.Cut(pair, "=")
		name, value = strings.Trim(name, " \t"), unquote(strings.Trim(value, " \t"))
		switch {
		case node == "" && strings.EqualFold(name, "for"):
			node = value
		case scheme == "" && strings.EqualFold(name, "proto"):
			scheme = value
		case host == "" && strings.EqualFold(name, "host"):
			host = value
		}
	}
	return node, scheme, host
}

func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	s = s[1 : len(s)-1]
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b = append(b, s[i])
	}
	return string(b)
}

// parseNode reads an address with or without a port, which may be hidden (RFC
// 7239 6.3): 192.0.2.1, 192.0.2.1:80, 192.0.2.1:_x, 2001:db8::1, [2001:db8::1],
// [2001:db8::1]:80. A zone is dropped: it means something on the machine that
// wrote it only, and it is text that may say anything.
func parseNode(s string) (netip.Addr, bool) {
	s = strings.Trim(s, " \t")
	if len(s) >= 2 && s[0] == '"' { // some quote what is no token in X-Forwarded-For, too
		s = strings.Trim(unquote(s), " \t")
	}
	if strings.HasPrefix(s, "[") {
		inner, port, closed := strings.Cut(s[1:], "]")
		if !closed || !strings.Contains(inner, ":") || port != "" && !isNodePort(port) {
			return netip.Addr{}, false
		}
		s = inner
	} else if host, port, ok := strings.Cut(s, ":"); ok && isNodePort(s[len(host):]) && strings.IndexByte(port, ':') < 0 {
		s = host
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}, false
	}
	return addr.Unmap().WithZone(""), true
}

// isNodePort reports whether s is a colon and a port, or a hidden one.
func isNodePort(s string) bool {
	if len(s) < 2 || s[0] != ':' {
		return false
	}
	s = s[1:]
	if s[0] != '_' {
		return areDigits(s) && len(s) <= 5 // whatever number that is
	}
	for i := 1; i < len(s); i++ {
		c := s[i]
		if !isLower(c) && !isUpper(c) && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return len(s) > 1
}
