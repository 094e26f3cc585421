package instrumentation_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
)

// anonymousLimit is the default of WithAnonymousLimit.
const anonymousLimit = 30

// foldPanel answers like a panel: some routes, a sign-in, somebody signed in.
func foldPanel() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /clients/{id}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	mux.HandleFunc("GET /export/{id}", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /reset", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /sign-in", func(w http.ResponseWriter, r *http.Request) {
		outcome := adminsessions.SignInFailure
		if r.FormValue("password") == "right" {
			outcome = adminsessions.SignInSuccess
		} else {
			w.WriteHeader(http.StatusUnauthorized)
		}
		instrumentation.SignIn(r.Context(), r.FormValue("name"), outcome)
	})
	mux.HandleFunc("/as-anna", func(_ http.ResponseWriter, r *http.Request) { instrumentation.SetAdmin(r.Context(), anna) })
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	return mux
}

// sendAs lets address send n requests.
func sendAs(h http.Handler, n int, address, method, target string) {
	for range n {
		r := httptest.NewRequest(method, target, nil)
		r.RemoteAddr = address
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
}

// stands is how many requests an event stands for.
func stands(e adminsessions.Event) int { return max(1, e.Count) }

// tally sums up what events stand for, alone and folded.
func tally(events []adminsessions.Event, which func(adminsessions.Event) bool) (alone, folded, records int) {
	for _, e := range events {
		switch {
		case !which(e):
		case e.Count == 0:
			alone++
		default:
			folded += e.Count
			records++
		}
	}
	return alone, folded, records
}

func everything(adminsessions.Event) bool { return true }

const (
	mallory = "203.0.113.9:4711"
	window  = 10 * time.Second
)

func TestAFloodFromOneAddressIsFolded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		h := newMiddleware(t, &s)(foldPanel())
		began := time.Now()
		for range 1000 {
			sendAs(h, 1, mallory, "GET", "/clients/7?n="+fmt.Sprint(time.Since(began).Milliseconds()))
			time.Sleep(time.Millisecond / 2)
		}
		if alone, _, records := tally(s.Events(), everything); alone != anonymousLimit+3 || records != 0 {
			t.Errorf("%d recorded alone and %d folded at first, want the limit and three of the kind", alone, records)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		alone, folded, records := tally(s.Events(), everything)
		if alone+folded != 1000 || records != 1 {
			t.Fatalf("%d alone, %d folded in %d records, want 1000 in all and one record", alone, folded, records)
		}
		e := s.Events()[len(s.Events())-1]
		if e.ClientAddress != netip.MustParseAddr("203.0.113.9") || e.Method != "GET" || e.StatusCode != 401 || e.Type != adminsessions.Web ||
			e.Route != "/clients/{id}" || !strings.Contains(e.URL, "/clients/7?n=16") || e.Stage == adminsessions.Started || e.RequestID != "" {
			t.Errorf("folded record: %s", e.Line())
		}
		if first, last := began.Add(33*time.Millisecond/2), began.Add(999*time.Millisecond/2); !e.Since.Equal(first) || !e.Time.Equal(last) {
			t.Errorf("from %v to %v, want %v to %v", e.Since, e.Time, first, last)
		}
		if want := "967 more like this; the URL is the first one's"; e.Note != want {
			t.Errorf("note %q, want %q", e.Note, want)
		}
	})
}

func TestAFloodThatLastsAddsFewRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		h := newMiddleware(t, &s)(foldPanel())
		sent := 0
		for began := time.Now(); time.Since(began) < 10*time.Minute; time.Sleep(20 * time.Millisecond) {
			sendAs(h, 1, mallory, "GET", "/")
			sent++
		}
		time.Sleep(window)
		synctest.Wait()
		alone, folded, records := tally(s.Events(), everything)
		if alone+folded != sent {
			t.Errorf("recorded %d + %d of %d", alone, folded, sent)
		}
		if most := 62 * 34; alone+records > most || records < 60 {
			t.Errorf("%d records alone and %d folded of %d requests in ten minutes, want at most %d", alone, records, sent, most)
		}
	})
}

func TestWhatAFloodDoesNotHide(t *testing.T) {
	const right = "&password=right"
	for name, c := range map[string]struct {
		address, method, target string
		n                       int
	}{
		"somebody signed in, at the same address":            {mallory, "DELETE", "/as-anna", 500},
		"somebody signed in, elsewhere":                      {"198.51.100.1:1", "DELETE", "/as-anna", 500},
		"a sign-in that succeeds, at the same address":       {mallory, "POST", "/sign-in?name=anna" + right, 100},
		"sign-ins that fail, at the same address":            {mallory, "POST", "/sign-in?name=anna", anonymousLimit},
		"another method, at the same address":                {mallory, "POST", "/reset", 3},
		"another route, at the same address":                 {mallory, "GET", "/clients/1", 3},
		"another route that answers, at the same address":    {mallory, "GET", "/export/1", 3},
		"a program's request, at the same address":           {mallory, "GET", "/api/x", 3},
		"a method nobody knows, at the same address":         {mallory, "BREW", "/", 3},
		"anonymous requests at another address":              {"198.51.100.1:1", "GET", "/", 20},
		"anonymous requests at another address of version 6": {"[2001:db8::1]:1", "GET", "/", 20},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s sink
				h := newMiddleware(t, &s)(foldPanel())
				sendAs(h, 2000, mallory, "GET", "/")
				before := len(s.Events())
				sendAs(h, c.n, c.address, c.method, c.target)
				events := s.Events()[before:]
				if len(events) != c.n {
					t.Errorf("%d of %d recorded one by one", len(events), c.n)
				}
				for _, e := range events {
					if e.Count != 0 || e.RequestID == "" {
						t.Errorf("recorded %s", e.Line())
					}
				}
			})
		})
	}
}

func TestAFloodFromManyAddresses(t *testing.T) {
	for name, address := range map[string]func(int) string{
		"version 4":                    func(i int) string { return fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255) },
		"networks of version 6":        func(i int) string { return fmt.Sprintf("[2001:db8:%x:%x::1]:1", i>>16, i&0xffff) },
		"one network of version 6":     func(i int) string { return fmt.Sprintf("[2001:db8::%x:%x]:1", i>>16, i&0xffff) },
		"version 4 in version 6":       func(i int) string { return fmt.Sprintf("[::ffff:10.%d.%d.%d]:1", i>>16, i>>8&255, i&255) },
		"a Unix socket, all the same":  func(int) string { return "@" },
		"an address and a zone of its": func(i int) string { return fmt.Sprintf("[fe80::1%%eth%d]:1", i) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const n = 6000
				var s sink
				h := newMiddleware(t, &s)(foldPanel())
				for i := range n {
					sendAs(h, 1, address(i), "GET", "/")
				}
				sendAs(h, 5, "192.0.2.77:1", "POST", "/sign-in?name=berta@example.com")
				time.Sleep(window)
				synctest.Wait()
				alone, folded, records := tally(s.Events(), func(e adminsessions.Event) bool { return e.SignIn.Name == "" })
				if alone+folded != n || alone > 10*anonymousLimit || records > 265 {
					t.Errorf("%d alone and %d folded in %d records of %d requests", alone, folded, records, n)
				}
				if alone, _, _ := tally(s.Events(), func(e adminsessions.Event) bool { return e.SignIn.Name == "berta@example.com" }); alone != 5 {
					t.Errorf("%d of 5 sign-ins recorded one by one", alone)
				}
			})
		})
	}
}

func TestOneNetworkOfVersion6IsOneSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		h := newMiddleware(t, &s)(foldPanel())
		for i := range 500 {
			sendAs(h, 1, fmt.Sprintf("[2001:db8:1:2:%x::1]:1", i), "GET", "/")
		}
		time.Sleep(window)
		synctest.Wait()
		last := s.Events()[len(s.Events())-1]
		if last.Count != 467 || last.ClientAddress != netip.MustParseAddr("2001:db8:1:2::") || last.Note != "467 more like this from 2001:db8:1:2::/64" {
			t.Errorf("recorded %s", last.Line())
		}
	})
}

func TestFoldedSignInsNameWhomTheyMeanOnlyIfItIsOne(t *testing.T) {
	for name, want := range map[string]string{"anna@example.com": "anna@example.com", "": ""} {
		synctest.Test(t, func(t *testing.T) {
			var s sink
			h := newMiddleware(t, &s)(foldPanel())
			for i := range 300 {
				who := name
				if who == "" {
					who = fmt.Sprint("user", i)
				}
				sendAs(h, 1, mallory, "POST", "/sign-in?name="+who)
			}
			time.Sleep(window)
			synctest.Wait()
			last := s.Events()[len(s.Events())-1]
			if last.Count != 267 || last.SignIn != (adminsessions.SignIn{Name: want, Outcome: adminsessions.SignInFailure}) {
				t.Errorf("recorded %s", last.Line())
			}
		})
	}
}

// A request that was recorded while it ran has a second record of its own, and
// one that was counted is counted again when it ends.
func TestAFloodOfRequestsThatLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 400
		var s sink
		h := newMiddleware(t, &s)(foldPanel())
		ctx, stop := context.WithCancel(t.Context())
		var requests sync.WaitGroup
		for range n {
			requests.Go(func() {
				r := httptest.NewRequestWithContext(ctx, "GET", "/slow", nil)
				r.RemoteAddr = mallory
				h.ServeHTTP(httptest.NewRecorder(), r)
			})
		}
		time.Sleep(10*time.Second + 2*window)
		synctest.Wait()
		started := func(e adminsessions.Event) bool { return e.Stage == adminsessions.Started }
		alone, folded, records := tally(s.Events(), started)
		if alone+folded != n || alone > 33 || records != 1 {
			t.Errorf("started: %d alone and %d folded in %d records", alone, folded, records)
		}
		stop()
		requests.Wait()
		time.Sleep(window)
		synctest.Wait()
		ended := func(e adminsessions.Event) bool { return e.Stage != adminsessions.Started }
		alone, folded, _ = tally(s.Events(), ended)
		if alone+folded != n {
			t.Errorf("ended: %d alone and %d folded of %d", alone, folded, n)
		}
		byID := map[string]int{}
		for _, e := range s.Events() {
			if e.Count == 0 && started(e) {
				byID[e.RequestID]++
			}
			if e.Count == 0 && ended(e) {
				byID[e.RequestID]--
			}
		}
		for id, n := range byID {
			if n > 0 {
				t.Errorf("request %s has begun and never ends", id)
			}
		}
	})
}
