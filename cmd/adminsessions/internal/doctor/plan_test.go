package doctor

import (
	"math"
	"slices"
	"testing"
	"time"
)

// near reports whether a figure is within a share of what was measured.
func near(got, want, share float64) bool { return math.Abs(got-want) <= share*want }

// The model holds what bench/capacity has measured (docs/capacity.md).
func TestModelMeetsMeasurements(t *testing.T) {
	for _, m := range []struct{ events, chunk, heapKiB float64 }{
		{1, 729, 4.5}, {5, 1049, 7.0}, {24, 2237, 18.4}, {100, 6071, 61.3}, {240, 13088, 133.2},
	} {
		l := Load{Panels: 4000, PerDay: 4000 * m.events, LineBytes: measuredLine, Copies: 1}
		if got := l.chunkBytes(m.events); !near(got, m.chunk, 0.01) {
			t.Errorf("a chunk of %v events has %.0f bytes, measured %v", m.events, got, m.chunk)
		}
		heap := (l.memory() - baseMemory) / 2 / l.Panels / 1024
		if !near(heap, m.heapKiB, 0.35) {
			t.Errorf("a stream with %v events takes %.1f KiB, measured %v", m.events, heap, m.heapKiB)
		}
		if got := l.chunksADay(day); got != 1 {
			t.Errorf("%v events a day make %v chunks, measured 1", m.events, got)
		}
	}
	// 100,000 streams, killed with 24 events and more in each.
	l := Load{Panels: 100_000, PerDay: 2_409_000, LineBytes: measuredLine, Copies: 1}
	if got := l.memory(); !near(got, 3.15e9, 0.3) {
		t.Errorf("%.3g bytes of memory, measured 3.15e9", got)
	}
	if got := l.wal(); !near(got, 1.09e9, 0.15) {
		t.Errorf("%.3g bytes of write-ahead log, measured 1.09e9", got)
	}
	// What is between and beyond the measured points goes on from them.
	l = Load{Panels: 1, PerDay: 1, LineBytes: measuredLine}
	for n, before := 1., 0.; n < 1e6; n *= 1.3 {
		if got := l.chunkBytes(n); got < before || got/n > 730 || got/n < 45 {
			t.Errorf("a chunk of %.0f events has %.0f bytes, a smaller one %.0f", n, got, before)
		} else {
			before = got
		}
	}
}

func TestPlan(t *testing.T) {
	p := MakePlan(Load{Panels: 1, PerDay: 1_440_000, Peak: 10, LineBytes: 500, Copies: 1}, day, year)
	if p.Backlog != 1_440_000 || p.SpoolBytes != 1_440_000*700 || p.Limit != 2*p.SpoolBytes || p.Drain != 10*time.Second || p.DefaultLasts != 26*time.Hour {
		t.Errorf("%+v", p)
	}
	if p.ChunksPerDay < 24 || len(p.Set) > 0 {
		t.Errorf("%+v", p)
	}
	// A small trail has the smallest spool that there is.
	small := MakePlan(Load{Panels: 1, PerDay: 10, LineBytes: 500}, day, year)
	if small.Limit != minLimit || small.Drain != 0 || small.DefaultLasts != 100*year || len(small.Set) > 0 || small.ChunksPerDay < 1 || small.ChunksPerDay > 10 {
		t.Errorf("%+v", small)
	}
	// No chunk is empty.
	rare := MakePlan(Load{Panels: 10, PerDay: 4, LineBytes: 500}, day, year)
	if rare.ChunksPerDay != 4 || rare.ChunkEvents != 1 {
		t.Errorf("%+v", rare)
	}
	// Three copies cost the ingesters three times as much, and the store nothing.
	three := MakePlan(Load{Panels: 1, PerDay: 1_440_000, Peak: 10, LineBytes: 500, Copies: 3}, day, year)
	if !near(float64(three.Memory), 3*float64(p.Memory), 0.001) || !near(three.PeakCores, 3*p.PeakCores, 0.001) || three.Bytes != p.Bytes || three.WAL < 2*p.WAL {
		t.Errorf("%+v", three)
	}
}

// What a plan asks for, the doctor finds missing, and nothing else.
func TestPlanAndDoctorAgree(t *testing.T) {
	fleet := Load{Panels: 100_000, PerDay: 2_400_000, Peak: 10, LineBytes: 500, Copies: 1}
	busy := Load{Panels: 10, PerDay: 200_000 * 86400, Peak: 2, LineBytes: 500, Copies: 1}
	for _, test := range []struct {
		load Load
		want map[string]string
	}{
		{Load{Panels: 1000, PerDay: 20_000_000, Peak: 10, LineBytes: 500, Copies: 1}, map[string]string{}},
		{fleet, map[string]string{"limits_config.max_global_streams_per_user": "200000", "limits_config.max_query_series": "200000", "ingester.chunk_idle_period": "24h", "ingester.wal.replay_memory_ceiling": "1800MB"}},
		{busy, map[string]string{"limits_config.ingestion_rate_mb": "390", "limits_config.ingestion_burst_size_mb": "770"}},
	} {
		got := map[string]string{}
		for _, d := range MakePlan(test.load, day, year).Set {
			got[d.Setting] = d.Value
			if d.Why == "" || d.Shipped == "" {
				t.Errorf("%+v", d)
			}
		}
		if len(got) != len(test.want) {
			t.Errorf("%+v: set %v, want %v", test.load, got, test.want)
		}
		e := &examination{load: test.load}
		for path, want := range test.want {
			if got[path] != want {
				t.Errorf("%s: %s, want %s", path, got[path], want)
			}
			s := settings()[slices.IndexFunc(settings(), func(s setting) bool { return s.path == path })]
			if effect, why, do := e.demanded(path, scalarValue(s.do)); effect == None || why == "" || do != want {
				t.Errorf("%s %s: %s, %s, set it to %s; want %s", path, s.do, effect, why, do, want)
			}
			for _, enough := range []string{want, "0"} {
				if effect, _, _ := e.demanded(path, scalarValue(enough)); effect != None {
					t.Errorf("%s %s: %s", path, enough, effect)
				}
			}
		}
	}
}

func TestRound(t *testing.T) {
	for n, want := range map[float64]float64{0: 0, 1: 1, 9.2: 10, 10: 10, 99: 99, 101: 110, 190.7: 200, 200_000: 200_000, 231_481: 240_000} {
		if got := round2(n); got != want {
			t.Errorf("%v: %v, want %v", n, got, want)
		}
	}
}

// Nothing that can be asked for makes a number that is none.
func TestPlansOfAbsurdLoads(t *testing.T) {
	for _, perDay := range []float64{0, 1e-300, 1, 1e13} {
		for _, panels := range []float64{0, 1, 1e8} {
			for _, bytes := range []float64{1, 1 << 20} {
				for _, times := range []time.Duration{time.Second, math.MaxInt64} {
					p := MakePlan(Load{Panels: panels, PerDay: perDay, Peak: 1e6, LineBytes: bytes, Copies: 100}, times, times)
					for name, n := range map[string]float64{
						"spool": float64(p.SpoolBytes), "limit": float64(p.Limit), "lasts": float64(p.DefaultLasts), "drain": float64(p.Drain),
						"memory": float64(p.Memory), "wal": float64(p.WAL), "index": float64(p.Index), "bucket": float64(p.Bytes), "disk": float64(p.Disk),
						"pushes": p.PeakPushes, "cores": p.PeakCores, "connections": p.Connections, "chunks": p.Chunks, "events in a chunk": p.ChunkEvents,
					} {
						if math.IsNaN(n) || math.IsInf(n, 0) || n < 0 {
							t.Errorf("%g events a day of %g panels, %g bytes, %v: %s is %g", perDay, panels, bytes, times, name, n)
						}
					}
					if least := p.PeakEvents / batchEvents; p.PeakPushes < least {
						t.Errorf("%g pushes for %g events: no batch is that large", p.PeakPushes, p.PeakEvents)
					}
				}
			}
		}
	}
}
