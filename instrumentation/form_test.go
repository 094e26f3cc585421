package instrumentation_test

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
)

const multipartBody = "--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nAnna\r\n--b--\r\n"

// Whatever net/http reads of a form is recorded; what it can't read is marked.
func TestFormsAreReadAsNetHTTPReadsThem(t *testing.T) {
	const unreadable = "unreadable"
	for name, c := range map[string]struct {
		contentType, body string
		marked            string
	}{
		"as usual":              {"application/x-www-form-urlencoded", "name=Anna", ""},
		"capitals":              {"Application/X-WWW-Form-URLEncoded", "name=Anna", ""},
		"a charset":             {"application/x-www-form-urlencoded; charset=utf-8", "name=Anna", ""},
		"bad parameters":        {"application/x-www-form-urlencoded; a; b", "name=Anna", ""},
		"empty parameters":      {"application/x-www-form-urlencoded;;", "name=Anna", ""},
		"a semicolon":           {"application/x-www-form-urlencoded;", "name=Anna", ""},
		"spaces":                {"  application/x-www-form-urlencoded  ;charset=x", "name=Anna", ""},
		"a quote":               {`application/x-www-form-urlencoded; a="b`, "name=Anna", ""},
		"a list of types":       {"application/x-www-form-urlencoded, text/plain", "name=Anna", unreadable},
		"a parameter twice":     {"application/x-www-form-urlencoded; a=b; a=c", "name=Anna", unreadable},
		"a bad escape":          {"application/x-www-form-urlencoded", "x=%zz&name=Anna", unreadable},
		"a semicolon within":    {"application/x-www-form-urlencoded", "x=a;b&name=Anna", unreadable},
		"the field unreadable":  {"application/x-www-form-urlencoded", "name=100%", unreadable},
		"twice":                 {"application/x-www-form-urlencoded", "name=Anna&name=Ben", ""},
		"empty":                 {"application/x-www-form-urlencoded", "name=", ""},
		"escaped name":          {"application/x-www-form-urlencoded", "n%61me=Anna", ""},
		"multipart":             {"multipart/form-data; boundary=b", multipartBody, ""},
		"multipart in capitals": {"Multipart/Form-Data; Boundary=b", multipartBody, ""},
		"multipart, quoted":     {`multipart/form-data; boundary="b"`, multipartBody, ""},
		"no boundary":           {"multipart/form-data", multipartBody, unreadable},
		"bad boundary":          {"multipart/form-data; boundary=b; x", multipartBody, unreadable},
		"another boundary":      {"multipart/form-data; boundary=c", multipartBody, unreadable},
		"cut short":             {"multipart/form-data; boundary=b", multipartBody[:len(multipartBody)-8], unreadable},
		"a file only":           {"multipart/form-data; boundary=b", strings.Replace(multipartBody, `"name"`, `"name"; filename="x"`, 1), ""},
		"quoted-printable": {"multipart/form-data; boundary=b",
			strings.Replace(multipartBody, "\r\n\r\nAnna", "\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nA=6Ena", 1), ""},
		"JSON":    {"application/json", `{"name":"Anna"}`, ""},
		"no type": {"", "name=Anna", ""},
	} {
		for _, method := range []string{"POST", "PUT", "PATCH"} {
			t.Run(name+" "+method, func(t *testing.T) {
				var read []string
				h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					_ = r.ParseMultipartForm(1 << 20)
					if r.MultipartForm != nil && len(r.MultipartForm.Value) > 0 {
						read = r.MultipartForm.Value["name"]
					} else {
						read = r.PostForm["name"]
					}
				})
				r := httptest.NewRequest(method, "/", strings.NewReader(c.body))
				if c.contentType != "" {
					r.Header.Set("Content-Type", c.contentType)
				}
				e, _ := record(t, h, r, instrumentation.WithFormFields("name"))
				got := attributes(e)
				want := strings.Join(read, ", ")
				if name == "cut short" {
					want = "Anna" // who reads it part by part has got it
				}
				if got["admin.form.name"] != want {
					t.Errorf("recorded %q, the handler read %q", got["admin.form.name"], want)
				}
				if got["admin.form"] != c.marked {
					t.Errorf("marked %q, want %q", got["admin.form"], c.marked)
				}
				if len(e.Cut) != 0 {
					t.Errorf("cut %v", e.Cut)
				}
			})
		}
	}
}

// A form that is longer than what is kept is said not to be whole.
func TestALongFormIsMarked(t *testing.T) {
	var multi bytes.Buffer
	mw := multipart.NewWriter(&multi)
	for _, f := range [][2]string{{"name", "Anna"}, {"big", strings.Repeat("x", 70<<10)}, {"late", "Ben"}} {
		if err := mw.WriteField(f[0], f[1]); err != nil {
			t.Fatal(err)
		}
	}
	_ = mw.Close()
	for contentType, body := range map[string]string{
		"application/x-www-form-urlencoded": "name=Anna&big=" + strings.Repeat("x", 70<<10) + "&late=Ben",
		mw.FormDataContentType():            multi.String(),
	} {
		read := func(_ http.ResponseWriter, r *http.Request) { _ = r.ParseMultipartForm(1 << 20) }
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		e, _ := record(t, http.HandlerFunc(read), r, instrumentation.WithFormFields("name", "late"))
		if got := attributes(e); got["admin.form.name"] != "Anna" || got["admin.form.late"] != "" || got["admin.form"] != "" {
			t.Errorf("%s: recorded %v", contentType, got)
		}
		if !slices.Contains(e.Cut, "attr.admin.form") {
			t.Errorf("%s: cut %v", contentType, e.Cut)
		}
	}
}

// A handler that stops reading gets a part, and so does the record.
func TestAFormReadInPart(t *testing.T) {
	for body, want := range map[string]string{"name=Anna&x=%41%42": "Anna", "name=An%C4%85": "An"} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		e, _ := record(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.CopyN(io.Discard, r.Body, int64(len(body)-1))
		}), r, instrumentation.WithFormFields("name"))
		if got := attributes(e); strings.TrimRight(got["admin.form.name"], "□") != want || got["admin.form"] != "" || len(e.Cut) != 1 {
			t.Errorf("%s: recorded %v, cut %v", body, got, e.Cut)
		}
	}
}

// A form that something further out has read is recorded, too.
func TestAFormReadFurtherOut(t *testing.T) {
	var s sink
	inner := newMiddleware(t, &s, instrumentation.WithFormFields("name"))(ok)
	r := httptest.NewRequest("POST", "/", strings.NewReader("name=Anna"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("name") != "Anna" {
			t.Error("the form did not arrive")
		}
		inner.ServeHTTP(w, r)
	}).ServeHTTP(httptest.NewRecorder(), r)
	if got := attributes(s.Only(t)); got["admin.form.name"] != "Anna" {
		t.Errorf("recorded %v", got)
	}
}

// FuzzForm compares what is recorded with what net/http gives to the handler.
func FuzzForm(f *testing.F) {
	f.Add("application/x-www-form-urlencoded; a; b", "name=Anna&x=%zz")
	f.Add("Multipart/Form-Data; boundary=b", multipartBody)
	f.Add("multipart/form-data; boundary=b", multipartBody[:20])
	f.Add("application/x-www-form-urlencoded", "name=a;b&name=%41")
	f.Add(";;", "name")
	f.Fuzz(func(t *testing.T, contentType, body string) {
		if len(body) > 32<<10 {
			return
		}
		var values url.Values
		var err error
		var s sink
		h := newMiddleware(t, &s, instrumentation.WithFormFields("name"))(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			err = r.ParseMultipartForm(1 << 20)
			values = r.PostForm
			if r.MultipartForm != nil {
				values = r.MultipartForm.Value
			}
		}))
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header["Content-Type"] = []string{contentType}
		h.ServeHTTP(httptest.NewRecorder(), r)
		e := s.Only(t)
		got := attributes(e)
		want := strings.Join(values["name"], ", ")
		plain := strings.IndexFunc(want, func(r rune) bool { return r < ' ' || r > '~' }) < 0
		if plain && len(want) <= 256 && got["admin.form.name"] != want && got["admin.form.name"] != "REDACTED" {
			t.Errorf("%q %q: recorded %q, the handler read %q (%v)", contentType, body, got["admin.form.name"], want, err)
		}
		if _, err := adminsessions.ParseLine(e.Line()); err != nil {
			t.Error(err)
		}
	})
}

// The cost of a long body is bounded.
func TestWhatIsKeptOfABodyIsBounded(t *testing.T) {
	body := "name=" + strings.Repeat("%41", 4<<20)
	var s sink
	h := newMiddleware(t, &s, instrumentation.WithFormFields("name"))(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	h.ServeHTTP(httptest.NewRecorder(), r)
	e := s.Only(t)
	if got := attributes(e)["admin.form.name"]; got != strings.Repeat("A", 256) || len(e.Line()) > 4<<10 {
		t.Errorf("recorded %d bytes in a line of %d", len(got), len(e.Line()))
	}
	if want := fmt.Sprint([]string{"attr.admin.form.name", "attr.admin.form"}); fmt.Sprint(e.Cut) != want {
		t.Errorf("cut %v, want %s", e.Cut, want)
	}
}
