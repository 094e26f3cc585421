package exporter

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"go.opentelemetry.io/otel/log"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/spool"
)

// scripted is a Loki that answers without reading.
type scripted func() loki.Answer

func (f scripted) Push(context.Context, []byte) loki.Answer { return f() }
func (scripted) Now() (time.Time, bool)                     { return time.Now(), true }

func openTo(b *testing.B, l lokiClient, dir string, limit int64, opts ...Option) *Exporter {
	b.Helper()
	c, err := newConfig(append(opts, WithSpoolDir(dir), WithSpoolLimit(limit), WithLogger(slog.New(slog.DiscardHandler))), noEnv)
	if err != nil {
		b.Fatal(err)
	}
	x, err := start(c, l)
	if err != nil {
		b.Fatal(err)
	}
	return x
}

// BenchmarkRecordEvent is what a request pays: encoding and the spool.
// Delivery runs beside it, into a Loki that is away.
func BenchmarkRecordEvent(b *testing.B) {
	open := func(b *testing.B) *LoggerProvider {
		x := openTo(b, scripted(func() loki.Answer { return away() }), b.TempDir(), 64<<30)
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

// BenchmarkPayload is the part of RecordEvent before the spool.
func BenchmarkPayload(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		p := newPayload(`{audit_log_id="0123456789abcdef0123456789abcdef", service_instance_id="host-1", service_name="panel"}`)
		p.buf = testEvent.AppendLine(p.buf)
		p.release()
	}
}

// BenchmarkBatch is what the shipper pays for an event, without the push.
func BenchmarkBatch(b *testing.B) {
	p := newPayload(`{audit_log_id="0123456789abcdef0123456789abcdef", service_instance_id="host-1", service_name="panel"}`)
	p.buf = testEvent.AppendLine(p.buf)
	var batch batch
	var seq uint64
	var compressed int
	b.ReportAllocs()
	for b.Loop() {
		seq++
		r := spool.Record{Seq: seq, Time: int64(seq) * 1e6, Origin: int64(seq) * 1e6, Payload: p.buf}
		if err := batch.add(&r, r.Time); err != nil {
			b.Fatal(err)
		}
		if batch.count == 4000 {
			batch.seal()
			compressed = len(batch.parts[0].message())
			batch.reset()
		}
	}
	if compressed > 0 {
		b.ReportMetric(float64(compressed)/4000, "wire-B/event")
	}
}
