// Package spooled is the form in which the exporter keeps an event in its spool:
// the labels of its stream, as Loki writes them, behind their length as a uvarint,
// then the event's line without the exporter's part. Time and number are the
// spool's. What Loki refuses is kept beside the spool, see [Refused].
package spooled

import (
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
)

// ErrNoLabels says that a record is not one of the exporter's.
var ErrNoLabels = errors.New("the spooled record has no stream labels")

// LogIDLabel is the label of the spool's identity. Order is kept, and numbers are
// given, per spool; so each has a stream of its own: Loki refuses an entry that is
// more than an hour behind the newest of its stream, and two spools that shared
// one would cost each other their backlogs.
const LogIDLabel = "audit_log_id"

// AppendLabels appends the labels of a record, before its line.
func AppendLabels(b []byte, labels string) []byte {
	b = binary.AppendUvarint(b, uint64(len(labels)))
	return append(b, labels...)
}

// Split takes a record apart.
func Split(record []byte) (labels, line []byte, err error) {
	n, w := binary.Uvarint(record)
	if w <= 0 || n > uint64(len(record)-w) {
		return nil, nil, ErrNoLabels
	}
	return record[w : w+int(n)], record[w+int(n):], nil
}

// LogID is the log that labels say an event is of, "" if they say none.
func LogID(labels []byte) string { return Labels(labels)[LogIDLabel] }

// Labels reads the labels of a record: {audit_log_id="…", service_name="panel"}.
// What can't be read is left out.
func Labels(written []byte) map[string]string {
	labels := make(map[string]string)
	rest := strings.TrimPrefix(string(written), "{")
	for {
		name, value, ok := strings.Cut(rest, "=")
		if !ok {
			return labels
		}
		quoted, err := strconv.QuotedPrefix(value)
		if err != nil {
			return labels
		}
		if labels[strings.TrimLeft(name, ", ")], err = strconv.Unquote(quoted); err != nil {
			return labels
		}
		rest = value[len(quoted):]
	}
}
