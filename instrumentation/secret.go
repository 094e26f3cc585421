package instrumentation

import (
	"strconv"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions/internal/redact"
)

// isSecretName reports whether a name is that of a secret, by the tables alone.
func isSecretName(name string) bool {
	var tables redact.Redactor
	return tables.Name(name)
}

// smallestCard is the smallest number that can be a card's.
const smallestCard = 1_000_000_000_000

// attributeWithoutSecrets is an application's attribute as it is recorded.
func (m *middleware) attributeWithoutSecrets(kv attribute.KeyValue) attribute.KeyValue {
	key := string(kv.Key)
	switch kv.Value.Type() {
	case attribute.BOOL, attribute.FLOAT64:
		if m.redaction.Name(key) {
			return attribute.String(key, redacted)
		}
		return kv
	case attribute.INT64:
		v := kv.Value.AsInt64()
		if m.redaction.Name(key) || v >= smallestCard && m.redaction.Value(strconv.FormatInt(v, 10)) {
			return attribute.String(key, redacted)
		}
		return kv
	default: // strings, and lists as they would be shown
		value := kv.Value.String()
		if m.redaction.HidesName(key, value) {
			return attribute.String(key, redacted)
		}
		return attribute.String(key, m.redaction.Text(value))
	}
}
