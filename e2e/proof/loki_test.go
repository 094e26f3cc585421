package proof_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/lokitest"
	"github.com/adminsessions/adminsessions/internal/prooftest"
	"github.com/adminsessions/adminsessions/proof/verify"
)

// startLoki starts a Loki from which entries can be deleted, and soon are.
func startLoki(t *testing.T) (*lokitest.Server, *loki.Client) {
	t.Helper()
	server := lokitest.Start(t, lokitest.WithArgs(
		"-compactor.deletion-mode=filter-and-delete",
		"-compactor.delete-request-cancel-period=1ms",
		"-compactor.compaction-interval=1s",
	))
	client, err := loki.New(adminsessions.Loki{URL: server.URL()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return server, client
}

// remove deletes what a query chooses from Loki, as who administers it can.
func remove(t *testing.T, server *lokitest.Server, query string, from, to time.Time) {
	t.Helper()
	u := server.URL() + "/loki/api/v1/delete?" + url.Values{"query": {query},
		"start": {strconv.FormatInt(from.Unix(), 10)}, "end": {strconv.FormatInt(to.Unix()+1, 10)}}.Encode()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, u, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		t.Fatalf("deleting: %s", resp.Status)
	}
	// Its parts look for requests to delete every five minutes, and when they begin.
	server.Stop()
	server.Restart()
	await(t, "the entries to be gone", func() bool {
		entries, err := server.Query(t.Context(), query, lokitest.Range{From: from, To: to.Add(time.Second)})
		return err == nil && len(entries) == 0
	})
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("waiting for %s: %v", what, ctx.Err())
		case <-tick.C:
		}
	}
}

func check(t *testing.T, server *lokitest.Server, c verify.Config) *verify.Report {
	t.Helper()
	c.Loki = adminsessions.Loki{URL: server.URL()}
	r, err := verify.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// numbers are the events in spans.
func numbers(list []verify.Span) (s []string) {
	for _, span := range list {
		s = append(s, fmt.Sprintf("%d-%d", span.From, span.To))
	}
	return s
}

// A log of some size, in a Loki that gives it in many answers, and what is deleted
// from it.
func TestDeletedFromLoki(t *testing.T) {
	server, client := startLoki(t)
	log := prooftest.New(t, "a", time.Now().Add(-20*time.Hour).Truncate(time.Second))
	log.Every = 1000
	log.Write(20_500)
	if err := prooftest.Push(t.Context(), client, log.Entries); err != nil {
		t.Fatal(err)
	}
	config := verify.Config{Keys: []string{log.Public}}
	r := check(t, server, config)
	if l := r.Logs[0]; r.Complete != verify.Yes || r.Unaltered != verify.Yes || l.First != 1 || l.Last != 19_999 || l.Checkpoints != 20 {
		t.Fatalf("%s", r.Text())
	}
	at := func(n int) time.Time { return log.Entries[n-1].Time() }
	remove(t, server, `{audit_log_id="a"} |= "seq=4711" or "seq=4712"`, at(4700), at(4800))
	r = check(t, server, config)
	if l := r.Logs[0]; r.Complete != verify.No || !slices.Equal(numbers(l.Missing), []string{"4711-4712"}) || !l.Missing[0].Before.Equal(at(4710)) {
		t.Fatalf("%s", r.Text())
	}
}

func itoa(n uint64) string { return strconv.FormatUint(n, 10) }
