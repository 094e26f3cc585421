package viewer

import (
	"net/http"
	"time"
)

// defaultWriteTimeout is how long a client may take to read what is sent to it at
// a time.
const defaultWriteTimeout = 30 * time.Second

// setWriteDeadline limits how long what is written from now on may take, or,
// given 0, takes the limit away. The server's own (http.Server.WriteTimeout)
// counts from the arrival of a request, which is no measure for a search through
// months. A writer that has no deadlines keeps what it has.
func setWriteDeadline(control *http.ResponseController, limit time.Duration) {
	deadline := time.Time{}
	if limit > 0 {
		deadline = time.Now().Add(limit)
	}
	_ = control.SetWriteDeadline(deadline)
}

// partTimeout is how long an answer may take from one part to the next.
func (h *Handler) partTimeout() time.Duration { return h.config.QueryTimeout + h.writeTimeout }
