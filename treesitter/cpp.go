package treesitter

// CPP is the language C++, of .cpp files and others.
const CPP Language = "cpp"

var cpp = grammar{
	language:    CPP,
	aliases:     []string{"c++"},
	extensions:  []string{".cpp", ".cc", ".cxx", ".c++", ".hpp", ".hh", ".hxx", ".h++", ".ipp", ".tpp", ".inl"},
	comments:    []string{"//"},
	blocks:      true,
	declarators: cDeclarators,
	separators:  []string{"::"},
	wrappers:    []string{"template_declaration"},
	beside:      []string{"template_parameter_list", "requires_clause"},
	query: cQuery + `
(class_specifier name: (_) @name body: (_) @body) @class
(struct_specifier name: (_) @name body: (_) @body) @struct
(union_specifier name: (_) @name body: (_) @body) @struct
(alias_declaration name: (type_identifier) @name type: (_) @body) @type
(namespace_definition name: (_) @name) @scope
(declaration declarator: (init_declarator declarator: (identifier) @name value: (lambda_expression body: (_) @body))) @function
`,
}
