package exporter

import (
	"go.opentelemetry.io/otel/sdk/instrumentation"

	"github.com/adminsessions/adminsessions"
)

var scope = &instrumentation.Scope{Name: adminsessions.ScopeName, Version: adminsessions.Version}
