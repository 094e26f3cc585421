package verifymetrics

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/adminsessions/adminsessions/proof/verify"
)

func TestEverySeriesIsThereFromTheStart(t *testing.T) {
	c := collector{func() verify.Status { return verify.Status{} }}
	if n := testutil.CollectAndCount(c); n != 4+8+6 {
		t.Errorf("%d series", n)
	}
	if problems, err := testutil.CollectAndLint(c); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}

func TestNumbers(t *testing.T) {
	c := collector{func() verify.Status {
		return verify.Status{Runs: map[string]uint64{"good": 3}, UpTo: time.Unix(1000, 5e8), Report: &verify.Report{
			Complete: verify.No, Unaltered: verify.Yes,
			Logs: []verify.Log{{Missing: []verify.Span{{From: 3, To: 5}}}, {Foreign: []verify.Entry{{}, {}}}},
		}}
	}}
	if err := testutil.CollectAndCompare(c, strings.NewReader(`
# HELP adminsessions_verify_up_to_timestamp_seconds Time up to which the trail is proved complete and unaltered.
# TYPE adminsessions_verify_up_to_timestamp_seconds gauge
adminsessions_verify_up_to_timestamp_seconds 1000.5
# HELP adminsessions_verify_complete 1 if by the last verification every event is there, declared missing, erased on record or accepted; else 0.
# TYPE adminsessions_verify_complete gauge
adminsessions_verify_complete 0
# HELP adminsessions_verify_unaltered 1 if by the last verification every event is as it was stored, or accepted as it is; else 0.
# TYPE adminsessions_verify_unaltered gauge
adminsessions_verify_unaltered 1
# HELP adminsessions_verify_findings Events by what the last verification has found of them.
# TYPE adminsessions_verify_findings gauge
adminsessions_verify_findings{kind="accepted"} 0
adminsessions_verify_findings{kind="altered"} 0
adminsessions_verify_findings{kind="declared"} 0
adminsessions_verify_findings{kind="doubled"} 0
adminsessions_verify_findings{kind="erased"} 0
adminsessions_verify_findings{kind="foreign"} 2
adminsessions_verify_findings{kind="forked"} 0
adminsessions_verify_findings{kind="missing"} 3
`), "adminsessions_verify_up_to_timestamp_seconds", "adminsessions_verify_complete", "adminsessions_verify_unaltered", "adminsessions_verify_findings"); err != nil {
		t.Error(err)
	}
}
