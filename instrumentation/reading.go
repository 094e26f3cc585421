package instrumentation

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// isPlainRequest reports whether every server reads the same path out of a
// request, but for its case and its end.
func isPlainRequest(r *http.Request) bool {
	u := r.URL
	if u.Opaque != "" || u.RawPath != "" || !isPlainPath(u.Path) {
		return false
	}
	for _, header := range pathHeaders {
		if namesOtherPath(r, header) {
			return false
		}
	}
	return true
}

// pathHeaders are those by which frameworks and gateways let a proxy say the
// path.
var pathHeaders = [...]string{"X-Original-Url", "X-Rewrite-Url", "X-Original-Uri", "X-Rewrite-Uri", "X-Override-Url", "X-Forwarded-Uri"}

// hasPathInDisguise reports whether one of them is there with underscores:
// behind CGI and its descendants it is the same one.
func hasPathInDisguise(h http.Header) bool {
	for name := range h {
		if strings.IndexByte(name, '_') >= 0 &&
			slices.Contains(pathHeaders[:], http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))) {
			return true
		}
	}
	return false
}

// isMethodHeader reports whether a header says a method. What a browser asks
// about ahead of a request to another site (CORS) is not the request's own.
func isMethodHeader(name string) bool {
	return strings.Contains(name, "ethod") && name != "Access-Control-Request-Method"
}

// namesOtherPath reports whether a header says another path.
func namesOtherPath(r *http.Request, header string) bool {
	for _, v := range r.Header[header] {
		if path, _, _ := strings.Cut(v, "?"); path != r.URL.Path {
			return true
		}
	}
	return false
}

// Classes of the bytes of a path.
const (
	bytePlain = iota + 1 // stands for itself everywhere
	byteOdd              // part of a name, though somebody may take it for something else
	byteDot
	byteSpace
	byteSlash
	// 0: changes, or may change, what path it is
)

// pathBytes has the class of each byte of ASCII.
var pathBytes = func() (t [utf8.RuneSelf]uint8) {
	for c := range uint8(utf8.RuneSelf) {
		switch {
		case isLower(c), isUpper(c), c >= '0' && c <= '9', strings.IndexByte("-_~@+,", c) >= 0:
			t[c] = bytePlain
		case strings.IndexByte(":$'()!&=[]", c) >= 0:
			t[c] = byteOdd
		}
	}
	t['.'], t[' '], t['/'] = byteDot, byteSpace, byteSlash
	return t
}()

// isPlainPath reports whether a path, unescaped, names the same thing
// everywhere: no segment is empty (but for the last), begins or ends with a
// space, or ends with a dot, and nothing in it separates, ends or escapes for
// somebody else. Letters and digits of all scripts are plain, other characters
// beyond ASCII may become dots or slashes when they are converted.
func isPlainPath(path string) bool {
	if path == "" || path[0] != '/' {
		return false
	}
	before := uint8(byteSlash)
	for i := 1; i < len(path); {
		c := path[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(path[i:])
			if !unicode.In(r, unicode.L, unicode.M, unicode.Nd) {
				return false
			}
			before = bytePlain
			i += size
			continue
		}
		class := pathBytes[c]
		switch class {
		case 0:
			return false
		case byteSlash:
			if before != bytePlain && before != byteOdd {
				return false
			}
		case byteSpace:
			if before == byteSlash {
				return false
			}
		}
		before = class
		i++
	}
	return before != byteDot && before != byteSpace
}

// isPlainSegment reports whether a segment of a plain path can't be read as
// another one: it holds plain ASCII only.
func isPlainSegment(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf || pathBytes[s[i]] != bytePlain && s[i] != '.' {
			return false
		}
	}
	return true
}

// maxOverrideQuery is how much of a query is looked through for a method.
const maxOverrideQuery = 8 << 10

// mayOverrideMethod reports whether a request holds, or may hold in its body,
// another method that frameworks take for the request's own.
func mayOverrideMethod(r *http.Request) bool {
	for name := range r.Header {
		if isMethodHeader(name) {
			return true
		}
	}
	if q := r.URL.RawQuery; q != "" && (len(q) > maxOverrideQuery || queryNamesMethod(q)) {
		return true
	}
	if r.Method != http.MethodPost || r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		return false
	}
	contentType := strings.ToLower(first(r.Header["Content-Type"]))
	return contentType == "" || strings.Contains(contentType, "form") ||
		strings.Contains(contentType, "json") || strings.Contains(contentType, "xml")
}

// queryNamesMethod reports whether a value in a query is a method's name, or a
// name speaks of one: whatever the parameter is called that a framework reads.
func queryNamesMethod(query string) bool {
	for query != "" {
		var pair string
		if i := strings.IndexAny(query, "&;"); i >= 0 {
			pair, query = query[:i], query[i+1:]
		} else {
			pair, query = query, ""
		}
		name, value, _ := strings.Cut(pair, "=")
		if strings.IndexByte(name, '%') >= 0 {
			name = unescapedOr(name)
		}
		if strings.Contains(strings.ToLower(name), "method") {
			return true
		}
		if strings.IndexByte(value, '%') >= 0 {
			value = unescapedOr(value)
		}
		if isMethodName(strings.TrimSpace(value)) {
			return true
		}
	}
	return false
}

func unescapedOr(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

func isMethodName(s string) bool {
	if len(s) < len("GET") || len(s) > len("OPTIONS") {
		return false
	}
	method, _ := normalizeMethod(strings.ToUpper(s))
	return method != "_OTHER"
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
