package users

import "github.com/gin-gonic/gin"

func Routes(rg *gin.RouterGroup) {
	g := rg.Group("/users")
	g.GET("/:id", show)
}

func show(c *gin.Context) {}
