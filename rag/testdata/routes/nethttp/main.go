package main

import (
	"net/http"

	"example.com/shop/orders"
)

func main() {
	mux := http.NewServeMux()
	mux.Handle("/api/", http.StripPrefix("/api", orders.Handler()))
	_ = http.ListenAndServe(":8080", mux)
}
