package treesitter

import (
	"regexp"
	"strings"
)

// JavaScript is the language of .js and .jsx files.
const JavaScript Language = "javascript"

var javascript = grammar{
	language:     JavaScript,
	aliases:      []string{"js", "jsx"},
	extensions:   []string{".js", ".jsx", ".mjs", ".cjs"},
	filenames:    []string{"Jakefile"},
	interpreters: []string{"node", "nodejs", "bun"},
	comments:     []string{"//"},
	blocks:       true,
	wrappers:     []string{"export_statement", "lexical_declaration", "variable_declaration", "expression_statement"},
	beside:       []string{"decorator"},
	top:          scriptTop,
	attributes:   []string{"decorator"},
	receiver:     scriptReceiver,
	keywords:     scriptWrappers,
	query: scriptQuery + `
(class_declaration name: (identifier) @name body: (class_body) @body) @class
(field_definition property: (_) @name value: [(arrow_function body: (_) @body) (function_expression body: (_) @body)]) @method
`,
}

// scriptTop matches the beginning of definitions at the top of a file, with their decorators.
var scriptTop = regexp.MustCompile(
	`(?m)^(@\w|(export|async|function|class|abstract|const|let|var|interface|type|enum|declare|namespace)\b)`)

// scriptQuery is what JavaScript and TypeScript have in common. An object that has a name is not defined, but its functions are named
// after it.
const scriptQuery = `
(function_declaration name: (identifier) @name body: (statement_block) @body) @function
(generator_function_declaration name: (identifier) @name body: (statement_block) @body) @function
(export_statement "default" @name value: [(arrow_function body: (_) @body) (function_expression !name body: (_) @body)]) @function
(export_statement value: (function_expression name: (identifier) @name body: (_) @body)) @function
(method_definition name: [
  (property_identifier) @name (private_property_identifier) @name (computed_property_name) @name (number) @name
  (string (string_fragment) @name)] body: (statement_block) @body) @method
(variable_declarator name: (identifier) @name value: [
  (arrow_function body: (_) @body) (function_expression body: (_) @body) (generator_function body: (_) @body)]) @function
(variable_declarator name: (identifier) @name value: (parenthesized_expression [
  (arrow_function body: (_) @body) (function_expression body: (_) @body)])) @function
(variable_declarator name: (identifier) @name value: (call_expression function: (_) @keyword
  arguments: (arguments . [(arrow_function body: (_) @body) (function_expression body: (_) @body)]))) @function
(variable_declarator name: (identifier) @name value: (class body: (class_body) @body)) @class
(variable_declarator name: (identifier) @name value: (object)) @extension
(assignment_expression left: (identifier) @name right: [
  (arrow_function body: (_) @body) (function_expression body: (_) @body)]) @function
(assignment_expression left: (member_expression object: (_) @receiver property: (_) @name) right: [
  (arrow_function body: (_) @body) (function_expression body: (_) @body) (generator_function body: (_) @body)]) @function
(assignment_expression left: (member_expression property: (_) @name) right: (class body: (class_body) @body)) @class
(assignment_expression left: [(identifier) @name (member_expression property: (_) @name)] right: (object)) @extension
(pair key: [(property_identifier) @name (string (string_fragment) @name) (computed_property_name) @name (number) @name] value: [
  (arrow_function body: (_) @body) (function_expression body: (_) @body) (generator_function body: (_) @body)]) @function
(pair key: [(property_identifier) @name (string (string_fragment) @name)] value: (object)) @extension
`

// scriptWrappers are the functions that give their first argument back with something around it. A function that any other one is
// given is not what the variable holds: it is called back.
var scriptWrappers = map[string]Kind{
	"memo": KindFunction, "React.memo": KindFunction, "forwardRef": KindFunction, "React.forwardRef": KindFunction,
	"useCallback": KindFunction, "React.useCallback": KindFunction, "debounce": KindFunction, "throttle": KindFunction,
	"asyncHandler": KindFunction, "catchAsync": KindFunction, "expressAsyncHandler": KindFunction, "defineEventHandler": KindFunction,
	"observer": KindFunction, "action": KindFunction, "promisify": KindFunction,
}

// scriptReceiver names what a function is assigned to: Cart.prototype is Cart; exports and this are nothing of their own.
func scriptReceiver(text string) string {
	text = strings.TrimSuffix(text, ".prototype")
	switch text {
	case "exports", "module", "module.exports", "this", "self", "window", "globalThis", "global":
		return ""
	}
	if len(text) > 200 || strings.ContainsAny(text, "(){}\n") {
		return "" // the result of an expression has no name
	}
	return text
}
