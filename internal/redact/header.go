package redact

import "strings"

// Header returns the value of a request header without its secrets, and what
// is kept of one that is a URL in limit bytes. name is in its canonical form.
func (r *Redactor) Header(name, value string, limit int) (_ string, cut bool) {
	switch {
	case value == "":
		return "", false
	case isSecretHeader(name):
		return Placeholder, false
	case holdsURL(name):
		return r.URL(value, limit)
	case name == "Sec-Websocket-Protocol":
		return r.Text(r.subprotocols(value)), false
	}
	if w := r.name(name); w.hides(value) {
		return Placeholder, false
	}
	return r.Text(value), false
}

func isSecretHeader(name string) bool {
	for _, h := range secretHeaders {
		if strings.EqualFold(h, name) {
			return true
		}
	}
	return false
}

func holdsURL(name string) bool {
	switch name {
	case "Referer", "Origin", "Destination", "Location", "Content-Location":
		return true
	}
	return strings.HasSuffix(name, "-Url") || strings.HasSuffix(name, "-Uri")
}

// subprotocols keeps of a list of WebSocket subprotocols what reads like the
// name of one. Clients that can't send headers put credentials there, often
// behind an element that says so.
func (r *Redactor) subprotocols(list string) string {
	elements := strings.Split(list, ",")
	announced := false
	for i, e := range elements {
		bare := strings.TrimSpace(e)
		if bare == "" {
			continue
		}
		if announced || isRandom(bare) || !isSubprotocol(bare) || r.Value(bare) {
			elements[i] = strings.Replace(e, bare, Placeholder, 1)
			continue
		}
		_, scheme := schemes[strings.ToLower(bare)]
		announced = scheme || r.name(bare) == always
	}
	return strings.Join(elements, ",")
}

func isSubprotocol(s string) bool {
	for i := range len(s) {
		if !isAlnum(s[i]) && s[i] != '.' && s[i] != '-' && s[i] != '_' {
			return false
		}
	}
	return len(s) <= 40
}
