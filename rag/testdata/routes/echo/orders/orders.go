package orders

import "github.com/labstack/echo/v4"

func Mount(g *echo.Group) {
	g.GET("/:id", byKey)
	g.POST("", place)
}

func byKey(c echo.Context) error { return nil }

func place(c echo.Context) error { return nil }
