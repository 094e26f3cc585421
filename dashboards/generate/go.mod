module github.com/adminsessions/adminsessions/dashboards/generate

go 1.26.0

require (
	github.com/adminsessions/adminsessions v0.0.0
	github.com/grafana/grafana-foundation-sdk/go v0.0.22
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	go.opentelemetry.io/otel v1.47.0 // indirect
	go.opentelemetry.io/otel/log v1.47.0 // indirect
	go.opentelemetry.io/otel/trace v1.47.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)

replace github.com/adminsessions/adminsessions => ../..
