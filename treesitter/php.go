package treesitter

// PHP is the language of .php files.
const PHP Language = "php"

var php = grammar{
	language:     PHP,
	extensions:   []string{".php", ".phtml", ".inc"},
	interpreters: []string{"php"},
	comments:     []string{"//", "#"},
	blocks:       true,
	wrappers:     []string{"expression_statement"},
	attributes:   []string{"attribute_list"},
	query: `
(function_definition name: (name) @name body: (_) @body) @function
(method_declaration name: (name) @name body: (compound_statement)? @body) @method
(class_declaration name: (name) @name body: (_) @body) @class
(interface_declaration name: (name) @name body: (_) @body) @interface
(trait_declaration name: (name) @name body: (_) @body) @interface
(enum_declaration name: (name) @name body: (_) @body) @enum
(assignment_expression left: [(variable_name (name) @name) (member_access_expression name: (name) @name)] right: [
  (anonymous_function_creation_expression body: (_) @body) (arrow_function body: (_) @body)]) @function
(assignment_expression left: (variable_name (name) @name) right: (object_creation_expression (declaration_list))) @extension
(array_element_initializer (string (string_content) @name) [
  (anonymous_function_creation_expression body: (_) @body) (arrow_function body: (_) @body)]) @function
`,
}
