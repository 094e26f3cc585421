package adminsessions

import (
	"strconv"
	"unicode/utf8"
)

// Sentence is the event in one line, see [Event.AppendSentence].
func (e *Event) Sentence() string {
	return string(e.AppendSentence(make([]byte, 0, 256)))
}

// AppendSentence appends the event as one line that a person can read and a
// search can match:
//
//	API GET https://demo.example/admin/api/clients 200 "Anna Kowalska" <anna@example.com> 10.2.3.4
//
// in this order: interface in capitals, method, URL, status ("started" for a
// request that has not ended), full name in quotes, e-mail address in angle
// brackets, client address. "-" stands for what is not known; somebody without
// a name and an address is shown by the id. Where there is more to say, it
// follows:
//
//	… as "Ben" <ben@example.com>        an administrator acting as somebody else
//	… sign-in failure "mallory"         an attempt to sign in, and the name tried
//	… note "client 7731 deleted"        what the request did
//
// Nothing that comes from outside can forge a part: the quoted parts escape
// quotes and backslashes, the others have every space, quote, angle bracket
// and control character replaced by "_".
func (e *Event) AppendSentence(b []byte) []byte {
	b = legacyWord(b, string(e.Type))
	b = append(b, ' ')
	method := e.Method
	if e.SentMethod != "" {
		method = e.SentMethod
	}
	b = legacyWord(b, method)
	b = append(b, ' ')
	b = legacyWord(b, e.URL)
	b = append(b, ' ')
	switch {
	case e.Stage == Started:
		b = append(b, "started"...)
	case e.StatusCode == 0:
		b = append(b, '-')
	default:
		b = strconv.AppendInt(b, int64(e.StatusCode), 10)
	}
	b = append(b, ' ')
	b = appendUser(b, e.User)
	b = append(b, ' ')
	if e.ClientAddress.IsValid() {
		n := len(b)
		b = e.ClientAddress.AppendTo(b)
		cleanWord(b[n:]) // a zone comes from outside
	} else {
		b = append(b, '-')
	}
	if !e.Target.IsZero() {
		b = append(b, " as "...)
		b = appendUser(b, e.Target)
	}
	if e.SignIn.Outcome != "" || e.SignIn.Name != "" {
		b = append(b, " sign-in "...)
		b = legacyWord(b, string(e.SignIn.Outcome))
		if e.SignIn.Name != "" {
			b = append(b, ' ')
			b = appendQuoted(b, e.SignIn.Name)
		}
	}
	if e.Note != "" {
		b = append(b, " note "...)
		b = appendQuoted(b, e.Note)
	}
	return b
}

func appendUser(b []byte, u User) []byte {
	switch {
	case u.FullName != "" && u.Email != "":
		b = appendQuoted(b, u.FullName)
		b = append(b, " <"...)
		b = legacyWord(b, u.Email)
		return append(b, '>')
	case u.FullName != "":
		return appendQuoted(b, u.FullName)
	case u.Email != "":
		b = append(b, '<')
		b = legacyWord(b, u.Email)
		return append(b, '>')
	case u.ID != "":
		return appendQuoted(b, u.ID)
	}
	return append(b, '-')
}

// legacyWord appends s as one word.
func legacyWord(b []byte, s string) []byte {
	if s == "" {
		return append(b, '-')
	}
	n := len(b)
	b = append(b, s...)
	cleanWord(b[n:])
	return b
}

// cleanWord keeps a word one word, in place. It works on bytes, and leaves
// bytes of UTF-8 sequences alone: what hides in them (line separators, marks of
// direction) package instrumentation has replaced, and the exporter replaces
// what is not UTF-8.
func cleanWord(b []byte) {
	for i, c := range b {
		if c <= ' ' || c == '"' || c == '<' || c == '>' || c == 0x7f {
			b[i] = '_'
		}
	}
}

// appendQuoted appends s in double quotes. strconv.Quote would turn letters of
// other scripts that Go does not count as printable into escapes and so hide
// them from a search; here only what could forge a line is escaped.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			switch {
			case c == '"' || c == '\\':
				b = append(b, '\\', c)
			case c < ' ' || c == 0x7f:
				b = append(b, '_')
			default:
				b = append(b, c)
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		b = utf8.AppendRune(b, r)
		i += n
	}
	return append(b, '"')
}
