package viewer

import (
	"embed"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions/internal/languages"
)

//go:embed locales/*.json
var localeFiles embed.FS

// locale is a language of the page: its words, and how it writes numbers and
// times.
type locale struct {
	Code       string            `json:"code"`
	Name       string            `json:"name"`
	DateLayout string            `json:"date"`
	TimeLayout string            `json:"time"`
	Group      string            `json:"group"`
	Decimal    string            `json:"decimal"`
	Messages   map[string]string `json:"messages"`

	plural func(n int64) string
}

// plurals are the forms of a counted message, as suffixes of its key, by CLDR.
var plurals = map[string]func(n int64) string{
	"en": func(n int64) string {
		if n == 1 {
			return "one"
		}
		return "other"
	},
	"pl": func(n int64) string {
		tens, ones := n%100, n%10
		switch {
		case n == 1:
			return "one"
		case ones >= 2 && ones <= 4 && (tens < 12 || tens > 14):
			return "few"
		default:
			return "other"
		}
	},
}

// locales are the languages of the page; the first is the default.
type locales struct {
	all     []*locale
	matcher *languages.Matcher
}

func loadLocales() (*locales, error) {
	ls := &locales{}
	codes := []string{"en", "pl"}
	for _, code := range codes {
		b, err := localeFiles.ReadFile("locales/" + code + ".json")
		if err != nil {
			return nil, fmt.Errorf("reading the words of language %s: %w", code, err)
		}
		l := &locale{plural: plurals[code]}
		if err := json.Unmarshal(b, l); err != nil {
			return nil, fmt.Errorf("reading the words of language %s: %w", code, err)
		}
		ls.all = append(ls.all, l)
	}
	ls.matcher = languages.NewMatcher(codes...)
	return ls, nil
}

// of is the language that the request's cookie asks for, else the browser.
func (ls *locales) of(r *http.Request) *locale {
	if c, err := r.Cookie(cookieLanguage); err == nil {
		if i := slices.IndexFunc(ls.all, func(l *locale) bool { return l.Code == c.Value }); i >= 0 {
			return ls.all[i]
		}
	}
	return ls.all[ls.matcher.Of(r)]
}

// T is the message of a key, with its %s replaced by args in their order.
func (l *locale) T(key string, args ...any) string {
	m, ok := l.Messages[key]
	if !ok {
		return key
	}
	if len(args) == 0 {
		return m
	}
	return fmt.Sprintf(m, args...)
}

// name is what the language calls a value, which is its own name if it has none.
func (l *locale) name(kind, value string) string {
	if m, ok := l.Messages[kind+"."+value]; ok {
		return m
	}
	return value
}

// N is the message of a key for n things; its first %s is the number.
func (l *locale) N(key string, n int64, args ...any) string {
	return l.T(key+"."+l.plural(n), append([]any{l.Number(n)}, args...)...)
}

// Number writes a whole number in groups of three digits.
func (l *locale) Number(n int64) string {
	s := strconv.FormatInt(n, 10)
	if len(s) <= 4 {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteString(l.Group)
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Date and Clock write the two parts of an instant.
func (l *locale) Date(t time.Time) string  { return t.Format(l.DateLayout) }
func (l *locale) Clock(t time.Time) string { return t.Format(l.TimeLayout) }

// Duration writes how long a request took, with three significant digits.
func (l *locale) Duration(d time.Duration) string {
	switch s := d.Seconds(); {
	case d < 10*time.Millisecond:
		return l.float(s*1000, 2) + " ms"
	case d < time.Second:
		return l.float(s*1000, 0) + " ms"
	case d < time.Minute:
		return l.float(s, 2) + " s"
	case d < time.Hour:
		return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(s)%60)
	default:
		return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
	}
}

func (l *locale) float(f float64, decimals int) string {
	scale := math.Pow10(decimals)
	return strings.Replace(strconv.FormatFloat(math.Round(f*scale)/scale, 'f', decimals, 64), ".", l.Decimal, 1)
}

// Ago writes how long ago something was, roughly.
func (l *locale) Ago(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return l.T("ago.now")
	case d < time.Minute:
		return l.T("ago.seconds", l.Number(int64(d.Seconds())))
	case d < time.Hour:
		return l.T("ago.minutes", l.Number(int64(d.Minutes())))
	case d < 48*time.Hour:
		return l.T("ago.hours", l.Number(int64(d.Hours())))
	default:
		return l.T("ago.days", l.Number(int64(d.Hours()/24)))
	}
}
