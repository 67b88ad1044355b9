package main

import (
	"github.com/gorilla/mux"

	"example.com/shop/orders"
)

func main() {
	r := mux.NewRouter()
	s := r.PathPrefix("/api").Subrouter()
	orders.Register(s.PathPrefix("/orders").Subrouter())
}
