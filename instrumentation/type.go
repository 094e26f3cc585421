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
	if strings.Contains(p, "..") {
		p = path.Clean(p)
	}
	for found := 0; found < 2 && p != ""; {
		var segment string
		segment, p, _ = strings.Cut(p, "/")
		segment, _, _ = strings.Cut(segment, ";") // parameters of a segment
		switch {
		case segment == "" || segment == ".":
		case strings.EqualFold(segment, "api"):
			return true
		default:
			found++
		}
	}
	return false
}
