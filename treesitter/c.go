package treesitter

// C is the language of .c and .h files.
const C Language = "c"

var c = grammar{
	language:    C,
	extensions:  []string{".c", ".h"},
	comments:    []string{"//"},
	blocks:      true,
	declarators: cDeclarators,
	query: cQuery + `
(struct_specifier name: (type_identifier) @name body: (_) @body) @struct
(union_specifier name: (type_identifier) @name body: (_) @body) @struct
`,
}

// cDeclarators stand around the name of what they declare.
var cDeclarators = []string{
	"function_declarator", "pointer_declarator", "reference_declarator", "parenthesized_declarator", "array_declarator",
	"attributed_declarator",
}

// cQuery is what C and C++ have in common. Prototypes define nothing.
const cQuery = `
(function_definition declarator: (_) @name body: (_)? @body) @function
(enum_specifier name: (_) @name body: (_) @body) @enum
(type_definition type: [(struct_specifier !name body: (_) @body) (union_specifier !name body: (_) @body)]
  declarator: (type_identifier) @name) @struct
(type_definition type: (enum_specifier !name body: (_) @body) declarator: (type_identifier) @name) @enum
(preproc_function_def name: (identifier) @name value: (_) @body) @function
`
