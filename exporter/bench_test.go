package exporter

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/trace"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/spool"
)

// BenchmarkRecordEvent is what a request pays: encoding and the spool.
// Delivery runs beside it, into a Loki that is away.
func BenchmarkRecordEvent(b *testing.B) {
	away := func(context.Context, []byte) answer { return failed("transport") }
	open := func(b *testing.B) *LoggerProvider {
		c, err := newConfig([]Option{WithSpoolDir(b.TempDir()), WithSpoolLimit(64 << 30)}, noEnv)
		if err != nil {
			b.Fatal(err)
		}
		x, err := start(c, away)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { shutdown(b, x) })
		return x.LoggerProvider()
	}
	b.Run("direct", func(b *testing.B) {
		p := open(b)
		ev := testEvent
		b.ReportAllocs()
		for b.Loop() {
			ev.Time = time.Now()
			if err := p.RecordEvent(context.Background(), &ev, adminsessions.Spooled); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("otel", func(b *testing.B) {
		var p log.LoggerProvider = open(b)
		logger := p.Logger(adminsessions.ScopeName)
		ev := testEvent
		b.ReportAllocs()
		for b.Loop() {
			ev.Time = time.Now()
			logger.Emit(context.Background(), ev.Record())
		}
	})
	b.Run("slog-discard", func(b *testing.B) {
		logger := slog.New(slog.NewJSONHandler(io.Discard, nil)) //nolint:sloglint // the encoding is what is measured
		ev := testEvent
		b.ReportAllocs()
		for b.Loop() {
			ev.Time = time.Now()
			logger.LogAttrs(context.Background(), slog.LevelInfo, "admin.request",
				slog.String("user.id", ev.User.ID), slog.String("user.full_name", ev.User.FullName), slog.String("user.email", ev.User.Email),
				slog.String("client.address", ev.ClientAddress.String()), slog.String("admin.interface", string(ev.Type)),
				slog.String("http.request.method", ev.Method), slog.String("url.full", ev.URL), slog.String("http.route", ev.Route),
				slog.Int("http.response.status_code", ev.StatusCode), slog.Float64("http.server.request.duration", ev.Duration.Seconds()),
				slog.String("user_agent.original", ev.UserAgent), slog.String("admin.request.stage", string(ev.Stage)), slog.String("admin.request.id", ev.RequestID))
		}
	})
}

// BenchmarkEncode is the part of RecordEvent before the spool.
func BenchmarkEncode(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		e := newEncoder(testLabels)
		e.event(&testEvent, trace.SpanContext{})
		e.finish()
		e.release()
	}
}

// BenchmarkBatch is what the shipper pays for an event, without the push.
func BenchmarkBatch(b *testing.B) {
	payload := encodeEvent(&testEvent, trace.SpanContext{})
	batch := newBatch("0123456789abcdef0123456789abcdef", false)
	var seq uint64
	var compressed int
	b.ReportAllocs()
	for b.Loop() {
		seq++
		r := spool.Record{Seq: seq, Time: int64(seq) * 1e6, Origin: int64(seq) * 1e6, Payload: payload}
		if err := batch.add(&r); err != nil {
			b.Fatal(err)
		}
		if batch.count == 2000 {
			batch.seal()
			compressed = len(batch.parts[0].message())
			batch.reset()
		}
	}
	if compressed > 0 {
		b.ReportMetric(float64(compressed)/2000, "wire-B/event")
	}
}
