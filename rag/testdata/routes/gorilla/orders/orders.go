package orders

import (
	"net/http"

	"github.com/gorilla/mux"
)

func Register(r *mux.Router) {
	r.HandleFunc("/{id}", show).Methods("GET")
	r.HandleFunc("", place).Methods(http.MethodPost)
}

func show(w http.ResponseWriter, r *http.Request) {}

func place(w http.ResponseWriter, r *http.Request) {}
