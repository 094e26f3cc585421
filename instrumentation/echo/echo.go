package adminsessionsecho

import (
	"github.com/labstack/echo/v4"

	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/internal/panics"
)

// Middleware records the route's pattern, and the type of a panic before
// echo's Recover makes it a plain 500: install it after Recover. Without a
// recording middleware around the echo it does nothing.
func Middleware() echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			record := instrumentation.FromContext(c.Request().Context())
			if route := c.Path(); route != "" {
				record.SetRoute(route)
			}
			defer func() {
				if v := recover(); v != nil {
					record.SetErrorType(panics.Type(v))
					panic(v)
				}
			}()
			return next(c)
		}
	}
}
