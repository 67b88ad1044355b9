package rag

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

// Each application has its routers, their prefixes and mostly its handlers in different files.
func TestOperationsAndTheirHandlers(t *testing.T) {
	for app, operations := range map[string]map[string]string{
		"fastapi": {
			"GET /api/v1/orders/{id}":                      "app/routers/orders.py read_one",
			"GET /orders/{id}":                             "app/routers/orders.py read_one",
			"POST /api/v1/orders":                          "app/routers/orders.py place",
			"GET /api/v1/users/{id}":                       "app/routers/users.py profile",
			"GET /api/v1/users/42?full=1":                  "app/routers/users.py profile",
			"get /admin/reports/{report}":                  "app/routers/admin/reports.py render",
			"which code answers GET /api/v1/orders/7 here": "app/routers/orders.py read_one",
			"https://shop.example.com/api/v1/users/7":      "app/routers/users.py profile",
		},
		"flask": {
			"GET /api/orders/{id}": "shop/orders.py show",
			"POST /api/orders":     "shop/orders.py place",
			"GET /health/ready":    "shop/health.py probe",
		},
		"django": {
			"GET /api/orders/{id}/": "orders/views.py detail",
			"GET /api/users/{id}/":  "users/views.py detail",
			"GET /api/orders/":      "orders/views.py Collection.get",
			"POST /api/orders":      "orders/views.py Collection.post",
		},
		"express": {
			"GET /api/orders/{id}":    "controllers/orders.js show",
			"POST /api/orders":        "controllers/orders.js place",
			"DELETE /api/orders/{id}": "controllers/orders.js remove",
			"GET /files/{name}":       "routes/files.js ",
		},
		"express-ts": {
			"GET /api/orders/{id}": "src/orders/handlers.ts findOne",
			"POST /api/orders":     "src/orders/handlers.ts add",
			"GET /api/users/{id}":  "src/users/router.ts ",
		},
		"spring": {
			"GET /orders/{id}":    "src/main/java/shop/OrderController.java OrderController.byKey",
			"POST /orders":        "src/main/java/shop/OrderController.java OrderController.place",
			"GET /shop/orders/12": "src/main/java/shop/OrderController.java OrderController.byKey",
		},
		"gin": {
			"GET /api/v1/orders/{id}": "internal/orders/handlers.go handlers.show",
			"POST /api/v1/orders":     "internal/orders/handlers.go handlers.place",
			"GET /api/v1/users/{id}":  "internal/users/users.go show",
			"GET /internal/ready":     "health.go probe",
		},
		"echo": {
			"GET /api/orders/{id}": "orders/orders.go byKey",
			"POST /api/orders":     "orders/orders.go place",
		},
		"nethttp": {
			"GET /api/orders/{id}": "orders/handlers.go show",
			"POST /api/orders":     "orders/handlers.go place",
		},
		"gorilla": {
			"GET /api/orders/{id}": "orders/orders.go show",
			"POST /api/orders":     "orders/orders.go place",
		},
	} {
		t.Run(app, func(t *testing.T) {
			x, err := New(filepath.Join("testdata", "routes", app), &memStore{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := x.Update(t.Context(), Options{}); err != nil {
				t.Fatal(err)
			}
			for question, want := range operations {
				found, err := x.Search(t.Context(), Query{Text: question})
				if err != nil || len(found.Results) == 0 {
					t.Fatalf("%s: %v", question, err)
				}
				r := found.Results[0]
				if got := r.Path + " " + r.Name; got != want || !strings.HasPrefix(r.Why, "handles ") {
					t.Errorf("%s: %s (%s), want %s", question, got, r.Why, want)
				}
				if len(found.Results) > 1 && strings.HasPrefix(found.Results[1].Why, "handles ") {
					t.Errorf("%s: %s handles it, too", question, found.Results[1].Name)
				}
			}
		})
	}
}

func TestHandlersOfOperations(t *testing.T) {
	x, err := New(filepath.Join("testdata", "routes", "fastapi"), &memStore{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.Handlers(t.Context(), Operation{Method: "GET", Path: "/"}); !errors.Is(err, ErrNoIndex) {
		t.Errorf("without an index: %v", err)
	}
	if _, err := x.Update(t.Context(), Options{}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		operation Operation
		want      string
	}{
		{Operation{"GET", "/api/v1/orders/{order}", ""}, "read_one: handles GET /api/v1/orders/{order_id}"},
		{Operation{"GET", "http://localhost:8000/api/v1/orders/7", "whatever"}, "read_one: handles GET /api/v1/orders/{order_id}"},
		{Operation{"", "", "readOne"}, "read_one: is called like readOne"},
		// FastAPI makes such names.
		{
			Operation{"PUT", "/v9/orders/{order_id}", "read_one_v9_orders__order_id__put"},
			"read_one: is called like read_one_v9_orders__order_id__put",
		},
		{Operation{"PATCH", "/nothing/like/that", "nothing"}, ""},
		{Operation{"GET", "/{id}", ""}, ""},
	} {
		found, err := x.Handlers(t.Context(), tt.operation)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range found {
			got = append(got, r.Name+": "+r.Why)
		}
		if strings.Join(got, "; ") != tt.want {
			t.Errorf("%+v: %q, want %q", tt.operation, got, tt.want)
		}
	}
}

func TestOperationOf(t *testing.T) {
	for question, want := range map[string]Operation{
		"GET /orders/{id}":                    {Method: "GET", Path: "/orders/{id}"},
		"delete /orders/7?hard=1":             {Method: "DELETE", Path: "/orders/7"},
		"where is `POST /a/b`, and why":       {Method: "POST", Path: "/a/b"},
		"/healthz":                            {Path: "/healthz"},
		"PUT https://x.example.com:8443/a/b":  {Method: "PUT", Path: "https://x.example.com:8443/a/b"},
		"GET /":                               {Method: "GET", Path: "/"},
		"parse a path such as a/b":            {},
		"get the price /":                     {},
		"either/or":                           {},
		"read the first line and/or the last": {},
	} {
		got, ok := operationOf(question)
		if got != want || ok != (want != Operation{}) {
			t.Errorf("%q: %+v, %t", question, got, ok)
		}
	}
}
