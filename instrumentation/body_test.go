package instrumentation_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/adminsessions/adminsessions/instrumentation"
)

// sendBody gives a body to a handler that reads it, and returns the attributes
// and cut fields of the record.
func sendBody(t testing.TB, contentType, body string, limit int64, opts ...instrumentation.Option) (attrs map[string]string, cut []string) {
	t.Helper()
	var s sink
	read := ""
	h := newMiddleware(t, &s, opts...)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(io.LimitReader(r.Body, limit))
		if err != nil {
			t.Error(err)
		}
		read = string(b)
	}))
	r := httptest.NewRequest("POST", "/clients", io.MultiReader(strings.NewReader(body))) // of no known length
	r.Header.Set("Content-Type", contentType)
	h.ServeHTTP(httptest.NewRecorder(), r)
	if want := body[:min(int64(len(body)), limit)]; read != want {
		t.Errorf("the handler read %d bytes, want %d", len(read), len(want))
	}
	e := s.Only(t)
	return attributes(e), e.Cut
}

const all = int64(1 << 40)

func TestFieldsOfAJSONBodyAreRecorded(t *testing.T) {
	for name, c := range map[string]struct{ body, want, marked string }{
		"a field":                 {`{"plan":"S","x":1}`, "S", ""},
		"a number as it stands":   {`{"plan":12345678901234567890.10}`, "12345678901234567890.10", ""},
		"null":                    {`{"plan":null}`, "null", ""},
		"twice":                   {`{"plan":"user","plan":"admin"}`, "user, admin", ""},
		"in another case":         {`{"PLAN":"admin"}`, "admin", ""},
		"by an odd letter's case": {`{"ſ":1,"plan":"S"}`, "S", ""},
		"escaped":                 {`{"pl\u0061n":"S"}`, "S", ""},
		"in a list":               {`[{"plan":"S"},{"plan":"M"}]`, "S, M", ""},
		"an object":               {`{"plan": {"a": 1}}`, `{"a":1}`, ""},
		"JSON lines":              {"{\"plan\":1}\n{\"plan\":2}", "1, 2", ""},
		"behind a mark of order":  {"\xef\xbb\xbf" + `{"plan":"S"}`, "S", ""},
		"not there":               {`{"name":"x"}`, "", ""},
		"deeper than it is named": {`{"x":{"plan":"S"}}`, "", ""},
		"before a fault":          {`{"plan":"S",}`, "S", "no JSON"},
		"no JSON":                 {`<plan>S</plan>`, "", "no JSON"},
		"rest behind":             {`{"plan":"S"}]`, "S", "no JSON"},
		"a bracket":               {`]`, "", "no JSON"},
		"too deep":                {strings.Repeat("[", 100) + strings.Repeat("]", 100), "", "no JSON"},
		"empty":                   {``, "", ""},
		"a secret within":         {`{"plan":{"password":"hunter22"}}`, `{"password":"REDACTED"}`, ""},
	} {
		for _, contentType := range []string{"application/json", "text/plain", ""} {
			t.Run(name+" as "+contentType, func(t *testing.T) {
				attrs, cut := sendBody(t, contentType, c.body, all, instrumentation.WithBodyFields("plan"))
				if attrs["admin.body.plan"] != c.want || attrs["admin.body"] != c.marked || len(cut) > 0 {
					t.Errorf("recorded %q, cut %q, want %q, marked %q", attrs, cut, c.want, c.marked)
				}
			})
		}
	}
}

func TestFieldsWithinObjectsAreRecorded(t *testing.T) {
	attrs, _ := sendBody(t, "application/json", `{"client":{"plan":{"id":7},"tags":["a","b"]},"items":[{"id":1},{"id":[2,3]}]}`, all,
		instrumentation.WithBodyFields("client.plan.id", "client.plan", "items.id", "client.tags"))
	for key, want := range map[string]string{
		"admin.body.client.plan.id": "7", "admin.body.client.plan": `{"id":7}`, "admin.body.items.id": "1, [2,3]", "admin.body.client.tags": `["a","b"]`,
	} {
		if attrs[key] != want {
			t.Errorf("%s is %q, want %q", key, attrs[key], want)
		}
	}
}

func TestLongBodiesAreHashedWholeAndReadInPart(t *testing.T) {
	body := `{"plan":"S","x":"` + strings.Repeat("y", 1<<20) + `","name":"z"}`
	sum := sha256.Sum256([]byte(body))
	attrs, cut := sendBody(t, "application/json", body, all, instrumentation.WithBodyFields("plan", "name"), instrumentation.WithBodyHash())
	if attrs["admin.body.plan"] != "S" || attrs["admin.body.name"] != "" || attrs["admin.body.sha256"] != hex.EncodeToString(sum[:]) {
		t.Errorf("recorded %q", attrs)
	}
	if !slices.Contains(cut, "attr.admin.body") {
		t.Errorf("cut %q does not say that a part was not looked through", cut)
	}
	// A number at the end of what is kept may go on behind it.
	attrs, _ = sendBody(t, "application/json", `{"x":"`+strings.Repeat("y", 64<<10-17)+`","plan":1234}`, all, instrumentation.WithBodyFields("plan"))
	if got := attrs["admin.body.plan"]; got != "" {
		t.Errorf("a part of a number is recorded: %q", got)
	}
}

func TestABodyThatIsNotReadToItsEndHasNoHash(t *testing.T) {
	attrs, _ := sendBody(t, "application/json", `{"plan":"S","more":"…"}`, 12, instrumentation.WithBodyFields("plan"), instrumentation.WithBodyHash())
	if attrs["admin.body.sha256"] != "" || attrs["admin.body"] != "not read to its end" || attrs["admin.body.plan"] != "S" {
		t.Errorf("recorded %q", attrs)
	}
}

func TestFormsAreNoJSON(t *testing.T) {
	attrs, _ := sendBody(t, "application/x-www-form-urlencoded", `plan=S`, all, instrumentation.WithBodyFields("plan"), instrumentation.WithFormFields("plan"), instrumentation.WithBodyHash())
	if attrs["admin.form.plan"] != "S" || attrs["admin.body"] != "" || attrs["admin.body.sha256"] == "" {
		t.Errorf("recorded %q", attrs)
	}
}

func TestNamesOfBodyFieldsAreChecked(t *testing.T) {
	for _, name := range []string{"", ".", "a.", ".a", "a..b", "a b", "password", "user.password", "sha256", "é"} {
		if _, err := instrumentation.NewMiddleware(instrumentation.WithBodyFields(name)); err == nil || !strings.Contains(err.Error(), "WithBodyFields") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func FuzzBodyFields(f *testing.F) {
	for _, s := range []string{`{"a":{"b":[1,{"b":2}]}}`, `[[[`, `{"a":1`, "\xef\xbb\xbf{}", `{"A":{"B":null}} {"a":`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		attrs, _ := sendBody(t, "application/json", body, all, instrumentation.WithBodyFields("a", "a.b", "b"), instrumentation.WithBodyHash())
		sum := sha256.Sum256([]byte(body))
		if body != "" && attrs["admin.body.sha256"] != hex.EncodeToString(sum[:]) {
			t.Errorf("another hash: %q", attrs)
		}
	})
}
