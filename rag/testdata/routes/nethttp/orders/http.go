package orders

import "net/http"

func Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", show)
	mux.HandleFunc("POST /orders", place)
	return mux
}
