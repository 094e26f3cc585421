package proxy

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// cookiesOf are the cookies of these names, each as it was sent, byte for byte:
// with everything that some framework takes for one of the names. Frameworks read
// cookies in ways of their own (Python's undoes octal escapes, PHP makes an
// underscore of a dot), and whoever is signed in must not be able to write his
// cookie so that the panel knows him and the record does not.
func cookiesOf(r *http.Request, names []string) (cookies []string) {
	for _, line := range r.Header["Cookie"] {
		for cookie := range strings.SplitSeq(line, ";") {
			for piece := range strings.SplitSeq(cookie, ",") {
				name, _, ok := strings.Cut(piece, "=")
				if ok && slices.ContainsFunc(names, func(n string) bool { return meantCookie(n) == meantCookie(name) }) {
					cookies = append(cookies, strings.TrimSpace(cookie))
					break
				}
			}
		}
	}
	return cookies
}

var cookieNames = strings.NewReplacer(".", "_", " ", "_", "[", "_", "+", "_")

// meantCookie is the name that frameworks may read.
func meantCookie(name string) string {
	if strings.IndexByte(name, '%') >= 0 {
		if text, err := url.PathUnescape(name); err == nil {
			name = text
		}
	}
	return strings.ToLower(cookieNames.Replace(strings.Trim(name, " \t\"")))
}
