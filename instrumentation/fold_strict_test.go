package instrumentation_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
)

// handled sends n requests and returns how many were handled, and how many
// refused with 503.
func handled(h http.Handler, n int, address func(int) string, method, target string) (ok, refused int) {
	for i := range n {
		r := httptest.NewRequest(method, target, nil)
		r.RemoteAddr = address(i)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code == http.StatusServiceUnavailable {
			refused++
		} else {
			ok++
		}
	}
	return ok, refused
}

func at(address string) func(int) string { return func(int) string { return address } }

func everywhere(i int) string { return fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255) }

func TestAFloodOfStrictRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = anonymousLimit
		var s sink
		h := newMiddleware(t, &s, instrumentation.WithLogger(discardLogger),
			instrumentation.WithStrict(instrumentation.Routes("POST /reset", "/as-anna")))(foldPanel())

		// Whoever turns out to be signed in is never refused, also where the
		// flood comes from his network.
		if ok, refused := handled(h, 20*limit, at(mallory), "DELETE", "/as-anna"); refused > 0 {
			t.Errorf("%d of %d requests of somebody signed in refused", refused, ok+refused)
		}
		before := len(s.Events())

		ok, refused := handled(h, 2000, at(mallory), "POST", "/reset")
		if ok != limit {
			t.Errorf("%d handled and %d refused, want %d", ok, refused, limit)
		}
		if n := len(s.Events()) - before; n > 4*limit {
			t.Errorf("%d records of a flood from one address", n)
		}
		if ok, refused := handled(h, 500, at("198.51.100.1:1"), "DELETE", "/as-anna"); refused > 0 {
			t.Errorf("%d of %d requests of somebody signed in elsewhere refused", refused, ok+refused)
		}
		time.Sleep(window)
		synctest.Wait()
		alone, folded, _ := tally(s.Events(), func(e adminsessions.Event) bool {
			return e.Anonymous() && e.Stage != adminsessions.Started
		})
		if alone+folded != 2000 {
			t.Errorf("recorded %d + %d of 2000", alone, folded)
		}
	})
}

func TestAFloodOfStrictRequestsFromManyAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 10 * anonymousLimit
		var s sink
		h := newMiddleware(t, &s, instrumentation.WithLogger(discardLogger),
			instrumentation.WithAdmin(func(r *http.Request) adminsessions.User {
				return adminsessions.User{ID: r.Header.Get("Authenticated-As")}
			}),
			instrumentation.WithStrict(instrumentation.Routes("POST /reset", "/as-anna")))(foldPanel())
		send := func(address, method, target, as string) int {
			r := httptest.NewRequest(method, target, nil)
			r.RemoteAddr = address
			r.Header.Set("Authenticated-As", as)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w.Code
		}
		send("198.51.100.1:1", "GET", "/as-anna", "") // somebody works at this address
		time.Sleep(2 * window)

		if ok, refused := handled(h, 5000, everywhere, "POST", "/reset"); ok != limit {
			t.Errorf("%d handled and %d refused, want %d", ok, refused, limit)
		}
		for range 100 {
			if code := send("198.51.100.1:1", "DELETE", "/as-anna", ""); code != http.StatusOK {
				t.Fatalf("somebody signed in, where he has been: %d", code)
			}
			if code := send("198.51.100.2:1", "DELETE", "/as-anna", "7"); code != http.StatusOK {
				t.Fatalf("somebody who is known when the request arrives: %d", code)
			}
		}
		if code := send("198.51.100.3:1", "POST", "/reset", ""); code != http.StatusServiceUnavailable {
			t.Errorf("one more anonymous request: %d", code)
		}
		time.Sleep(window)
		if code := send("198.51.100.3:1", "POST", "/reset", ""); code != http.StatusOK {
			t.Errorf("an anonymous request after the flood: %d", code)
		}
	})
}
