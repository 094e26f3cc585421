package instrumentation_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"go.opentelemetry.io/otel/log/noop"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
)

// forgetfulSink takes events and forgets them.
type forgetfulSink struct{ noop.LoggerProvider }

func (forgetfulSink) RecordEvent(context.Context, *adminsessions.Event, adminsessions.Durability) error {
	return nil
}

// BenchmarkRation is what rationing adds to an anonymous request that is
// recorded alone, and what one costs that is folded.
func BenchmarkRation(b *testing.B) {
	for _, c := range []struct {
		name, target string
		limit        int
	}{
		{"signed in", "/as-anna", instrumentation.DefaultAnonymousLimit},
		{"anonymous, alone", "/", 1_000_000},
		{"anonymous, folded", "/", instrumentation.DefaultAnonymousLimit},
	} {
		b.Run(c.name, func(b *testing.B) {
			mw, err := instrumentation.NewMiddleware(instrumentation.WithLoggerProvider(forgetfulSink{}),
				instrumentation.WithAnonymousLimit(c.limit), instrumentation.WithLogger(discardLogger))
			if err != nil {
				b.Fatal(err)
			}
			h := mw(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if c.target == "/as-anna" {
					instrumentation.SetAdmin(r.Context(), anna)
				}
			}))
			r := httptest.NewRequest("GET", c.target, nil)
			w := httptest.NewRecorder()
			b.ReportAllocs()
			for b.Loop() {
				clear(w.Header())
				h.ServeHTTP(w, r)
			}
		})
	}
}
