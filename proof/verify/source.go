package verify

import (
	"context"
	"iter"
	"maps"
	"time"

	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/trail"
	"github.com/adminsessions/adminsessions/proof"
)

// source is where logs are read; *trail.Store is one.
type source interface {
	// Logs returns the labels of the streams of all logs within a window.
	Logs(ctx context.Context, w trail.Window) ([]map[string]string, error)
	// ReadLog returns the entries of one log.
	ReadLog(ctx context.Context, r trail.LogRead) iter.Seq2[loki.Entry, error]
}

// labelCache writes the labels of streams as leaves have them. Entries of one
// stream come after each other.
type labelCache struct {
	labels map[string]string
	is     string
}

func (c *labelCache) text(labels map[string]string) string {
	if c.labels == nil || !maps.Equal(c.labels, labels) {
		c.labels, c.is = labels, proof.Labels(labels)
	}
	return c.is
}

const (
	// lookback is the longest time for which Loki answers a question about
	// streams, by default.
	lookback = 30 * 24 * time.Hour
	// horizon is how far back logs are looked for.
	horizon = 14 * lookback
	// margin is how far entries may stand from where they belong in time.
	margin = 15 * time.Minute
)

// found is a log in Loki.
type found struct {
	services, instances map[string]bool
	since               time.Time // nothing of it is older
	gone                bool      // it is known, and not there
}

// logsIn finds the logs that a source has had since a time.
func logsIn(ctx context.Context, s source, since, to time.Time) (map[string]*found, error) {
	logs := map[string]*found{}
	for end := to; end.After(since); end = end.Add(-lookback) {
		begin := end.Add(-lookback)
		if begin.Before(since) {
			begin = since
		}
		streams, err := s.Logs(ctx, trail.Window{From: begin, To: end})
		if err != nil {
			return nil, err
		}
		for _, labels := range streams {
			id := trail.LogID(labels)
			f := logs[id]
			if f == nil {
				f = &found{services: map[string]bool{}, instances: map[string]bool{}}
				logs[id] = f
			}
			f.since = begin // windows come newest first
			f.services[labels["service_name"]] = true
			f.instances[labels["service_instance_id"]] = true
		}
	}
	return logs, nil
}
