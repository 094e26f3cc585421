// An admin panel with gin.
package main

import (
	"log"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/adminsessions/adminsessions/exporter"
	"github.com/adminsessions/adminsessions/instrumentation"
	adminsessionsgin "github.com/adminsessions/adminsessions/instrumentation/gin"
)

func main() {
	exp, err := exporter.New(exporter.WithSpoolDir("spool"))
	if err != nil {
		log.Fatal(err)
	}
	record, err := instrumentation.NewMiddleware(instrumentation.WithLoggerProvider(exp.LoggerProvider()))
	if err != nil {
		log.Fatal(err)
	}
	engine := gin.New()
	engine.Use(gin.Recovery(), adminsessionsgin.Middleware())
	engine.GET("/admin/clients/:id", func(c *gin.Context) {
		instrumentation.Annotate(c.Request.Context(), "client "+c.Param("id"))
	})
	log.Print(http.ListenAndServe("127.0.0.1:8081", record(engine)))
}
