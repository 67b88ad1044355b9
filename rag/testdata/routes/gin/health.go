package main

import "github.com/gin-gonic/gin"

func health(g *gin.RouterGroup) {
	g.GET("/ready", probe)
}

func probe(c *gin.Context) {}
