package demo

import (
	"net/http"
	"strconv"
	"strings"
)

// openapi serves the description of the endpoints, with the address that the client used as the server.
func (a *App) openapi(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, http.StatusOK, a.document("http://"+r.Host))
}

// document is the OpenAPI 3.1 description of the application (https://spec.openapis.org/oas/v3.1.1).
func (a *App) document(server string) map[string]any {
	paths := map[string]map[string]any{}
	for _, e := range a.endpoints() {
		if paths[e.Path] == nil {
			paths[e.Path] = map[string]any{}
		}
		paths[e.Path][strings.ToLower(e.Method)] = e.describe()
	}
	return map[string]any{
		"openapi": "3.1.0",
		"info": map[string]any{
			"title":       "Demo",
			"version":     "1.0.0",
			"description": "A small application to try network faults on.",
		},
		"servers":    []any{map[string]any{"url": server}},
		"paths":      paths,
		"components": map[string]any{"schemas": schemas()},
	}
}

// schemas are the bodies of the JSON answers, by the name that an endpoint uses.
func schemas() map[string]any {
	integer, number := map[string]any{"type": "integer"}, map[string]any{"type": "number"}
	reply := object(map[string]any{
		"url": stringType(), "status": integer, "duration_ms": number, "body": stringType(), "error": stringType(),
	}, "url", "duration_ms")
	return map[string]any{
		"Problem": object(map[string]any{"error": stringType()}, "error"),
		"Reply":   reply,
		"Summary": object(map[string]any{
			"calls": map[string]any{"type": "array", "items": reference("Reply")}, "failed": integer, "duration_ms": number,
		}, "calls", "failed", "duration_ms"),
		"Description": object(map[string]any{
			"method": stringType(), "path": stringType(), "query": stringType(), "body": stringType(),
			"headers": map[string]any{"type": "object", "additionalProperties": stringType()},
		}, "method", "path", "headers"),
		"Document": map[string]any{"type": "object"},
	}
}

// describe is the endpoint's operation object.
func (e endpoint) describe() map[string]any {
	schema := stringType()
	if e.Schema != "" {
		schema = reference(e.Schema)
	}
	responses := map[string]any{}
	response := func(status int, description, mediaType string, schema map[string]any) {
		responses[strconv.Itoa(status)] = map[string]any{
			"description": description,
			"content":     map[string]any{mediaType: map[string]any{"schema": schema}},
		}
	}
	response(http.StatusOK, e.Summary, e.Response, schema)
	if e.Upstream {
		response(http.StatusBadGateway, "The upstream failed or could not be reached", e.Response, schema)
	}
	operation := map[string]any{"operationId": e.Operation, "summary": e.Summary, "responses": responses}
	if e.Request != "" {
		response(http.StatusRequestEntityTooLarge, "The body is too large", jsonType, reference("Problem"))
		operation["requestBody"] = map[string]any{"required": true, "content": map[string]any{
			e.Request: map[string]any{"schema": stringType(), "example": "hello"},
		}}
	}
	return operation
}

func reference(schema string) map[string]any {
	return map[string]any{"$ref": "#/components/schemas/" + schema}
}

func stringType() map[string]any { return map[string]any{"type": "string"} }

func object(properties map[string]any, required ...string) map[string]any {
	return map[string]any{"type": "object", "properties": properties, "required": required}
}
