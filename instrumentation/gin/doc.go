// Package adminsessionsgin tells package instrumentation about the routes and
// the panics of a [gin.Engine].
//
// The recording itself is done around the engine, so that it also sees what
// gin answers before any handler (404, 405, redirects):
//
//	engine := gin.New()
//	engine.Use(gin.Recovery(), adminsessionsgin.Middleware())
//	engine.GET("/admin/clients/:id", …)
//	http.ListenAndServe(addr, record(engine)) // record is instrumentation.NewMiddleware's
//
// Not engine.Run, which serves the engine without what is around it. In a
// handler, instrumentation.SetAdmin and the others take c.Request.Context().
package adminsessionsgin
