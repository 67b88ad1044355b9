package treesitter

// Go is the language of .go files.
const Go Language = "go"

var golang = grammar{
	language:   Go,
	aliases:    []string{"golang"},
	extensions: []string{".go"},
	comments:   []string{"//"},
	blocks:     true,
	flat:       map[string]Kind{"function_declaration": KindFunction, "method_declaration": KindMethod},
	nested:     "func",
	wrappers:   []string{"type_declaration", "var_declaration"},
	query: `
(function_declaration name: (identifier) @name body: (block)? @body) @function
(method_declaration
  receiver: (parameter_list (parameter_declaration type: (_) @receiver))
  name: (field_identifier) @name body: (block)? @body) @method
(type_spec name: (type_identifier) @name type: (struct_type) @body) @struct
(type_spec name: (type_identifier) @name type: (interface_type) @body) @interface
(type_spec name: (type_identifier) @name type: (_) @body) @type
(type_alias name: (type_identifier) @name type: (_) @body) @type
(short_var_declaration
  left: (expression_list . (identifier) @name .)
  right: (expression_list . (func_literal body: (block) @body) .)) @function
(var_spec name: (identifier) @name value: (expression_list . (func_literal body: (block) @body) .)) @function
`,
}
