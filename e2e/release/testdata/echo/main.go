// An admin panel with echo.
package main

import (
	"log"
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/adminsessions/adminsessions/exporter"
	"github.com/adminsessions/adminsessions/instrumentation"
	adminsessionsecho "github.com/adminsessions/adminsessions/instrumentation/echo"
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
	e := echo.New()
	e.Use(middleware.Recover(), adminsessionsecho.Middleware())
	e.GET("/admin/clients/:id", func(c echo.Context) error {
		instrumentation.Annotate(c.Request().Context(), "client "+c.Param("id"))
		return c.NoContent(http.StatusNoContent)
	})
	log.Print(http.ListenAndServe("127.0.0.1:8081", record(e)))
}
