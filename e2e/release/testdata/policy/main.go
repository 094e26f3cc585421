// A panel whose policy is a file.
package main

import (
	"log"
	"net/http"

	"github.com/adminsessions/adminsessions/exporter"
	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/policy"
)

func main() {
	exp, err := exporter.New(exporter.WithSpoolDir("spool"))
	if err != nil {
		log.Fatal(err)
	}
	options, err := policy.Load("policy.yaml")
	if err != nil {
		log.Fatal(err)
	}
	record, err := instrumentation.NewMiddleware(append(options, instrumentation.WithLoggerProvider(exp.LoggerProvider()))...)
	if err != nil {
		log.Fatal(err)
	}
	log.Print(http.ListenAndServe("127.0.0.1:8081", record(http.NotFoundHandler())))
}
