package main

import (
	"github.com/labstack/echo/v4"

	"example.com/shop/orders"
)

func main() {
	e := echo.New()
	api := e.Group("/api")
	orders.Mount(api.Group("/orders"))
}
