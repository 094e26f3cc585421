package redact

import (
	"strings"
	"testing"
)

// hostile are patterns that, repeated, could make a scanner walk the same
// ground again and again.
var hostile = []string{
	"a", "%41", "%2541", "%", "&", ";", "=", "a=", "a=b&", "a=b;", ":", "a:", "@", "a@", "a:b@", "//", "/", "a/", "//a:b", "//a:b@", "/../", `\`, `\u0041`,
	`"`, `"a":`, `{"a":`, "<", "<a>", "&#65;", "-", "--", "--a ", "-----BEGIN ", "-----BEGIN CERTIFICATE-----", "Bearer ", "Basic a ", "token", "token ", "ey", "eyJ.", "eyJhbGci",
	"ghp_", "sk-", "ST-1-", "T-", "4111", "4111 ", "YWFh/", "YWFhYWFhYWFhYWFhYWFh/", "YWFhYWFhYWFhYWFhYWFh ", "/reset/", "/files/", "/reset/a/..", "日", "\u200b", "state=", "state=a1 ",
}

// BenchmarkHostile reports what the dearest of them costs.
func BenchmarkHostile(b *testing.B) {
	r := hidePaths(b, "/reset/{token}", "/files/{rest...}", "/*/x/{y}")
	for _, s := range hostile {
		long := strings.Repeat(s, 1<<20/len(s))
		b.Run(s, func(b *testing.B) {
			for b.Loop() {
				r.AppendURL(nil, "/"+long[:min(len(long), 1<<19)], long, 2048)
				r.Text(long[:1<<16])
			}
		})
	}
}

func TestHostilePatternsAreBounded(t *testing.T) {
	r := hidePaths(t, "/reset/{token}", "/files/{rest...}")
	for _, s := range hostile {
		long := strings.Repeat(s, 1<<18/len(s))
		if b, _ := r.AppendURL(nil, "/"+long, long, 2048); len(b) > 2048 {
			t.Errorf("%q: %d bytes", s, len(b))
		}
		if got := r.Text(long); len(got) > 2*maxText {
			t.Errorf("%q: %d bytes of text", s, len(got))
		}
	}
}
