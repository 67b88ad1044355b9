package treesitter

// Kotlin is the language of .kt files.
const Kotlin Language = "kotlin"

var kotlin = grammar{
	language:   Kotlin,
	extensions: []string{".kt", ".kts"},
	comments:   []string{"//"},
	blocks:     true,
	attributes: []string{"annotation"},
	query: `
(class_declaration "interface" (type_identifier) @name [(class_body) (enum_class_body)]? @body) @interface
(class_declaration "enum" (type_identifier) @name [(class_body) (enum_class_body)]? @body) @enum
(class_declaration "class" (type_identifier) @name [(class_body) (enum_class_body)]? @body) @class
(object_declaration (type_identifier) @name (class_body)? @body) @class
(type_alias (type_identifier) @name) @type
(enum_entry (simple_identifier) @name (class_body)) @extension
(function_declaration . (modifiers)? . (type_parameters)? . (simple_identifier) @name (function_body)? @body) @function
(function_declaration [(user_type) (nullable_type)] @receiver . (simple_identifier) @name (function_body)? @body) @function
(secondary_constructor "constructor" @name "{"? @open) @method
(property_declaration (variable_declaration (simple_identifier) @name) (lambda_literal) @body) @function
(property_declaration (variable_declaration (simple_identifier) @name) (anonymous_function (function_body) @body)) @function
`,
}
