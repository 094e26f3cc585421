// The program. A module of its own, so that what only it needs never reaches
// the library's dependencies.
module github.com/adminsessions/adminsessions/cmd/adminsessions

go 1.26.0

require (
	github.com/adminsessions/adminsessions v0.0.0
	github.com/alecthomas/kong v1.17.0
	go.yaml.in/yaml/v3 v3.0.5
	golang.org/x/sys v0.49.0
	golang.org/x/term v0.47.0
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/klauspost/compress v1.20.3 // indirect
	go.opentelemetry.io/otel v1.47.0 // indirect
	go.opentelemetry.io/otel/log v1.47.0 // indirect
	go.opentelemetry.io/otel/trace v1.47.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)

replace github.com/adminsessions/adminsessions => ../../
