package instrumentation

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/felixge/httpsnoop"
)

// snoop makes the ResponseWriter over one that is not net/http's own.
func (s *scope) snoop() http.ResponseWriter {
	return httpsnoop.Wrap(s.rw, httpsnoop.Hooks{
		WriteHeader: func(httpsnoop.WriteHeaderFunc) httpsnoop.WriteHeaderFunc { return s.WriteHeader },
		Write:       func(httpsnoop.WriteFunc) httpsnoop.WriteFunc { return s.Write },
		WriteString: func(next httpsnoop.WriteStringFunc) httpsnoop.WriteStringFunc {
			return func(str string) (int, error) {
				s.noteImplicit()
				n, err := next(str)
				s.noteWrite(err)
				return n, err
			}
		},
		Flush: func(next httpsnoop.FlushFunc) httpsnoop.FlushFunc {
			return func() {
				s.noteImplicit()
				next()
			}
		},
		FlushError: func(next httpsnoop.FlushErrorFunc) httpsnoop.FlushErrorFunc {
			return func() error {
				s.noteImplicit()
				err := next()
				s.noteWrite(err)
				return err
			}
		},
		ReadFrom: func(next httpsnoop.ReadFromFunc) httpsnoop.ReadFromFunc {
			return func(src io.Reader) (int64, error) {
				s.noteImplicit()
				n, err := next(src)
				s.noteWrite(err)
				return n, err
			}
		},
		SetReadDeadline: func(next httpsnoop.SetReadDeadlineFunc) httpsnoop.SetReadDeadlineFunc {
			return func(t time.Time) error {
				s.noteReadDeadline(t)
				return next(t)
			}
		},
		SetWriteDeadline: func(next httpsnoop.SetWriteDeadlineFunc) httpsnoop.SetWriteDeadlineFunc {
			return func(t time.Time) error {
				err := next(t)
				s.noteWriteDeadline(t, err)
				return err
			}
		},
		Hijack: func(next httpsnoop.HijackFunc) httpsnoop.HijackFunc {
			return func() (net.Conn, *bufio.ReadWriter, error) {
				conn, rw, err := next()
				s.noteHijack(err)
				return conn, rw, err
			}
		},
	})
}
