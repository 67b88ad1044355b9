package treesitter

// Java is the language of .java files.
const Java Language = "java"

var java = grammar{
	language:   Java,
	extensions: []string{".java"},
	comments:   []string{"//"},
	blocks:     true,
	attributes: []string{"annotation", "marker_annotation"},
	query: `
(class_declaration name: (identifier) @name body: (_) @body) @class
(record_declaration name: (identifier) @name body: (_) @body) @class
(interface_declaration name: (identifier) @name body: (_) @body) @interface
(annotation_type_declaration name: (identifier) @name body: (_) @body) @interface
(enum_declaration name: (identifier) @name body: (_) @body) @enum
(enum_constant name: (identifier) @name body: (_)) @extension
(method_declaration name: (identifier) @name body: (_)? @body) @method
(constructor_declaration name: (identifier) @name body: (_) @body) @method
(compact_constructor_declaration name: (identifier) @name body: (_) @body) @method
(field_declaration declarator: (variable_declarator name: (identifier) @name value: (lambda_expression body: (_) @body))) @method
(local_variable_declaration
  declarator: (variable_declarator name: (identifier) @name value: (lambda_expression body: (_) @body))) @function
`,
}
