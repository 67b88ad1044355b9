package main

import (
	"github.com/gin-gonic/gin"

	"example.com/shop/internal/orders"
	"example.com/shop/internal/users"
)

func main() {
	r := gin.Default()
	v1 := r.Group("/api/v1")
	orders.Register(v1.Group("/orders"))
	users.Routes(v1)
	health(r.Group("/internal"))
	_ = r.Run()
}
