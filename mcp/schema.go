package mcp

import (
	"encoding/json"
	"fmt"
)

// schema is a JSON Schema as it goes to the client. It has only what clients are known to understand: one plain type for every
// property, no union types, no references.
type schema struct {
	Type                 string      `json:"type"`
	Description          string      `json:"description,omitempty"`
	Enum                 []string    `json:"enum,omitempty"`
	Minimum              *float64    `json:"minimum,omitempty"`
	Maximum              *float64    `json:"maximum,omitempty"`
	Default              any         `json:"default,omitempty"`
	Items                *schema     `json:"items,omitempty"`
	Properties           *properties `json:"properties,omitempty"`
	Required             []string    `json:"required,omitempty"`
	AdditionalProperties *bool       `json:"additionalProperties,omitempty"`
}

// properties keep the order in which they were written down: the important ones first.
type properties []property

type property struct {
	name   string
	schema schema
}

// MarshalJSON writes an object in order.
func (p properties) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, one := range p {
		if i > 0 {
			out = append(out, ',')
		}
		name, err := json.Marshal(one.name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(one.schema)
		if err != nil {
			return nil, err
		}
		out = append(append(append(out, name...), ':'), value...)
	}
	return append(out, '}'), nil
}

// JSON Schema type names.
const (
	typeString  = "string"
	typeNumber  = "number"
	typeInteger = "integer"
	typeBoolean = "boolean"
	typeArray   = "array"
	typeObject  = "object"
)

// param is one argument of a tool.
type param struct {
	name     string
	required bool
	schema   schema
	// asText accepts a number or a truth value that is written as text ("3"), as the documented examples do. The schema does not
	// say so: it names the one type to prefer.
	asText bool
	// also are values that are accepted beside those of the schema, in any letter case: other spellings, which a model need not know.
	also []string
}

// objectOf returns the schema of a tool's arguments.
func objectOf(params []param) schema {
	object := schema{Type: typeObject, Properties: &properties{}, AdditionalProperties: new(bool)}
	for _, p := range params {
		*object.Properties = append(*object.Properties, property{p.name, p.schema})
		if p.required {
			object.Required = append(object.Required, p.name)
		}
	}
	return object
}

// object returns the schema of what a tool answers: the properties that are always there are required only where a client would be
// lost without them, and others may be added, because the list of tools is read into every conversation and must stay short.
func object(required []string, props ...property) schema {
	list := properties(props)
	return schema{Type: typeObject, Properties: &list, Required: required}
}

func (s schema) json() json.RawMessage {
	data, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("a schema of this program cannot be encoded: %v", err))
	}
	return data
}
