package instrumentation

import (
	"net/http"
	"path"
	"strings"

	"github.com/adminsessions/adminsessions"
)

// defaultType tells programs from people by the path alone, so that no client
// can choose the type by what it sends: API if one of the first two segments is
// "api" (/api/…, /admin/api/…), in any case, and WEB if not.
func defaultType(r *http.Request) adminsessions.Type {
	if hasAPISegment(r.URL.Path) {
		return adminsessions.API
	}
	return adminsessions.Web
}

func hasAPISegment(p string) bool {
	if strings.IndexByte(p, '.') >= 0 && strings.Contains(p, "..") {
		p = path.Clean(p)
	}
	for start, found := 0, 0; found < 2 && start < len(p); {
		end := start
		for end < len(p) && p[end] != '/' {
			end++
		}
		segment := p[start:end]
		start = end + 1
		if i := strings.IndexByte(segment, ';'); i >= 0 { // parameters
			segment = segment[:i]
		}
		switch {
		case segment == "" || segment == ".":
		case len(segment) == len("api") && strings.EqualFold(segment, "api"):
			return true
		default:
			found++
		}
	}
	return false
}
