package attack

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// http2Attacks come as a proxy that speaks HTTP/2 would send them.
func http2Attacks() []attack {
	anna := []hpack.HeaderField{{Name: "authorization", Value: "Bearer demo-token-anna"}}
	pseudo := func(method, authority, path string) []hpack.HeaderField {
		return []hpack.HeaderField{{Name: ":method", Value: method}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: authority}, {Name: ":path", Value: path}}
	}
	var attacks []attack
	add := func(name string, w want, head []hpack.HeaderField, more ...hpack.HeaderField) {
		attacks = append(attacks, attack{name: "h2-" + name, want: w, send: func(t *testing.T, s *suite, a *attack) {
			c := s.dialHTTP2(t, a)
			defer c.conn.Close()
			c.request(t, 1, append(append(append([]hpack.HeaderField{}, head...), hpack.HeaderField{Name: "user-agent", Value: a.userAgent()}), append(anna, more...)...))
			c.await(t, a, 1)
		}})
	}
	const path = "/admin/api/clients/7692"
	sees := func(part string) want { return want{email: "anna@example.com", urlHas: []string{part}} }
	add("plain", want{email: "anna@example.com", status: 200, url: "http://panel.example" + path}, pseudo("GET", panelHost, path))
	add("asset-dots", want{urlHas: []string{"/admin"}}, pseudo("GET", panelHost, "/assets/../admin/clients"))
	add("asset-encoded", want{urlHas: []string{"/assets/"}}, pseudo("GET", panelHost, "/assets/%2e%2e%2fadmin"))
	add("long-authority", sees(path), pseudo("GET", strings.Repeat("a", 3000)+".example", path))
	add("foreign-authority", sees(path), pseudo("GET", "static.example", path))
	add("host-beside", sees(path), pseudo("GET", panelHost, path), hpack.HeaderField{Name: "host", Value: "evil.example"})
	add("method", want{method: "_OTHER", sent: "BREW"}, pseudo("BREW", panelHost, path))
	add("override", want{method: "POST"}, pseudo("POST", panelHost, path), hpack.HeaderField{Name: "x-http-method-override", Value: "GET"})
	add("spoof", want{email: "anna@example.com"}, pseudo("GET", panelHost, path), hpack.HeaderField{Name: "x-forwarded-for", Value: "6.6.6.6"})
	add("secret", want{lacks: []string{"Zq8hunter2"}}, pseudo("GET", panelHost, path+"?token=Zq8hunter2"))
	add("quote", want{email: "anna@example.com"}, pseudo("GET", panelHost, path+`?q=x"%20email="evil`))
	add("no-path", want{none: true}, pseudo("GET", panelHost, ""))
	add("relative-path", want{lines: -1}, pseudo("GET", panelHost, "assets/../admin"))
	add("two-paths", want{none: true}, append(pseudo("GET", panelHost, "/assets/panel.css"), hpack.HeaderField{Name: ":path", Value: path}))
	add("upper-case-header", want{none: true}, pseudo("GET", panelHost, path), hpack.HeaderField{Name: "X-Upper", Value: "x"})
	add("connection-header", want{none: true}, pseudo("GET", panelHost, path), hpack.HeaderField{Name: "connection", Value: "close"})
	add("line-break", want{none: true}, pseudo("GET", panelHost, path), hpack.HeaderField{Name: "x-a", Value: "b\r\nX-C: d"})

	const many = 30
	attacks = append(attacks,
		// RST_STREAM right behind a deletion: it was done, or it was not.
		attack{name: "h2-reset", want: want{lines: -1}, check: func(t *testing.T, _ *attack, lines []line) {
			for _, l := range lines {
				if l.event.Method == "DELETE" && l.event.StatusCode != http.StatusNoContent {
					t.Errorf("status %d of a deletion whose client was gone, want 204", l.event.StatusCode)
				}
			}
		}, send: func(t *testing.T, s *suite, a *attack) {
			c := s.dialHTTP2(t, a)
			defer c.conn.Close()
			agent := hpack.HeaderField{Name: "user-agent", Value: a.userAgent()}
			for i := range 10 {
				id := uint32(2*i + 1)
				c.request(t, id, append(append(pseudo("DELETE", panelHost, fmt.Sprint("/admin/api/clients/", 7700+i)), agent), anna...))
				if err := c.framer.WriteRSTStream(id, http2.ErrCodeCancel); err != nil {
					t.Fatal(err)
				}
			}
			c.request(t, 101, append(append(pseudo("GET", panelHost, path), agent), anna...))
			c.await(t, a, 101)
		}},
		attack{name: "h2-streams", want: want{lines: many, email: "anna@example.com", status: 200}, send: func(t *testing.T, s *suite, a *attack) {
			c := s.dialHTTP2(t, a)
			defer c.conn.Close()
			for i := range many {
				c.request(t, uint32(2*i+1), append(append(pseudo("GET", panelHost, path), hpack.HeaderField{Name: "user-agent", Value: a.userAgent()}), anna...))
			}
			for range many {
				c.await(t, a, 0)
			}
		}},
	)
	return attacks
}

// http2Conn writes frames as they stand.
type http2Conn struct {
	framer *http2.Framer
	conn   net.Conn
}

func (s *suite) dialHTTP2(t *testing.T, a *attack) *http2Conn {
	t.Helper()
	conn, err := s.dial(a.from)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	c := &http2Conn{framer: http2.NewFramer(conn, conn), conn: conn}
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if err := errors.Join(c.framer.WriteSettings(), c.framer.WriteWindowUpdate(0, 1<<24)); err != nil {
		t.Fatal(err)
	}
	return c
}

// request sends a request without a body. What does not fit a frame goes on in
// others.
func (c *http2Conn) request(t *testing.T, stream uint32, fields []hpack.HeaderField) {
	t.Helper()
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, f := range fields {
		if err := encoder.WriteField(f); err != nil {
			t.Fatal(err)
		}
	}
	const most = 16 << 10
	first := block.Next(most)
	err := c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: first, EndStream: true, EndHeaders: block.Len() == 0})
	for err == nil && block.Len() > 0 {
		next := block.Next(most)
		err = c.framer.WriteContinuation(stream, block.Len() == 0, next)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// await reads until a stream has ended, whichever if stream is 0, or the server
// has given up the connection.
func (c *http2Conn) await(t *testing.T, a *attack, stream uint32) {
	t.Helper()
	for {
		frame, err := c.framer.ReadFrame()
		if err != nil {
			return // the server's way to refuse
		}
		ended := false
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			ended = f.StreamEnded()
		case *http2.DataFrame:
			ended = f.StreamEnded()
		case *http2.RSTStreamFrame:
			ended = true
		case *http2.GoAwayFrame:
			return
		case *http2.SettingsFrame:
			if !f.IsAck() {
				if err := c.framer.WriteSettingsAck(); err != nil {
					t.Fatalf("%s: %v", a.name, err)
				}
			}
		}
		if id := frame.Header().StreamID; ended && (stream == 0 || id == stream) {
			return
		}
	}
}
