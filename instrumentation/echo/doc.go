// Package adminsessionsecho tells package instrumentation about the routes and
// the panics of an [echo.Echo].
//
// The recording itself is done around it, so that it also sees what echo
// answers before any handler, and what its error handler makes of an error:
//
//	e := echo.New()
//	e.Use(middleware.Recover(), adminsessionsecho.Middleware())
//	e.GET("/admin/clients/:id", …)
//	http.ListenAndServe(addr, record(e)) // record is instrumentation.NewMiddleware's
//
// Not e.Start, which serves it without what is around it. In a handler,
// instrumentation.SetAdmin and the others take c.Request().Context().
package adminsessionsecho
