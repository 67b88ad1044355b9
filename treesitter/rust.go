package treesitter

// Rust is the language of .rs files.
const Rust Language = "rust"

var rust = grammar{
	language:     Rust,
	extensions:   []string{".rs"},
	interpreters: []string{"rust-script"},
	comments:     []string{"//"},
	blocks:       true,
	leading:      []string{"attribute_item"},
	query: `
(function_item name: (_) @name body: (block) @body) @function
(function_signature_item name: (_) @name) @function
(macro_definition name: (identifier) @name) @function
(let_declaration pattern: (identifier) @name value: (closure_expression body: (_) @body)) @function
(static_item name: (identifier) @name value: (closure_expression body: (_) @body)) @function
(const_item name: (identifier) @name value: (closure_expression body: (_) @body)) @function
(struct_item name: (type_identifier) @name body: (_)? @body) @struct
(union_item name: (type_identifier) @name body: (_) @body) @struct
(enum_item name: (type_identifier) @name body: (_) @body) @enum
(trait_item name: (type_identifier) @name body: (_) @body) @interface
(type_item name: (type_identifier) @name type: (_) @body) @type
(impl_item type: (_) @name) @extension
(mod_item name: (identifier) @name body: (_)) @scope
`,
}
