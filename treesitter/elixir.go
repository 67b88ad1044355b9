package treesitter

import "strings"

// Elixir is the language of .ex and .exs files.
const Elixir Language = "elixir"

// In Elixir everything is a call; which of them define something is a matter of names.
var elixir = grammar{
	language:     Elixir,
	extensions:   []string{".ex", ".exs"},
	interpreters: []string{"elixir"},
	comments:     []string{"#"},
	separators:   []string{"."},
	leading:      []string{"unary_operator"},
	leads: func(text string) bool {
		for _, attribute := range []string{"@doc", "@spec", "@impl", "@deprecated", "@since"} {
			if strings.HasPrefix(text, attribute) {
				return true
			}
		}
		return false
	},
	keywords: map[string]Kind{
		"def": KindFunction, "defp": KindFunction, "defmacro": KindFunction, "defmacrop": KindFunction, "defguard": KindFunction,
		"defguardp": KindFunction, "defdelegate": KindFunction, "defmodule": KindModule, "defprotocol": KindInterface,
		"defimpl": KindModule,
	},
	query: `
(call target: (identifier) @keyword (arguments . (alias) @name) (do_block) @body) @module
(call target: (identifier) @keyword (arguments . [
    (identifier) @name
    (call target: (identifier) @name)
    (binary_operator left: (call target: (identifier) @name) operator: "when")
    (binary_operator left: (identifier) @name operator: "when")
  ] [(keywords (pair value: (_) @body))]? .) . (do_block)? @body) @function
`,
}
