package exporter

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/adminsessions/adminsessions/internal/spooled"
	"github.com/adminsessions/adminsessions/internal/text"
)

// maxLabelBytes bounds a label's value; Loki's max_label_value_length is 2048.
const maxLabelBytes = 1 << 10

// streamLabels writes the labels of a resource as Loki does, sorted by name:
//
//	{audit_log_id="…", deployment_environment_name="production", service_instance_id="host-1", service_name="panel"}
//
// There are no others: each further label multiplies streams.
func streamLabels(logID string, r *resource.Resource) string {
	value := func(key, fallback string) string {
		for _, kv := range r.Attributes() {
			if v := kv.Value.String(); string(kv.Key) == key && v != "" {
				clean, _ := text.Clean(v, maxLabelBytes)
				return clean
			}
		}
		return fallback
	}
	service := value("service.name", "")
	if service == "" || strings.HasPrefix(service, "unknown_service") {
		service = filepath.Base(os.Args[0])
	}
	b := []byte("{" + spooled.LogIDLabel + "=" + strconv.Quote(logID))
	for _, l := range [][2]string{
		{"deployment_environment_name", value("deployment.environment.name", "")}, // Loki drops a label without a value
		{"service_instance_id", value("service.instance.id", hostName())},
		{"service_name", service},
	} {
		if l[1] != "" {
			b = append(b, ", "+l[0]+"="...)
			b = strconv.AppendQuote(b, l[1])
		}
	}
	return string(append(b, '}'))
}

func hostName() string {
	if h, err := os.Hostname(); err == nil && h != "" {
		return h
	}
	return "localhost"
}
