package control

import (
	"maps"
	"net/http"
	"strconv"
	"strings"

	"github.com/fault-project/fault/proxyengine/fault"
)

// object is an object of the OpenAPI document.
type object = map[string]any

func (s *Server) openAPI(*request) (any, error) { return document(s.version), nil }

// document is the OpenAPI description of the API (OpenAPI 3.1.1, whose schemas are JSON Schema 2020-12). It is made of the routes
// and of the definitions of the faults, so that it says what the program does.
func document(version string) object {
	schemas := schemas()
	faults := make([]any, 0, len(fault.Definitions()))
	for _, d := range fault.Definitions() {
		name := "Fault" + strings.ReplaceAll(d.Title, " ", "")
		schemas[name] = faultSchema(d)
		faults = append(faults, ref(name))
	}
	schemas["Fault"] = object{"oneOf": faults}
	match, _ := fault.Definitions()[0].Field("match") // which is the same for all
	schemas["Match"] = match.Object
	return object{
		"openapi": "3.1.1",
		"info": object{
			"title": "fault control API", "version": version,
			"description": "Faults and mappings of a running proxy, while traffic flows. Names of faults and mappings are stable; " +
				"what a request does not name stays as it is.",
		},
		"paths":    paths(),
		"security": []any{object{"token": []any{}}},
		"components": object{
			"schemas":         schemas,
			"securitySchemes": object{"token": object{"type": "http", "scheme": "bearer"}},
		},
	}
}

func ref(name string) object { return object{"$ref": "#/components/schemas/" + name} }

func content(name string) object {
	return object{"application/json": object{"schema": ref(name)}}
}

func paths() object {
	out := object{}
	for _, r := range routes() {
		responses := object{
			strconv.Itoa(r.status): answer(r, r.status),
			"default":              object{"description": "what is wrong", "content": content("Error")},
		}
		if r.method == http.MethodPut && strings.Contains(r.path, "{id}") {
			responses[strconv.Itoa(http.StatusCreated)] = answer(r, http.StatusCreated)
		}
		operation := object{"summary": r.summary, "operationId": operationID(r), "responses": responses}
		if r.in != "" {
			operation["requestBody"] = object{"required": true, "content": content(r.in)}
		}
		if strings.Contains(r.path, "{id}") {
			operation["parameters"] = []any{object{"name": "id", "in": "path", "required": true, "schema": object{"type": "string"}}}
		}
		path, ok := out[r.path].(object)
		if !ok {
			path = object{}
			out[r.path] = path
		}
		path[strings.ToLower(r.method)] = operation
	}
	return out
}

func answer(r route, status int) object {
	out := object{"description": http.StatusText(status)}
	if r.out != "" {
		out["content"] = content(r.out)
	}
	return out
}

// operationID is a name such as "putFaultsById".
func operationID(r route) string {
	between := func(c rune) bool { return strings.ContainsRune("/{}.", c) }
	var id strings.Builder
	id.WriteString(strings.ToLower(r.method))
	for word := range strings.FieldsFuncSeq(strings.TrimPrefix(r.path, "/v1"), between) {
		if word == "id" {
			word = "byId"
		}
		id.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return id.String()
}

// faultSchema describes a fault as in a scenario, with its name and its mappings.
func faultSchema(d fault.Definition) object {
	properties := object{
		"id": object{"type": "string", "description": "name; one is made where none is given"},
		"mappings": object{
			"type": "array", "items": object{"type": "string"}, "description": "names of the mappings that it acts on alone",
		},
		"type": object{"const": string(d.Kind)},
	}
	for _, f := range d.Fields {
		properties[f.Name] = fieldSchema(f)
	}
	return object{
		"type": "object", "title": d.Title, "description": d.Summary, "properties": properties, "required": []any{"type"},
		"additionalProperties": false,
	}
}

func fieldSchema(f fault.Field) object {
	s := object{"type": f.Type}
	text := f.Usage
	if f.Unit != "" {
		text += " (" + f.Unit + ")"
	}
	if f.Type == "object" {
		s = maps.Clone(f.Object)
	} else if f.Object != nil {
		s = object{"anyOf": []any{s, ref("Match")}} // the only one that may also be a text
	}
	s["description"] = text
	if f.Enum != nil {
		s["enum"] = f.Enum
	}
	if f.Min != nil {
		s["minimum"] = *f.Min
	}
	if f.Max != nil {
		s["maximum"] = *f.Max
	}
	if f.Default != "" {
		s["default"] = defaultOf(f)
	}
	return s
}

// defaultOf is the default of a field in its JSON type.
func defaultOf(f fault.Field) any {
	switch f.Type {
	case "number", "integer":
		if n, err := strconv.ParseFloat(f.Default, 64); err == nil {
			return n
		}
	case "boolean":
		return f.Default == "true"
	}
	return f.Default
}

// schemas describes everything but the faults.
func schemas() object {
	text, number, whole, yes := object{"type": "string"}, object{"type": "number"}, object{"type": "integer"}, object{"type": "boolean"}
	moment := object{"type": "string", "format": "date-time"}
	fields := func(description string, properties object, required ...string) object {
		out := object{"type": "object", "properties": properties}
		if description != "" {
			out["description"] = description
		}
		if len(required) > 0 {
			out["required"] = required
		}
		return out
	}
	list := func(of object) object { return object{"type": "array", "items": of} }
	by := func(of object) object { return object{"type": "object", "additionalProperties": of} }
	quantile := object{"count": whole}
	for _, name := range []string{"mean", "p50", "p95", "p99", "max"} {
		quantile[name] = number
	}
	wrapped := func(name string) object {
		key := strings.ToLower(name) + "s"
		return object{"anyOf": []any{fields("", object{key: list(ref(name))}, key), list(ref(name))}}
	}
	return object{
		"Error":    fields("", object{"error": text, "status": whole}, "error", "status"),
		"Document": object{"type": "object"},
		"Patch":    object{"type": "object", "description": "a JSON merge patch: what is named changes"},
		"Faults":   wrapped("Fault"),
		"Mappings": wrapped("Mapping"),
		"Mapping": fields("", object{
			"id":      object{"type": "string", "description": "name; the port where none is given"},
			"mapping": object{"type": "string", "description": "LEFT=RIGHT as for --proxy", "examples": []any{"15432=localhost:5432"}},
			"enabled": object{"type": "boolean", "default": true},
			"address": object{"type": "string", "readOnly": true, "description": "where it listens"},
		}, "mapping"),
		"Quantiles": fields("milliseconds", quantile),
		"Applied": fields("what faults did; delay is a sum of milliseconds, bytes those that were lost or withheld", object{
			"times": whole, "delay": number, "bytes": whole, "statuses": by(whole),
		}),
		"Counters": fields("bytes, statuses and latencies are those of connections and exchanges that have ended", object{
			"since": moment,
			"flows": fields("", object{"open": by(whole), "total": by(whole), "failed": whole, "bypassed": whole}),
			"bytes": fields("", object{"up": whole, "down": whole}), "statuses": by(whole),
			"latency": fields("", object{"connect": ref("Quantiles"), "first_byte": ref("Quantiles"), "total": ref("Quantiles")}),
			"applied": by(ref("Applied")), "faults": by(ref("Applied")), "notices": list(text),
		}),
		"Status": fields("", object{
			"version": text, "began": moment, "offset": number, "seed": text, "proxy": text, "mappings": whole,
			"faults": list(fields("", object{"id": text, "label": text, "active": yes})),
		}),
	}
}
