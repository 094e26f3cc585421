package loki

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
)

// hostile are label values with the words that answers are recognised by.
var hostile = []string{
	"panel", "snappy-orders", "proto:", "tenant ID", "larger than max", "no org id", "couldn't parse labels",
	"has timestamp too old: 1, oldest acceptable timestamp is: 2", "has timestamp too new: 3", "max entry size '1' bytes exceeded",
	"'; entry for stream '{}' has timestamp too new: 3", `"}' has timestamp too new: 3`, `\`, `{`, `}`, `a"b`, "',\nuser 'x', total ignored: 1 out of 1 for stream: {}",
	"; 3 errors like: x", "entry too far behind", "ą\n\t", strings.Repeat("x", 1000),
}

func TestClassify(t *testing.T) {
	jan1, jan3 := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Unix(), time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC).Unix()
	const stream = `{audit_log_id="0af7", deployment_environment_name="production", service_instance_id="host-1", service_name=%q}`
	for _, name := range hostile {
		labels := fmt.Sprintf(stream, name)
		old := fmt.Sprintf("entry for stream '%s' has timestamp too old: 2026-01-01T00:00:00Z, oldest acceptable timestamp is: 2026-01-02T00:00:00Z", labels)
		future := fmt.Sprintf("entry for stream '%s' has timestamp too new: 2026-01-03T00:00:00Z", labels)
		long := fmt.Sprintf("max entry size '262144' bytes exceeded for stream '%s' while adding an entry with length '300000' bytes", labels)
		behind := "entry with timestamp 2026-01-01 10:00:00.123456789 +0000 UTC ignored, reason: 'entry too far behind, entry timestamp is: 2026-01-01T10:00:00Z, oldest acceptable timestamp is: 2026-01-01T11:00:00Z',\n"
		total := fmt.Sprintf("user 'panel', total ignored: 17 out of 30 for stream: %s", labels)
		for _, tt := range []struct {
			name    string
			status  int
			text    string
			verdict Verdict
			faults  Faults
		}{
			{"taken", 204, "", Acknowledged, Faults{}},
			{"too old", 400, old + "\n", Untimely, Faults{TooOld: []Second{{jan1, 1}}, Oldest: time.Unix(jan1+86400, 0)}},
			{"too new", 400, future, Untimely, Faults{TooNew: []Second{{jan3, 1}}}},
			{"several", 400, "2 errors like: " + future + "; 13 errors like: " + old, Untimely, Faults{TooNew: []Second{{jan3, 2}}, TooOld: []Second{{jan1, 13}}, Oldest: time.Unix(jan1+86400, 0)}},
			{"too long", 400, long, Oversized, Faults{MaxLine: 262144, LineLengths: []int{300000}}},
			{"too long and too new", 400, "1 errors like: " + long + "; 1 errors like: " + future, Oversized, Faults{TooNew: []Second{{jan3, 1}}, MaxLine: 262144, LineLengths: []int{300000}}},
			{"too far behind", 400, behind + behind + total, Untimely, Faults{Behind: 17, Oldest: time.Unix(jan1+11*3600, 0)}},
			{"out of order", 400, "entry with timestamp 2026-01-01 10:00:00 +0000 UTC ignored, reason: 'entry out of order',\n" + total, Refused, Faults{}},
			{"labels", 400, fmt.Sprintf("error parsing labels '%s' with error: 1:2: parse error", labels), Refused, Faults{}},
			{"label's value", 400, fmt.Sprintf("stream '%s' has label value too long: '%s'", labels, name), Refused, Faults{}},
			{"label names", 400, fmt.Sprintf("entry for stream '%s' has 4 label names; limit 3", labels), Refused, Faults{}},
			{"required labels", 400, fmt.Sprintf("missing required labels 'team' for user 'panel' for stream '%s' (policy: '')", labels), Refused, Faults{}},
			{"metadata", 400, fmt.Sprintf("stream '%s' includes structured metadata, but this feature is disallowed. Please see `limits_config.allow_structured_metadata` or contact your Loki administrator to enable it", labels), Refused, Faults{}},
			{"one good reason and one that is not", 400, future + "; " + fmt.Sprintf("stream '%s' has label value too long: 'x'", labels), Refused, Faults{}},
			{"words before", 400, "error: " + future, Refused, Faults{}},
			{"words behind", 400, future + " (x)", Refused, Faults{}},
			{"rate", 429, fmt.Sprintf("Per stream rate limit exceeded (limit: 3MB/sec) while attempting to ingest for stream '%s' totaling 1MB", labels), Throttled, Faults{}},
			{"unwell", 500, labels, TryAgain, Faults{}},
		} {
			a := Classify(tt.status, tt.text)
			if a.Verdict != tt.verdict || !equalFaults(a.Faults, tt.faults) {
				t.Errorf("%s, service %q: verdict %d %+v; want %d %+v", tt.name, name, a.Verdict, a.Faults, tt.verdict, tt.faults)
			}
			if (a.Err == nil) != (tt.verdict == Acknowledged) {
				t.Errorf("%s: error %v", tt.name, a.Err)
			}
		}
	}
}

func equalFaults(a, b Faults) bool {
	return slices.Equal(a.TooNew, b.TooNew) && slices.Equal(a.TooOld, b.TooOld) && a.Behind == b.Behind && a.Oldest.Equal(b.Oldest) && a.MaxLine == b.MaxLine && slices.Equal(a.LineLengths, b.LineLengths)
}

// What a gateway or a proxy says blames no entry, whatever words are in it.
func TestNoStatusButOneBlamesAnEntry(t *testing.T) {
	bodies := []string{
		"", "<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>",
		"<html>400 No required SSL certificate was sent</html>", `{"message":"max entry size '1' bytes exceeded"}`,
		"ingestion blocked for user 'panel' until '2030-01-01T00:00:00Z' with status code '400'",
		"no org id", "snappy: corrupt input", "proto: illegal wireType 7", "has timestamp too new: x", "entry for stream '{' has timestamp too new: x",
	}
	statuses := PushStatuses()
	for status := 200; status < 700; status++ {
		for _, body := range bodies {
			a := Classify(status, body)
			if (a.Verdict == Acknowledged) != (status == 204) {
				t.Errorf("%d %q: verdict %d", status, body, a.Verdict)
			}
			if a.Verdict == Untimely || a.Verdict == Oversized {
				t.Errorf("%d %q blames an entry", status, body)
			}
			if a.Verdict == Refused && status != 400 && status != 422 {
				t.Errorf("%d %q: refused", status, body)
			}
			if status != 204 && !slices.Contains(statuses, a.Status) {
				t.Errorf("%d: status %q is not among those announced", status, a.Status)
			}
		}
	}
	tooLarge := "rpc error: code = ResourceExhausted desc = grpc: received message larger than max (5242880 vs. 4194304)"
	for text, want := range map[string]Verdict{
		tooLarge:                            TooLarge,
		"trying: " + tooLarge:               TryAgain,
		"{a=\"larger than max\"} is unwell": TryAgain,
	} {
		if a := Classify(500, text); a.Verdict != want {
			t.Errorf("500 %q: verdict %d, want %d", text, a.Verdict, want)
		}
	}
	if a := Classify(413, ""); a.Verdict != TooLarge {
		t.Errorf("413: verdict %d", a.Verdict)
	}
}

// An answer longer than what is read of it ends somewhere.
func TestCutAnswer(t *testing.T) {
	one := `3 errors like: entry for stream '{a="b"}' has timestamp too new: 2026-01-03T00:00:00Z; `
	text := strings.Repeat(one, maxPushAnswer/len(one)+1)[:maxPushAnswer]
	if a := Classify(400, text); a.Verdict != Untimely || len(a.Faults.TooNew) == 0 {
		t.Errorf("verdict %d", a.Verdict)
	}
	if a := Classify(400, text); len(a.Err.Error()) > 2*maxErrorText {
		t.Errorf("the error has %d bytes", len(a.Err.Error()))
	}
}

func TestUntimelyEntries(t *testing.T) {
	at := func(seconds ...float64) (times []int64) {
		for _, s := range seconds {
			times = append(times, int64(s*1e9))
		}
		return times
	}
	for name, tt := range map[string]struct {
		f                  Faults
		times              []int64
		tooNew, tooOld     []int
		newLoose, oldLoose []int // when not exact
	}{
		"the latest of a second": {Faults{TooNew: []Second{{5, 1}, {6, 1}}}, at(4.5, 5.1, 5.2, 5.3, 6.1), []int{4, 3}, nil, []int{4, 3, 2, 1}, nil},
		"the earliest of one":    {Faults{TooOld: []Second{{5, 2}}}, at(4.5, 5.3, 5.1, 5.2, 6.1), nil, []int{2, 3}, nil, []int{0, 2, 3, 1}},
		"behind":                 {Faults{Behind: 2, Oldest: time.Unix(6, 0)}, at(5, 5.5, 6.5, 7, 8), nil, []int{0, 1}, nil, []int{0, 1, 2}},
		"more than there are":    {Faults{Behind: 9, TooNew: []Second{{1, 7}}}, at(1.5), []int{0}, []int{0}, []int{0}, []int{0}},
		"none of these":          {Faults{TooNew: []Second{{50, 7}}, TooOld: []Second{{1, 1}}}, at(10), nil, nil, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if a, b := tt.f.Untimely(tt.times, true); !slices.Equal(a, tt.tooNew) || !slices.Equal(b, tt.tooOld) {
				t.Errorf("exact: %v, %v", a, b)
			}
			if a, b := tt.f.Untimely(tt.times, false); !slices.Equal(a, tt.newLoose) || !slices.Equal(b, tt.oldLoose) {
				t.Errorf("loose: %v, %v", a, b)
			}
		})
	}
}

func FuzzFaults(f *testing.F) {
	f.Add(`entry for stream '{a="b"}' has timestamp too new: 2026-01-03T00:00:00Z`)
	f.Add("1 errors like: max entry size '1' bytes exceeded for stream '{}' while adding an entry with length '2' bytes; x")
	f.Add("entry with timestamp 2026-01-01 10:00:00 +0000 UTC ignored, reason: 'entry too far behind, oldest acceptable timestamp is: 2026-01-01T11:00:00Z',\nuser 'x', total ignored: 1 out of 1 for stream: {}")
	f.Fuzz(func(t *testing.T, text string) {
		faults, ok := faultsIn(text)
		if ok && len(faults.TooNew)+len(faults.TooOld)+faults.Behind+faults.MaxLine == 0 {
			t.Error("faults without a fault")
		}
		// Labels that quote the text never add a fault.
		quoted := fmt.Sprintf("stream '{x=%q}' has label value too long: 'y'", text)
		if _, ok := faultsIn(quoted); ok {
			t.Errorf("%q blames an entry", quoted)
		}
		future := fmt.Sprintf("entry for stream '{x=%q, y=\"z\"}' has timestamp too new: 2026-01-03T00:00:00Z", text)
		if f, ok := faultsIn(future); !ok || len(f.TooNew) != 1 || len(f.TooOld)+f.Behind+f.MaxLine != 0 {
			t.Errorf("%q read as %+v", future, f)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-1": 0, "soon": 0, "99999999999": 0, "86400": maxRetryAfter,
		"Thu, 01 Jan 2026 00:00:30 GMT": 30 * time.Second, "Wed, 31 Dec 2025 00:00:00 GMT": 0,
	} {
		if got := retryAfter(header, now); got != want {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	}
}

func TestPush(t *testing.T) {
	var got []byte
	var header http.Header
	var path string
	c := serve(t, adminsessions.Loki{TenantID: "panel", QueryTenantID: "other"}, func(w http.ResponseWriter, r *http.Request) {
		got, _ = io.ReadAll(r.Body)
		header, path = r.Header, r.URL.Path
		w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusNoContent)
	})
	a := c.Push(t.Context(), []byte("message"))
	if a.Verdict != Acknowledged || a.Err != nil || a.Took <= 0 {
		t.Fatalf("answer %+v", a)
	}
	if string(got) != "message" || path != "/loki/api/v1/push" || header.Get("X-Scope-OrgID") != "panel" || header.Get("Content-Type") != contentType {
		t.Errorf("sent %q to %s with %v", got, path, header)
	}
	if skew := c.Skew(); skew < 59*time.Minute || skew > 61*time.Minute {
		t.Errorf("skew %v", skew)
	}
}

// A status line without the whole answer behind it proves nothing.
func TestPushAnswersThatAreNotWhole(t *testing.T) {
	for name, answer := range map[string]string{
		"nothing":              "",
		"half a status line":   "HTTP/1.1 20",
		"headers are not over": "HTTP/1.1 204 No Content\r\nDate: x\r\n",
		"body is cut":          "HTTP/1.1 400 Bad Request\r\nContent-Length: 100\r\n\r\nentry",
	} {
		t.Run(name, func(t *testing.T) {
			l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					_, _ = conn.Read(make([]byte, 1024))
					_, _ = conn.Write([]byte(answer))
					_ = conn.Close()
				}
			}()
			c := connect(t, adminsessions.Loki{URL: "http://" + l.Addr().String()})
			if a := c.Push(t.Context(), []byte("x")); a.Verdict != TryAgain || a.Status != "transport" || a.Err == nil {
				t.Errorf("answer %+v", a)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	block := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-ctx.Done() }))
	defer block.Close()
	defer cancel()
	c := connect(t, adminsessions.Loki{URL: block.URL, Timeout: 20 * time.Millisecond})
	if a := c.Push(t.Context(), []byte("x")); a.Verdict != TryAgain || a.Status != "timeout" {
		t.Errorf("answer %+v", a)
	}
}
