package exporter

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/adminsessions/adminsessions"
)

// labelKeys are the resource attributes that become Loki's index labels, in
// the order in which Loki writes them.
var labelKeys = []attribute.Key{
	adminsessions.KeyDeploymentEnvironment,
	adminsessions.KeyServiceInstanceID,
	adminsessions.KeyServiceName,
}

// streamLabels writes the labels of a resource as Loki does:
// {deployment_environment_name="production", service_instance_id="host-1", service_name="panel"}.
// The instance is part of it so that every process has a stream of its own,
// which alone can be drained oldest first while others write (see package
// documentation); without one the host's name stands in.
func streamLabels(r *resource.Resource) string {
	var b strings.Builder
	b.WriteByte('{')
	for _, key := range labelKeys {
		value := ""
		if v, ok := r.Set().Value(key); ok {
			value = v.String()
		}
		switch {
		case key == adminsessions.KeyServiceName && (value == "" || strings.HasPrefix(value, "unknown_service")):
			value = serviceName()
		case key == adminsessions.KeyServiceInstanceID && value == "":
			value = hostName()
		case value == "":
			continue // Loki drops a label without a value
		}
		if b.Len() > 1 {
			b.WriteString(", ")
		}
		b.WriteString(adminsessions.LokiName(string(key)))
		b.WriteByte('=')
		b.WriteString(strconv.Quote(cutString(strings.ToValidUTF8(value, "\uFFFD"), maxLabelBytes)))
	}
	b.WriteByte('}')
	return b.String()
}

func serviceName() string { return filepath.Base(os.Args[0]) }

func hostName() string {
	if h, err := os.Hostname(); err == nil && h != "" {
		return h
	}
	return "localhost"
}
