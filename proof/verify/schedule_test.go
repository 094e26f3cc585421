package verify

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/prooftest"
)

type sink []adminsessions.Event

func (s *sink) RecordEvent(_ context.Context, e *adminsessions.Event, _ adminsessions.Durability) error {
	*s = append(*s, *e)
	return nil
}

// scheduled runs a verifier of a fake Loki for a time, which passes at once. second
// is called before the second verification.
func scheduled(t *testing.T, f *fakeLoki, s Schedule, during time.Duration, second func(*Verifier)) (*Verifier, *sink) {
	t.Helper()
	var events sink
	runs := 0
	s.Sink = &events
	v, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	v.verify = func(ctx context.Context, c Config) (*Report, error) {
		if runs++; runs == 2 && second != nil {
			second(v)
		}
		keys, err := c.keys()
		if err != nil {
			return nil, err
		}
		return run(ctx, f, &c, keys)
	}
	ctx, cancel := context.WithTimeout(t.Context(), during)
	defer cancel()
	if err := v.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	synctest.Wait()
	return v, &events
}

func TestSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := prooftest.New(t, "a", time.Now()).Write(105)
		<-time.After(200 * time.Second)
		f := &fakeLoki{entries: w.Entries}
		state := filepath.Join(t.TempDir(), "state")
		schedule := Schedule{Config: Config{Keys: []string{w.Public}}, Interval: time.Hour, StateFile: state}
		v, events := scheduled(t, f, schedule, 3*time.Hour+time.Minute, func(v *Verifier) {
			if s := v.Status(); s.Runs[ResultGood] != 1 || s.Report.Logs[0].First != 1 {
				t.Errorf("%+v", s)
			}
			w.Write(205)
			f.entries = w.Entries
		})
		s := v.Status()
		if s.Runs[ResultGood] != 4 || s.Runs[ResultFinding] != 0 || s.Err != nil || !s.UpTo.After(w.Entries[150].Time()) {
			t.Errorf("%+v", s)
		}
		if s.Report.Logs[0].First != 0 || s.Report.Logs[0].Complete != Yes {
			t.Errorf("the last verification, of nothing new: %+v", s.Report.Logs[0])
		}
		e := (*events)[3]
		if len(*events) != 4 || e.Type != adminsessions.Trail || e.Action != VerifiedAction || e.Outcome != adminsessions.OutcomeSuccess || e.Note != "the trail is complete and unaltered" || e.Actor.Type != adminsessions.ActorSystem {
			t.Errorf("%d events, the last %+v", len(*events), e)
		}
		if line := e.Line(); !strings.Contains(line, ` attr.complete="yes" attr.unaltered="yes"`) || !strings.Contains(line, " attr.up_to=") {
			t.Error(line)
		}

		// Another process goes on; and what vanishes altogether shows.
		f.entries = nil
		v, events = scheduled(t, f, schedule, time.Minute, nil)
		if s := v.Status(); s.Runs[ResultFinding] != 1 || s.UpTo.IsZero() || (*events)[0].Outcome != adminsessions.OutcomeFailure || s.Report.Findings()[KindMissing] != 199 {
			t.Errorf("%+v %s", s, s.Report.Text())
		}
	})
}

// What was verified and is deleted later a verification of all finds, and every
// one after it.
func TestScheduleOfTheWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := prooftest.New(t, "a", time.Now()).Write(105)
		<-time.After(200 * time.Second)
		f := &fakeLoki{entries: w.Entries}
		v, _ := scheduled(t, f, Schedule{Config: Config{Keys: []string{w.Public}}, Interval: time.Hour, Whole: 5 * time.Hour}, 8*time.Hour+time.Minute, func(*Verifier) {
			f.entries = prooftest.Without(w.Entries, 33, 33)
		})
		if s := v.Status(); s.Runs[ResultGood] != 5 || s.Runs[ResultFinding] != 4 {
			t.Errorf("%+v", s.Runs)
		}
	})
}

// A Loki that deletes what is old is no finding.
func TestScheduleAndRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := prooftest.New(t, "a", time.Now())
		w.Step = time.Minute
		w.Write(6000)
		<-time.After(6001 * time.Minute)
		f := &fakeLoki{entries: w.Entries}
		v, _ := scheduled(t, f, Schedule{Config: Config{Keys: []string{w.Public}}, Interval: 10 * time.Hour, Whole: 10 * time.Hour, Retention: 48 * time.Hour}, 41*time.Hour, func(*Verifier) {
			f.expire = 48*time.Hour + time.Minute
		})
		if s := v.Status(); s.Runs[ResultFinding] != 0 || s.Runs[ResultGood] < 4 {
			t.Errorf("%+v\n%s", s.Runs, s.Report.Text())
		}
	})
}

func TestScheduleThatCannotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := prooftest.New(t, "a", time.Now())
		v, err := New(Schedule{Config: Config{Keys: []string{w.Public}}})
		if err != nil {
			t.Fatal(err)
		}
		v.verify = func(context.Context, Config) (*Report, error) { return nil, errAway }
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Minute)
		defer cancel()
		_ = v.Run(ctx)
		// After 1, 3, 7, 15, 31 and 63 minutes.
		if s := v.Status(); s.Runs[ResultError] != 7 || !errors.Is(s.Err, errAway) || s.Report != nil {
			t.Errorf("%+v", s)
		}
	})
	w := prooftest.New(t, "a", time.Now())
	for name, s := range map[string]Schedule{
		"Keys":      {},
		"Interval":  {Config: Config{Keys: []string{w.Public}}, Interval: time.Millisecond},
		"Whole":     {Config: Config{Keys: []string{w.Public}}, Whole: time.Minute},
		"Retention": {Config: Config{Keys: []string{w.Public}}, Retention: -1},
		"From":      {Config: Config{Keys: []string{w.Public}, From: time.Now()}},
	} {
		if _, err := New(s); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	path := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	v, err := New(Schedule{Config: Config{Keys: []string{w.Public}}, StateFile: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Run(t.Context()); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a state that can't be read: %v", err)
	}
}
