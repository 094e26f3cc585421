package instrumentation

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// How a request says why it is made: in a header, or in a field of its form. The
// field of a form that is sent with GET is in the query.
const (
	reasonHeader = "X-Audit-Reason"
	reasonField  = "audit_reason"
)

// maxReasonBody is how much of a body is read ahead to find the field in it.
const maxReasonBody = 64 << 10

// WithRequiredReason does not let requests that rule means be handled unless they
// say why: in the header X-Audit-Reason (as it is, or as RFC 8187 writes other
// scripts), or in the field audit_reason of their form, among its first 64 KiB.
// Without a reason the answer is 428: to a browser a page that asks for it and
// sends the same form again, to a program a problem in JSON (RFC 9457). Either way
// the request is recorded. Handlers can read the form as if nobody had.
//
// Without [WithAdmin] nobody is known to have sent a request that is refused, and
// without [WithActor] it belongs to no tenant.
//
// Where rule is unsure whether it means a request, a reason is required, unless
// the method tells. Other
// requests that bring the header have their reason recorded as well.
//
// What another site has an administrator's browser send is neither asked about nor
// explained by a field that the site has filled in: the page says that it was begun
// elsewhere (by Sec-Fetch-Site, else Origin, else Referer). In an address that a
// browser opens the field counts only if a page of the panel leads there, for anybody
// can send a link. The header counts from anywhere, for no site can set it. The page is in the language that the browser
// asks for, English or Polish.
func WithRequiredReason(rule Rule) Option {
	return func(c *config) error {
		if err := rule.check(); err != nil {
			return optionError("WithRequiredReason", "%w", err)
		}
		c.reasons = append(c.reasons, rule)
		return nil
	}
}

// explained reports whether the request says why it is made, or need not;
// otherwise form is what there is of its form.
func (m *middleware) explained(s *scope, r *http.Request) (ok bool, form sentForm) {
	byPolicy := s.treatment.asks(func(r *policyRule) bool { return r.RequireReason })
	if len(m.reasons) == 0 && m.rules == nil {
		return true, form
	}
	e := &s.rec.event // nobody else has it yet
	for _, v := range r.Header[reasonHeader] {
		if reason := headerText(v); saysSomething(reason) {
			m.setReason(e, reason)
			return true, form
		}
	}
	if !byPolicy && !slices.ContainsFunc(m.reasons, func(rule Rule) bool { return rule.match(r) != no && rule.allowsMethod(r) }) {
		return true, form
	}
	form = peekForm(s.req)
	if !mayExplain(r) {
		return false, form // whose words a field there holds, nobody knows
	}
	for _, reason := range form.values[reasonField] {
		if saysSomething(reason) {
			m.setReason(e, reason)
			return true, form
		}
	}
	return false, form
}

// mayExplain reports whether a field of the request's form is its user's word. In an
// address that a browser did not get from the panel it is not: anybody can send a
// link. Every browser says which languages it wants; programs seldom do.
func mayExplain(r *http.Request) bool {
	from := originOf(r)
	if formMethod(r) == "get" {
		return from == fromPanel || from == fromNobody && len(r.Header["Accept-Language"]) == 0
	}
	return from != fromElsewhere
}

// saysSomething reports whether a text is more than spaces and signs.
func saysSomething(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool {
		return (unicode.IsLetter(r) || unicode.IsDigit(r)) && r != unicode.ReplacementChar
	})
}

// headerText is the value of a header, which may be written as RFC 8187 has it:
// browsers send nothing but Latin letters otherwise.
func headerText(v string) string {
	const extended = "utf-8'"
	if len(v) < len(extended) || !strings.EqualFold(v[:len(extended)], extended) {
		return v
	}
	if _, escaped, ok := strings.Cut(v[len(extended):], "'"); ok {
		if plain, err := url.PathUnescape(escaped); err == nil {
			return plain
		}
	}
	return v
}

// sentForm is what there is of a form without its files.
type sentForm struct {
	kind   formKind
	values url.Values
	again  bool // it is all there, so that it can be sent again
}

// peekForm reads the beginning of a form, and leaves it to be read again.
func peekForm(r *http.Request) sentForm {
	switch {
	case r.PostForm != nil: // read further out
		files := r.MultipartForm != nil && len(r.MultipartForm.File) > 0
		f := sentForm{kind: urlencoded, values: r.PostForm, again: !files}
		if r.MultipartForm != nil {
			f.kind = multipartForm
		}
		return f
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		values, err := url.ParseQuery(r.URL.RawQuery)
		return sentForm{kind: urlencoded, values: values, again: err == nil}
	}
	kind, boundary := formType(r)
	if kind != urlencoded && kind != multipartForm {
		return sentForm{kind: kind, again: r.ContentLength == 0}
	}
	if r.Body == nil || r.Body == http.NoBody {
		return sentForm{kind: kind, again: true}
	}
	begin, whole := peekBody(r)
	f := sentForm{kind: kind, again: whole}
	var err error
	if kind == urlencoded {
		f.values, err = urlencodedValues(begin, whole)
	} else {
		var files bool
		f.values, files, err = multipartValues(begin, boundary, maxReasonBody)
		f.again = f.again && !files
	}
	f.again = f.again && err == nil
	return f
}

// peekBody reads the beginning of a body, and puts it back.
func peekBody(r *http.Request) (begin []byte, whole bool) {
	body := r.Body
	begin, err := io.ReadAll(io.LimitReader(body, maxReasonBody))
	var rest io.Reader = body
	if err != nil {
		rest = failed{err}
	} else if len(begin) < maxReasonBody {
		rest, whole = failed{io.EOF}, true
	}
	r.Body = readAgain{io.MultiReader(bytes.NewReader(begin), rest), body}
	return begin, whole
}

// readAgain is a body of which the beginning has been read ahead.
type readAgain struct {
	io.Reader
	io.Closer
}

// failed is what is left of a body that can't be read further.
type failed struct{ err error }

func (f failed) Read([]byte) (int, error) { return 0, f.err }

var errForm = errors.New("form can't be read")
