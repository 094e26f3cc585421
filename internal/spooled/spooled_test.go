package spooled

import (
	"maps"
	"testing"
)

func TestARecordIsTakenApart(t *testing.T) {
	labels := `{audit_log_id="a1", service_instance_id="x=\"y\", z", service_name="panel"}`
	b := append(AppendLabels(nil, labels), "type=API method=GET"...)
	l, line, err := Split(b)
	if err != nil || string(l) != labels || string(line) != "type=API method=GET" {
		t.Errorf("%q, %q, %v", l, line, err)
	}
	if got, want := Labels(l), map[string]string{"audit_log_id": "a1", "service_instance_id": `x="y", z`, "service_name": "panel"}; !maps.Equal(got, want) {
		t.Errorf("%q", got)
	}
	for _, b := range [][]byte{nil, {200}, {200, 1, 'a'}} {
		if _, _, err := Split(b); err != ErrNoLabels {
			t.Errorf("%q: %v", b, err)
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add(AppendLabels(nil, `{a="b"}`))
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		labels, line, err := Split(b)
		if err == nil && len(labels)+len(line) >= len(b) {
			t.Errorf("%q and %q of %q", labels, line, b)
		}
		Labels(b)
	})
}
