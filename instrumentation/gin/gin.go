package adminsessionsgin

import (
	"github.com/gin-gonic/gin"

	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/internal/panics"
)

// Middleware records the route's pattern, and the type of a panic before
// gin.Recovery makes it a plain 500: install it after Recovery and before any
// route. Without a recording middleware around the engine it does nothing.
func Middleware() gin.HandlerFunc {
	return func(c *gin.Context) {
		record := instrumentation.FromContext(c.Request.Context())
		if route := c.FullPath(); route != "" {
			record.SetRoute(route)
		}
		defer func() {
			if v := recover(); v != nil {
				record.SetErrorType(panics.Type(v))
				panic(v)
			}
		}()
		c.Next()
	}
}
