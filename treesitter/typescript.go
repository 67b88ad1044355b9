package treesitter

// TypeScript is the language of .ts and .tsx files.
const TypeScript Language = "typescript"

var typescript = grammar{
	language:     TypeScript,
	aliases:      []string{"ts", "tsx"},
	extensions:   []string{".ts", ".tsx", ".mts", ".cts"},
	interpreters: []string{"ts-node", "tsx", "deno"},
	comments:     []string{"//"},
	blocks:       true,
	wrappers: []string{
		"export_statement", "lexical_declaration", "variable_declaration", "expression_statement", "ambient_declaration",
	},
	beside:     []string{"decorator"},
	top:        scriptTop,
	attributes: []string{"decorator"},
	leading:    []string{"decorator"},
	receiver:   scriptReceiver,
	keywords:   scriptWrappers,
	query: scriptQuery + `
(class_declaration name: (type_identifier) @name body: (class_body) @body) @class
(abstract_class_declaration name: (type_identifier) @name body: (class_body) @body) @class
(interface_declaration name: (type_identifier) @name body: (interface_body) @body) @interface
(enum_declaration name: (identifier) @name body: (enum_body) @body) @enum
(type_alias_declaration name: (type_identifier) @name value: (_) @body) @type
(public_field_definition name: (_) @name value: [
  (arrow_function body: (_) @body) (function_expression body: (_) @body)]) @method
(abstract_method_signature name: (_) @name) @method
(ambient_declaration (function_signature name: (identifier) @name)) @function
(module body: (statement_block (export_statement declaration: (function_signature name: (identifier) @name) @function)))
(internal_module name: (_) @name) @scope
(variable_declarator name: (identifier) @name value: [
  (as_expression (object)) (satisfies_expression (object))]) @extension
(variable_declarator name: (identifier) @name value: [
  (as_expression [(arrow_function body: (_) @body) (function_expression body: (_) @body)])
  (as_expression (parenthesized_expression [(arrow_function body: (_) @body) (function_expression body: (_) @body)]))
  (satisfies_expression [(arrow_function body: (_) @body) (function_expression body: (_) @body)])
  (satisfies_expression (parenthesized_expression [
    (arrow_function body: (_) @body) (function_expression body: (_) @body)]))]) @function
`,
}
