package cli

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/proof/verify"
)

func TestWhatAVerifierServes(t *testing.T) {
	v, err := verify.New(verify.Schedule{Config: verify.Config{Keys: []string{"PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"}}})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	o, err := serveOperators(&World{Now: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler)}, "127.0.0.1:0", v, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	defer o.close()
	get := func(path string) (int, string) {
		resp, err := http.Get("http://" + o.at.String() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b)
	}
	if status, text := get("/metrics"); status != 200 || !strings.Contains(text, "adminsessions_verify_last_run_timestamp_seconds 0") || !strings.Contains(text, `adminsessions_verify_runs_total{result="finding"} 0`) {
		t.Errorf("answered %d %.300s", status, text)
	}
	if status, text := get("/healthz"); status != 200 || text != "ok\n" {
		t.Errorf("answered %d %s", status, text)
	}
	now = now.Add(3*time.Hour + time.Second)
	if status, text := get("/healthz"); status != 503 || text != "no verification has ended for 3h0m1s\n" {
		t.Errorf("answered %d %s", status, text)
	}
	if status, _ := get("/"); status != 404 {
		t.Errorf("answered %d", status)
	}
}

func TestStopped(t *testing.T) {
	began := time.Now()
	for name, c := range map[string]struct {
		status verify.Status
		after  time.Duration
		want   string
	}{
		"just begun":                  {verify.Status{}, time.Minute, ""},
		"the first takes long":        {verify.Status{}, 4 * time.Hour, "no verification has ended for 4h0m0s"},
		"done":                        {verify.Status{Last: began.Add(5 * time.Hour)}, 6 * time.Hour, ""},
		"long ago":                    {verify.Status{Last: began}, 4 * time.Hour, "no verification"},
		"a finding is no failure":     {verify.Status{Last: began.Add(time.Hour), Report: &verify.Report{Complete: verify.No}}, 2 * time.Hour, ""},
		"Loki is away":                {verify.Status{Last: began.Add(time.Hour), Err: errors.New("http://secret")}, 2 * time.Hour, ""},
		"Loki has been away for long": {verify.Status{Last: began, Err: errors.New("http://secret")}, 4 * time.Hour, "the trail could not be read for 4h0m0s: see the log"},
	} {
		err := stopped(c.status, began, began.Add(c.after), time.Hour)
		if (err == nil) != (c.want == "") || err != nil && !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
