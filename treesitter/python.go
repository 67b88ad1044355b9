package treesitter

// Python is the language of .py files.
const Python Language = "python"

var python = grammar{
	language:     Python,
	aliases:      []string{"py"},
	extensions:   []string{".py", ".pyi", ".pyw"},
	filenames:    []string{"SConstruct", "SConscript", "wscript"},
	interpreters: []string{"python", "pypy"},
	comments:     []string{"#"},
	wrappers:     []string{"decorated_definition"},
	beside:       []string{"decorator"},
	attributes:   []string{"decorator"},
	indented:     true,
	query: `
(function_definition name: (identifier) @name body: (block) @body) @function
(class_definition name: (identifier) @name body: (block) @body) @class
(assignment left: (identifier) @name right: (lambda body: (_) @body)) @function
`,
}
