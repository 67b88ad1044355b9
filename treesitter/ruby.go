package treesitter

// Ruby is the language of .rb files.
const Ruby Language = "ruby"

var ruby = grammar{
	language:     Ruby,
	extensions:   []string{".rb", ".rake", ".gemspec", ".ru"},
	filenames:    []string{"Rakefile", "Gemfile", "Guardfile", "Capfile", "Vagrantfile"},
	interpreters: []string{"ruby", "jruby"},
	comments:     []string{"#"},
	indented:     true,
	separators:   []string{"::"},
	prefix:       ":",
	receiver: func(text string) string {
		if text == "self" {
			return ""
		}
		return baseType(text)
	},
	keywords: map[string]Kind{
		"define_method": KindMethod, "define_singleton_method": KindMethod, "lambda": KindFunction, "proc": KindFunction,
		"Proc": KindFunction, "Struct": KindClass, "Class": KindClass, "Data": KindClass, "Module": KindModule,
	},
	query: `
(method name: (_) @name body: (_)? @body) @function
(singleton_method object: (_) @receiver name: (_) @name body: (_)? @body) @function
(class name: (_) @name body: (body_statement)? @body) @class
(module name: [(constant) @name (scope_resolution) @name] body: (body_statement)? @body) @module
(call method: (identifier) @keyword arguments: (argument_list . [(simple_symbol) @name (string (string_content) @name)])
  block: [(do_block body: (_)? @body) (block body: (_)? @body)]) @method
(assignment left: (_) @name right: (lambda body: (_ body: (_)? @body))) @function
(assignment left: (_) @name right: (call !receiver method: (identifier) @keyword block: (_ body: (_)? @body))) @function
(assignment left: (_) @name right: (call receiver: (constant) @keyword block: (_ body: (_)? @body))) @function
`,
}
