package exporter

import (
	"bytes"
	"fmt"

	"github.com/adminsessions/adminsessions"
)

// Loki reads the structured metadata of every entry that a query passes over,
// whether the query asks for it or not: with the two dozen fields of an event
// that is nine tenths of what a search costs. So, with [WithLines], each event's
// line is stored once more, alone, in a stream beside the event's own. A search
// there costs an eighth; what it finds is looked up, by its time, among the
// events.

var (
	serviceLabel = adminsessions.LokiName(adminsessions.KeyServiceName)
	linesOfLabel = adminsessions.LokiName(adminsessions.KeyLinesOf)
)

// lineOf is the first field of a spooled entry, its line, with its tag.
func lineOf(body []byte) []byte {
	f, rest, ok := nextField(body)
	if !ok || f.tag != tagEntryLine {
		return nil
	}
	return body[:len(body)-len(rest)]
}

// linesLabels are the labels of the stream that holds the lines of the stream
// with these labels, which [streamLabels] wrote, the service's name last:
//
//	{deployment_environment_name="production", service_instance_id="host-1", service_name="panel"}
//	{audit_lines_of="panel", deployment_environment_name="production", service_instance_id="host-1", service_name="adminsessions-lines"}
func linesLabels(labels []byte) ([]byte, error) {
	// Within a value the quote would have a backslash before it.
	before, name, ok := bytes.Cut(labels, []byte(serviceLabel+`="`))
	if !ok || !bytes.HasPrefix(before, []byte("{")) || !bytes.HasSuffix(name, []byte(`"}`)) {
		return nil, fmt.Errorf("labels %s have no %s at their end", labels, serviceLabel)
	}
	return fmt.Appendf(nil, `{%s="%s, %s%s=%q}`, linesOfLabel, bytes.TrimSuffix(name, []byte("}")),
		before[1:], serviceLabel, adminsessions.LinesServiceName), nil
}
