package treesitter

// CSharp is the language of .cs files.
const CSharp Language = "csharp"

var csharp = grammar{
	language:   CSharp,
	aliases:    []string{"c#"},
	extensions: []string{".cs", ".csx"},
	comments:   []string{"//"},
	blocks:     true,
	attributes: []string{"attribute_list"},
	query: `
(class_declaration name: (identifier) @name body: (_)? @body) @class
(record_declaration name: (identifier) @name body: (_)? @body) @class
(struct_declaration name: (identifier) @name body: (_)? @body) @struct
(interface_declaration name: (identifier) @name body: (_)? @body) @interface
(enum_declaration name: (identifier) @name body: (_) @body) @enum
(delegate_declaration name: (identifier) @name) @type
(method_declaration name: (identifier) @name body: (_)? @body) @method
(constructor_declaration name: (identifier) @name body: (_) @body) @method
(destructor_declaration name: (identifier) @name body: (_) @body) @method
(local_function_statement name: (identifier) @name body: (_) @body) @function
(operator_declaration operator: _ @name body: (_) @body) @method
(conversion_operator_declaration type: (_) @name body: (_) @body) @method
(property_declaration name: (identifier) @name value: (arrow_expression_clause) @body) @method
(indexer_declaration "this" @name value: (arrow_expression_clause) @body) @method
(property_declaration name: (identifier) @name accessors: (_)) @extension
(indexer_declaration "this" @name accessors: (_)) @extension
(event_declaration name: (identifier) @name accessors: (_)) @extension
(accessor_declaration name: _ @name body: (_) @body) @method
(field_declaration (variable_declaration (variable_declarator name: (identifier) @name [
  (lambda_expression body: (_) @body) (anonymous_method_expression (block) @body)]))) @method
(local_declaration_statement (variable_declaration (variable_declarator name: (identifier) @name [
  (lambda_expression body: (_) @body) (anonymous_method_expression (block) @body)]))) @function
`,
}
