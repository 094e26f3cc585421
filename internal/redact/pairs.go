package redact

import "strings"

// findPairs looks for the values of secrets' names: name=value, name: value,
// "name":"value", name => value, <name>value</name>, and for lists and tables
// that name a secret in quotes.
func (r *Redactor) findPairs(s string, m mode, f found) bool {
	structured := strings.ContainsAny(s, "{[<(")
	for i := range len(s) {
		switch s[i] {
		case '=', ':':
			if r.pairAt(s, i, m, f) {
				return true
			}
		case '>':
			if r.elementAt(s, i, f) {
				return true
			}
		case '"', '\'', '`':
			if r.quotedAt(s, i, structured, f) {
				return true
			}
		}
	}
	return false
}

func (r *Redactor) pairAt(s string, i int, m mode, f found) bool {
	name, quoted := nameBefore(s, i)
	if name == "" {
		return false
	}
	if n := word.length(s[i+1:]); s[i] == ':' && n >= 30 && isAccount(name) && f(max(0, i-len(name)), i+1+n) {
		return true
	}
	w := r.name(name)
	if w == never {
		return false
	}
	separator := s[i]
	from := i + 1
	for from < len(s) && (s[from] == '=' || s[from] == '>' || s[from] == ':' && separator == ':') {
		from++
	}
	spaced := false
	for from < len(s) && isBlank(s[from]) {
		from++
		spaced = true
	}
	start, end := valueAt(s, from, m)
	if start == from && separator == ':' && spaced && !quoted && w == always {
		end = endOfLine(s, from) // a sentence: "password: correct horse"
	}
	value := s[start:end]
	if value == "" || value == Placeholder || !w.hides(value) {
		return false
	}
	if quoted && (value == "null" || strings.HasPrefix(value, Placeholder+`"`)) {
		return false
	}
	return f(start, end)
}

// isAccount reports whether a name is a number, with which the token of a bot
// begins.
func isAccount(name string) bool {
	digits := 0
	for digits < len(name) && isDigit(name[len(name)-1-digits]) {
		digits++
	}
	return digits >= 8 && digits <= 12 && digits >= len(name)-len("bot")
}

// nameBefore returns the name that ends before i, and whether it is in quotes.
func nameBefore(s string, i int) (name string, quoted bool) {
	end := i
	for end > 0 && strings.IndexByte("!<>~*^|", s[end-1]) >= 0 {
		end--
	}
	for end > 0 && isBlank(s[end-1]) {
		end--
	}
	if end == 0 {
		return "", false
	}
	if q := s[end-1]; isQuote(q) {
		inner := end - 1
		start := strings.LastIndexByte(s[max(0, inner-maxName):inner], q)
		if start >= 0 {
			start += max(0, inner-maxName) + 1
			return strings.Trim(s[start:inner], `\ `), true
		}
		end = inner
	}
	start := end
	for start > 0 && end-start <= maxName && isNameByte(s[start-1]) {
		start--
	}
	if start > 0 && s[start-1] == '%' && end-start >= 2 && isHex(s[start]) && isHex(s[start+1]) {
		start += 2 // an escape: that it divides, or belongs to the name, is seen when it is decoded
	}
	return s[start:end], false
}

func isNameByte(c byte) bool {
	return isAlnum(c) || c >= 0x80 || c == '_' || c == '-' || c == '.' || c == '[' || c == ']' || c == '$' || c == '\\'
}

func isQuote(c byte) bool { return c == '"' || c == '\'' || c == '`' }

// valueAt returns the value that begins at from, without its quotes.
func valueAt(s string, from int, m mode) (start, end int) {
	open := from
	for open < len(s) && s[open] == '\\' {
		open++
	}
	if open == len(s) || !isQuote(s[open]) {
		return from, endOfValue(s, from, m)
	}
	start = open + 1
	if q := s[open : open+1]; strings.HasPrefix(s[start:], q+q) { // a block string of GraphQL, and Python's
		start += 2
		if end = strings.Index(s[start:], q+q+q); end < 0 {
			return start, len(s)
		}
		return start, start + end
	}
	if open > from { // quotes within quotes: no telling where they end
		return start, len(s)
	}
	for end = start; end < len(s); end++ {
		if s[end] == '\\' {
			end++
		} else if s[end] == s[open] {
			break
		}
	}
	return start, min(end, len(s))
}

func endOfValue(s string, i int, m mode) int {
	for i < len(s) && s[i] != '&' && s[i] != ';' && !endsWord(s[i]) && (m&isPath == 0 || s[i] != '/') {
		i++
	}
	return i
}

func endOfLine(s string, i int) int {
	if n := strings.IndexAny(s[i:], "\r\n"); n >= 0 {
		return i + n
	}
	return len(s)
}

// elementAt looks at an element of XML whose start tag ends at i.
func (r *Redactor) elementAt(s string, i int, f found) bool {
	open := strings.LastIndexByte(s[max(0, i-2*maxName):i], '<')
	if open < 0 {
		return false
	}
	tag := s[open+max(0, i-2*maxName)+1 : i]
	end := 0
	for end < len(tag) && (isNameByte(tag[end]) || tag[end] == ':') {
		end++
	}
	name := tag[strings.LastIndexByte(tag[:end], ':')+1 : end]
	if name == "" || strings.HasSuffix(tag, "/") {
		return false
	}
	w := r.name(name)
	if w == never {
		return false
	}
	stop := len(s)
	if n := strings.IndexByte(s[i+1:], '<'); n >= 0 && !strings.HasPrefix(s[i+1:], "<![") {
		stop = i + 1 + n
	}
	value := strings.TrimSpace(s[i+1 : stop])
	return value != "" && value != Placeholder && w.hides(value) && f(i+1, stop)
}

// quotedAt looks at a string in quotes: at one that is a secret's name and has
// no value beside it, where what belongs to it is somewhere behind; and at one
// before which such a name stands: "password 'hunter2'".
func (r *Redactor) quotedAt(s string, i int, structured bool, f found) bool {
	n := strings.IndexByte(s[i+1:min(len(s), i+1+maxName)], s[i])
	if n <= 0 {
		return false
	}
	content := strings.Trim(s[i+1:i+1+n], `\ `)
	if content == Placeholder {
		return false
	}
	if i > 0 && isBlank(s[i-1]) {
		name, _ := nameBefore(s, i)
		if strings.EqualFold(name, "by") {
			name, _ = nameBefore(s, strings.LastIndexAny(s[:i], "bB"))
			if strings.EqualFold(name, "identified") && f(i+1, i+1+n) {
				return true
			}
		} else if r.name(name) == always && f(i+1, i+1+n) {
			return true
		}
	}
	if !structured || len(content) == 0 || nameLength(content) != len(content) || r.name(content) != always {
		return false
	}
	next := strings.TrimLeft(s[i+n+2:], " \t\r\n")
	if next == "" || next[0] == ':' || next[0] == '=' {
		return false
	}
	return f(i+1, len(s))
}

// nameLength returns how many bytes of a name s begins with.
func nameLength(s string) int {
	i := 0
	for i < len(s) && isNameByte(s[i]) {
		i++
	}
	return i
}

// findFlags looks for flags of a command line: --password hunter2, and
// -u anna:hunter2.
func (r *Redactor) findFlags(s string, f found) bool {
	for i := 0; i < len(s); i++ {
		if s[i] != '-' || i > 0 && isAlnum(s[i-1]) || i > 0 && !isBlank(s[i-1]) && !isQuote(s[i-1]) && !strings.HasPrefix(s[i:], "--") {
			continue
		}
		start := i
		for start < len(s) && s[start] == '-' {
			start++
		}
		i = start + word.length(s[start:])
		flag := s[start:i]
		if flag == "" || i >= len(s) || !isBlank(s[i]) {
			continue
		}
		from := i
		for from < len(s) && isBlank(s[from]) {
			from++
		}
		end := endOfValue(s, from, 0)
		value := s[from:end]
		if flag == "u" || flag == "user" {
			_, password, ok := strings.Cut(value, ":")
			if !ok || password == "" {
				continue
			}
		} else if r.name(flag) != always {
			continue
		}
		if end > from && value != Placeholder && f(from, end) {
			return true
		}
	}
	return false
}
