package viewer

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/lokitest"
	grammar "github.com/adminsessions/adminsessions/internal/trail/query"
)

// TestValuesOfAnyKind records values that mean something to LogQL, to regular
// expressions, to a line or to the grammar itself, and finds by each key exactly
// the event that has the value, and without it all others.
func TestValuesOfAnyKind(t *testing.T) {
	loki := lokitest.Start(t)
	p := newPanel(t, loki)
	values := []string{
		"plain", `"`, `\`, `\"`, "`", `a"b`, `a\`, "a b", "a  b", "-", "-x", "%", "%20", "%2d", "=", "a=b", "<_>", "<p_action>", "{{.x}}", "$x", ".*", "(?i)x", "[a-z]", `\Q.\E`, "|", "a|b", ".", "x.", ".x",
		"a\nb", "a\tb", "a\x00b", "a\xffb", "a\ufffdb", "□", "żółć", "ŻÓŁĆ", "Роман", "İ", "ſ", "ß", "\u202e", "a\u2028b", "😀", "x/y", "/", "a:b", ":", "https://x/", "::1", "type=TRAIL", `tenant="plain"`, "\\u0000", `x" url="y`, strings.Repeat("x", 120),
	}
	events := make([]adminsessions.Event, 0, len(values))
	for i, v := range values {
		events = append(events, event(time.Now().Add(-time.Duration(len(values)-i)*time.Second), i+1, func(e *adminsessions.Event) {
			e.User = adminsessions.User{ID: v}
			e.Resource = adminsessions.Resource{Type: "thing", ID: v}
			e.Actor = adminsessions.Actor{TenantID: v, CredentialID: v}
			e.SessionID, e.Cause = v, v
			e.Reason, e.URL = "<<"+v+">>", "<<"+v+">>"
			e.Action = "do " + v + ".it"
		}))
	}
	push(t, loki, stream("one", events...))
	find := func(q string) map[string]bool {
		found := map[string]bool{}
		for _, e := range p.events(t, query("q", q, "size", "200")) {
			found[e.Fields["request"]] = true
		}
		return found
	}
	for i, v := range values {
		v = clean(v)
		for key, value := range map[string]string{"admin": v, "object": "thing/" + v, "tenant": v, "credential": v, "session": v, "request": v, "reason": "<<" + v + ">>", "url": "<<" + v + ">>", "action": "do " + v + ".it"} {
			term := grammar.Term{Key: key, Value: value}
			found := find(term.String())
			for j := range events {
				same := clean(values[j]) == v || (key == "reason" || key == "url") && strings.EqualFold(clean(values[j]), v)
				if found[events[j].RequestID] != same {
					t.Errorf("%s: the event of %q is found: %v", term, values[j], !same)
				}
			}
			if i%4 > 0 {
				continue
			}
			term.Not = true
			if without := find(term.String()); len(without)+len(found) != len(events) {
				t.Errorf("%s finds %d events, %s the other %d of %d", term, len(without), key, len(found), len(events))
			}
			if count, status, err := p.api(t.Context(), "count", query("q", term.String())); err != nil || status != http.StatusOK || count.Count != len(events)-len(found) {
				t.Errorf("%s: count %+v, status %d, %v, want %d", term, count, status, err, len(events)-len(found))
			}
		}
	}
}
