package proxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/policy"
)

// maxSignInBytes is how much of the body of an attempt to sign in is looked
// through for the name.
const maxSignInBytes = 64 << 10

// signInKey is the attribute that says what is odd about an attempt.
const signInKey = "admin.sign_in"

// attempt is a request that may be an attempt to sign in: it keeps the
// beginning of what the panel reads.
type attempt struct {
	rules       []*SignIn
	contentType string

	io.ReadCloser
	mu   sync.Mutex // the transport may read on
	kept []byte
	cut  bool // there is more of it
}

func (a *attempt) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	a.mu.Lock()
	defer a.mu.Unlock()
	room := maxSignInBytes - len(a.kept)
	a.kept = append(a.kept, p[:max(0, min(n, room))]...)
	a.cut = a.cut || n > room
	return n, err
}

// watchSignIn notes that a request may be an attempt to sign in.
func (g *generation) watchSignIn(v *visit, r *http.Request) {
	if len(g.config.SignIns) == 0 || r.Body == nil || r.Body == http.NoBody {
		return
	}
	may := g.signIns.Before(r).Rules
	if len(may) == 0 {
		return
	}
	a := &attempt{ReadCloser: r.Body, contentType: r.Header.Get("Content-Type")}
	for i := range g.config.SignIns {
		if slices.Contains(may, signInRule(i)) {
			a.rules = append(a.rules, &g.config.SignIns[i])
		}
	}
	v.attempt, r.Body = a, a
}

// signIn puts an attempt to sign in on record, once the panel has answered it.
func (g *generation) signIn(v *visit, resp *http.Response) {
	a := v.attempt
	if a == nil || resp.StatusCode >= 500 || resp.StatusCode < 200 {
		return
	}
	a.mu.Lock()
	kept, cut := a.kept, a.cut
	a.mu.Unlock()
	for _, rule := range a.rules {
		names := fieldOf(kept, a.contentType, rule.Field)
		if len(names) == 0 && !cut {
			continue
		}
		// One whose body is so long that the name is not among what was kept is an
		// attempt all the same, of nobody knows whom.
		outcome := adminsessions.SignInFailure
		if rule.Success.looksLike(resp) {
			outcome = adminsessions.SignInSuccess
		}
		name := ""
		if len(names) > 0 {
			name = names[len(names)-1]
		}
		v.recording.SignIn(name, outcome)
		if len(names) > 1 { // some frameworks take the first, most the last
			v.recording.Annotate("", attribute.String(signInKey, fmt.Sprintf("%d names were sent, the last is recorded", len(names))))
		}
		return
	}
}

func (s *SignInSuccess) looksLike(resp *http.Response) bool {
	if len(s.Status) > 0 && !slices.ContainsFunc(s.Status, func(status string) bool {
		r, err := policy.ParseStatus(status)
		return err == nil && r.First <= resp.StatusCode && resp.StatusCode <= r.Last
	}) {
		return false
	}
	if s.Location != "" {
		u, err := resp.Location()
		if err != nil || !strings.HasPrefix(u.Path, s.Location) {
			return false
		}
	}
	return s.Cookie == "" || setsCookie(resp, s.Cookie)
}

// setsCookie reports whether an answer gives a cookie a value.
func setsCookie(resp *http.Response, name string) bool {
	return slices.ContainsFunc(resp.Cookies(), func(c *http.Cookie) bool {
		return c.Name == name && c.Value != "" && c.MaxAge >= 0
	})
}

// fieldOf finds a field in what was kept of a body: its values, each once.
func fieldOf(kept []byte, contentType, field string) (values []string) {
	kind, params, _ := mime.ParseMediaType(contentType)
	switch kind {
	case "multipart/form-data":
		for mr := multipart.NewReader(bytes.NewReader(kept), params["boundary"]); ; {
			part, err := mr.NextPart()
			if err != nil {
				return values
			}
			if part.FormName() == field && part.FileName() == "" {
				b, _ := io.ReadAll(io.LimitReader(part, 1<<10)) // what is there of it
				values = appendNew(values, string(b))
			}
		}
	case "application/x-www-form-urlencoded":
		return formField(string(kept), field)
	}
	body, err := decodeJSON(bytes.NewReader(kept))
	if err != nil {
		return nil
	}
	if value, ok := textAt(body, field); ok {
		return []string{value}
	}
	return nil
}

// maxTried is how many names of one attempt are told apart.
const maxTried = 8

// appendNew moves a value that is there already to the end.
func appendNew(values []string, value string) []string {
	values = slices.DeleteFunc(values, func(v string) bool { return v == value })
	if len(values) == maxTried {
		values = values[1:]
	}
	return append(values, value)
}

// formField is the values of a field of a form. What is wrongly encoded stays as it
// is, as PHP has it.
func formField(form, field string) (values []string) {
	unescaped := func(s string) string {
		if text, err := url.QueryUnescape(s); err == nil {
			return text
		}
		return s
	}
	for pair := range strings.SplitSeq(form, "&") {
		if name, value, _ := strings.Cut(pair, "="); unescaped(name) == field {
			values = appendNew(values, unescaped(value))
		}
	}
	return values
}

// decodeJSON reads one value, with numbers as they are written.
func decodeJSON(r io.Reader) (v any, err error) {
	d := json.NewDecoder(r)
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

// textAt is the text at a path of JSON: user.email.
func textAt(v any, path string) (string, bool) {
	if path == "" {
		return "", false
	}
	for step := range strings.SplitSeq(path, ".") {
		object, ok := v.(map[string]any)
		if !ok {
			return "", false
		}
		if v, ok = object[step]; !ok {
			return "", false
		}
	}
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}
