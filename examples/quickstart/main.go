// Command quickstart is the README's example: a handler whose requests are
// recorded.
package main

import (
	"context"
	"log"
	"net/http"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/exporter"
	"github.com/adminsessions/adminsessions/instrumentation"
)

func main() {
	exp, err := exporter.New( // to Loki at 127.0.0.1:3100, or ADMINSESSIONS_LOKI_URL
		exporter.WithSpoolDir("spool")) // on a disk that outlives the process
	if err != nil {
		log.Fatal(err)
	}
	provider := exp.LoggerProvider()
	defer provider.Shutdown(context.Background())

	record, err := instrumentation.NewMiddleware(instrumentation.WithLoggerProvider(provider))
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("DELETE /admin/api/clients/{id}", func(w http.ResponseWriter, r *http.Request) {
		instrumentation.SetAdmin(r.Context(), adminsessions.User{ID: "2", FullName: "Anna Kowalska", Email: "anna@example.com"})
		instrumentation.Annotate(r.Context(), "client "+r.PathValue("id")+" deleted")
		w.WriteHeader(http.StatusNoContent)
	})
	log.Print(http.ListenAndServe("127.0.0.1:8081", record(mux)))
}
