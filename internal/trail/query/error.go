package query

import (
	"fmt"
	"strings"
)

// Error says what is wrong with a query.
type Error struct {
	Fault Fault
	// Term is where: the term, or what begins with it.
	Term string
	// Key is the term's key, and Want what values it has.
	Key, Want string
}

// Fault is a kind of error.
type Fault string

// The kinds of errors.
const (
	BadQuote   Fault = "quote"       // a quote is not closed, or something stands right behind it
	UnknownKey Fault = "unknown_key" // there is no such key
	NoValue    Fault = "no_value"    // nothing stands behind the key, or between the quotes
	BadValue   Fault = "bad_value"   // the key has no such value
	TooLong    Fault = "too_long"    // there are more than MaxTerms terms
)

func (e *Error) Error() string {
	switch e.Fault {
	case BadQuote:
		return fmt.Sprintf(`%.60q: want a quote at the end of the text, and a blank or nothing behind it; \" is a quote within`, e.Term)
	case UnknownKey:
		return fmt.Sprintf("%.60q: there is no key %q, want one of %s; in quotes it is text, and object:%.40s/… an object of that type",
			e.Term, e.Key, strings.Join(Keys(), ", "), e.Key)
	case NoValue:
		return fmt.Sprintf("%.60q: want a value", e.Term)
	case BadValue:
		return fmt.Sprintf("%.60q: want %s", e.Term, e.Want)
	default:
		return fmt.Sprintf("more than %d terms", MaxTerms)
	}
}
