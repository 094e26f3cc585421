package acts

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"go.opentelemetry.io/otel/log/noop"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
)

// sink keeps lines with their act and without.
type sink struct {
	noop.LoggerProvider
	n             int
	with, without []byte
}

func (s *sink) RecordEvent(_ context.Context, e *adminsessions.Event, _ adminsessions.Durability) error {
	if e.Type == adminsessions.Trail {
		return nil
	}
	s.n++
	s.with = append(e.AppendLine(s.with), '\n')
	bare := *e
	bare.Action, bare.Resource, bare.Outcome = "", adminsessions.Resource{}, "-"
	s.without = append(s.without, strings.Replace(bare.Line(), " outcome=%2d", " outcome=-", 1)+"\n"...)
	return nil
}

// BenchmarkBytes tells how many of an event's bytes are the act that is read off
// its route, over all routes of a real panel, with objects that have numbers and
// with objects that have UUIDs.
func BenchmarkBytes(b *testing.B) {
	b.Run("numbers", func(b *testing.B) {
		benchmarkBytes(b, func(r *rand.Rand) string { return strconv.Itoa(1000 + r.IntN(9000)) })
	})
	b.Run("UUIDs", func(b *testing.B) {
		benchmarkBytes(b, func(r *rand.Rand) string {
			return fmt.Sprintf("%08x-9d4e-4b6f-8a21-%012x", r.Uint32N(5000)*0x9e3779b1, r.Uint64N(5000)*0x9e3779b97f4a&(1<<48-1))
		})
	})
}

func benchmarkBytes(b *testing.B, id func(*rand.Rand) string) {
	routes, err := os.ReadFile("../../examples/adminpanel/routes.tsv")
	if err != nil {
		b.Fatal(err)
	}
	var trail sink
	mw, err := instrumentation.NewMiddleware(instrumentation.WithLoggerProvider(&trail),
		instrumentation.WithSessionID(func(*http.Request) string { return "a session" }, make([]byte, 16)),
		instrumentation.WithAdmin(func(*http.Request) adminsessions.User {
			return adminsessions.User{ID: "7", FullName: "Anna Kowalska", Email: "anna@example.com"}
		}))
	if err != nil {
		b.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		for line := range strings.Lines(string(routes)) {
			column := strings.Split(strings.TrimSpace(line), "\t")
			if len(column) != 3 || strings.HasPrefix(line, "#") {
				continue
			}
			var path strings.Builder
			for segment := range strings.SplitSeq(column[2][1:], "/") {
				if path.WriteByte('/'); strings.HasPrefix(segment, "{") {
					segment = id(random)
				}
				path.WriteString(segment)
			}
			r := httptest.NewRequest(column[0], "https://panel.example"+path.String(), nil)
			r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36")
			mw(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				instrumentation.SetRoute(r.Context(), column[2])
				w.WriteHeader(http.StatusNoContent)
			})).ServeHTTP(httptest.NewRecorder(), r)
		}
	}
	more := func(size func([]byte) int) float64 {
		with, without := size(trail.with), size(trail.without)
		return 100 * float64(with-without) / float64(without)
	}
	b.ReportMetric(float64(len(trail.with))/float64(trail.n), "bytes/event")
	b.ReportMetric(more(func(text []byte) int { return len(text) }), "%more/text")
	// As it goes to Loki, and as Loki keeps it.
	b.ReportMetric(more(func(text []byte) int { return len(snappy.Encode(nil, text)) }), "%more/snappy")
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(more(func(text []byte) int { return len(encoder.EncodeAll(text, nil)) }), "%more/zstd")
	b.ReportMetric(0, "ns/op")
}
