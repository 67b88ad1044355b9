package orders

import "net/http"

func show(w http.ResponseWriter, r *http.Request) {}

func place(w http.ResponseWriter, r *http.Request) {}
