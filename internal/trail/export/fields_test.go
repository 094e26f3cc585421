package export

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail"
)

func changed() *trail.Event {
	return &trail.Event{Event: adminsessions.Event{
		Type: adminsessions.API, Method: "PATCH", StatusCode: 200, Note: "plan changed", SessionID: "ab12",
		Changes: []adminsessions.Change{
			{Field: "plan", Old: "S", New: "=M"}, {Field: "vat", New: `"PL1"`}, {Field: "fax", Old: "12"},
		},
		Attributes: []attribute.KeyValue{attribute.String("shard", "7")}, Sequence: 118,
	}}
}

func TestFieldsAreInTheOrderOfTheLine(t *testing.T) {
	var got []string
	for name, value := range Fields(changed()) {
		got = append(got, name+"="+value)
	}
	want := `type=API method=PATCH status=200 outcome=success note=plan changed was.plan=S now.plan==M now.vat="PL1" was.fax=12 session=ab12 ms=0 attr.shard=7 seq=118`
	if s := strings.Join(got, " "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
	for name := range Fields(changed()) {
		if name == "now.plan" {
			break // leaving early is allowed
		}
	}
}

func TestChangesAreExported(t *testing.T) {
	var b bytes.Buffer
	for _, f := range []Format{CSV(), NDJSON()} {
		b.Reset()
		w := f.NewWriter(&b)
		if err := w.Start(); err != nil {
			t.Fatal(err)
		}
		if err := w.Write(changed()); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		switch f.Name {
		case "CSV":
			rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(b.String(), "\uFEFF"))).ReadAll()
			if err != nil || len(rows) != 2 {
				t.Fatalf("%q, %v", rows, err)
			}
			for i, name := range rows[0] {
				want := `{"plan":{"old":"S","new":"'=M"},"vat":{"old":"","new":"\"PL1\""},"fax":{"old":"12","new":""}}`
				if name == "changes" && rows[1][i] != want {
					t.Errorf("changes %s, want %s", rows[1][i], want)
				}
			}
		default:
			var e Event
			if err := json.Unmarshal(b.Bytes(), &e); err != nil || e.Fields["was.plan"] != "S" || e.Fields["now.vat"] != `"PL1"` || e.Fields["seq"] != "118" {
				t.Errorf("%+v, %v", e, err)
			}
		}
	}
}
