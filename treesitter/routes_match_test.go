package treesitter

import "testing"

func TestMatchRoute(t *testing.T) {
	routes := []Route{
		{Method: "GET", Path: "/items/{item_id}", Handler: "read"},
		{Method: "GET", Path: "/items/all", Handler: "all"},
		{Method: "POST", Path: "/items/", Handler: "create"},
		{Method: "", Path: "/items/{id}/parts/{part}", Handler: "part"},
		{Method: "GET", Path: "/files/{path...}", Handler: "files"},
		{Method: "GET", Path: "/reports/v{n}.json", Handler: "report"},
		{Method: "", Path: "/{path...}", Handler: "rest"},
		{Method: "DELETE", Path: "/{id}", Handler: "remove"},
		{Method: "PUT", Path: "/api/v1/accounts/{id}", Handler: "put account"},
		{Method: "GET", Path: "/users/{id}", Handler: "user"},
		{Method: "", Path: "/users/{id}", Handler: "any user"},
	}
	for _, tt := range []struct{ method, path, want string }{
		{"GET", "/items/{id}", "read"},
		{"get", "/items/{itemId}", "read"},
		{"GET", "/items/42", "read"},
		{"GET", "/items/all", "all"},
		{"GET", "https://shop.example.com/items/42?q=1#top", "read"},
		{"GET", "/items/a%20b", "read"},
		{"HEAD", "/items/42", "read"},
		{"POST", "/items", "create"},
		{"PATCH", "/items/7/parts/8", "part"},
		{"GET", "/items/{a}/parts/{b}", "part"},
		{"GET", "/files/a/b/c.txt", "files"},
		{"GET", "/reports/v12.json", "report"},
		{"GET", "/reports/12.json", "rest"},
		{"DELETE", "/7", "remove"},
		// The prefix is in another file, or the base path in the server's URL.
		{"GET", "/api/v2/items/{id}", "read"},
		{"PUT", "/accounts/{accountId}", "put account"},
		{"GET", "/users/9", "user"},
		{"PATCH", "/users/9", "any user"},
		{"", "/users/9", "any user"},
		{"GET", "https://shop.example.com", "rest"},
		{"DELETE", "/things/7", "rest"},
	} {
		got, ok := MatchRoute(routes, tt.method, tt.path)
		if got.Handler != tt.want || !ok {
			t.Errorf("MatchRoute(%s %s) = %q, %v, want %q", tt.method, tt.path, got.Handler, ok, tt.want)
		}
	}
	if got, ok := MatchRoute(routes[:2], "POST", "/items/1"); ok {
		t.Errorf("a route of another method: %+v", got)
	}
	if got, ok := MatchRoute(routes[:1], "GET", "/orders/1"); ok {
		t.Errorf("a route of another path: %+v", got)
	}
	if got, ok := MatchRoute([]Route{{Method: "GET", Path: "/{id}"}}, "GET", "/orders/1"); ok {
		t.Errorf("a parameter alone matches nothing: %+v", got)
	}
}

func TestTemplate(t *testing.T) {
	for _, tt := range []struct {
		framework  Framework
		path, want string
	}{
		{FastAPI, "/files/{name:path}", "/files/{name...}"},
		{Flask, "/u/<int:id>/<name>/<path:rest>", "/u/{id}/{name}/{rest...}"},
		{Flask, "/u/<any(a, b):kind>", "/u/{kind}"},
		{Django, "items/<slug:s>/", "/items/{s}/"},
		{Express, "/a/:b(\\d+)/:c?/*", "/a/{b}/{c}/{path...}"},
		{Gin, "/a//:b/*rest", "/a/{b}/{rest...}"},
		{NetHTTP, "/a/{$}", "/a/"},
		{NetHTTP, "/a/", "/a/{path...}"},
		{Spring, "/a/{id:[a-z]{2}}/{*rest}/**", "/a/{id}/{rest}/{path...}"},
		{Spring, "", "/"},
	} {
		if got := tt.framework.template(tt.path); got != tt.want {
			t.Errorf("%s %q = %q, want %q", tt.framework, tt.path, got, tt.want)
		}
	}
	for expression, want := range map[string]string{
		`^a/(?P<year>[0-9]{4})/$`: "a/{year}/", `^a\.b/(\d+)/?$`: "a.b/{value}/", `\A(?P<x>(a|b)\))\Z`: "{x}", `^(`: "{value}", `\`: "",
	} {
		if got := regexTemplate(expression); got != want {
			t.Errorf("regexTemplate(%q) = %q, want %q", expression, got, want)
		}
	}
}
