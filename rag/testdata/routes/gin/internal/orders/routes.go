package orders

import "github.com/gin-gonic/gin"

func Register(rg *gin.RouterGroup) {
	h := newHandlers()
	rg.GET("/:id", h.show)
	rg.POST("", h.place)
}
