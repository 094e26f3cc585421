// Package panics says in a record what a handler panicked with.
package panics

import (
	"fmt"
	"net/http"
)

// Abort is the [Type] of http.ErrAbortHandler: the answer was cut off on purpose.
const Abort = "abort"

// Type is the error.type of a panic with v: "panic: " and the type of v. It calls
// no method of v, which may panic itself, and like net/http it takes only
// http.ErrAbortHandler itself for an abort.
func Type(v any) string {
	if v == http.ErrAbortHandler {
		return Abort
	}
	return fmt.Sprintf("panic: %T", v)
}
