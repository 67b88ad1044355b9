package treesitter

import (
	"regexp"
	"strings"
)

// Go is the language of .go files.
const Go Language = "go"

var golang = grammar{
	language:   Go,
	aliases:    []string{"golang"},
	extensions: []string{".go"},
	comments:   []string{"//"},
	blocks:     true,
	flat:       map[string]Kind{"function_declaration": KindFunction, "method_declaration": KindMethod},
	nested:     goNested,
	hollow:     []string{"package_clause", "import_declaration", "comment", "const_declaration", "var_declaration"},
	top:        regexp.MustCompile(`(?m)^(func|type|var|const)\b`),
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
(assignment_statement
  left: (expression_list . (identifier) @name .)
  right: (expression_list . (func_literal body: (block) @body) .)) @function
(var_spec name: (identifier) @name value: (expression_list . (func_literal body: (block) @body) .)) @function
`,
}

// goNested reports whether there may be a definition in a body: a function that is assigned, or a type. Most functions in functions are
// arguments, deferred or returned, and have no name.
func goNested(body string) bool {
	for at := 0; ; {
		i := strings.Index(body[at:], "func")
		if i < 0 {
			break
		}
		before := strings.TrimRight(body[at:at+i], " \t\r\n")
		if strings.HasSuffix(before, "=") || strings.HasSuffix(before, "/") || lineComment(before) {
			return true
		}
		at += i + len("func")
	}
	for at := 0; ; {
		i := strings.Index(body[at:], "type")
		if i < 0 {
			return false
		}
		at += i + len("type")
		if i := at - len("type") - 1; i >= 0 && strings.IndexByte(" \t\n;{}/", body[i]) >= 0 {
			return true
		}
	}
}

// lineComment reports whether a text ends with a line comment.
func lineComment(text string) bool {
	return strings.Contains(text[strings.LastIndexByte(text, '\n')+1:], "//")
}
