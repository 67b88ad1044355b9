package orders

import "github.com/gin-gonic/gin"

type handlers struct{}

func newHandlers() *handlers { return &handlers{} }

func (h *handlers) show(c *gin.Context) { c.JSON(200, gin.H{}) }

func (h *handlers) place(c *gin.Context) { c.JSON(201, gin.H{}) }
