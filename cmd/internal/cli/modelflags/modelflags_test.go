package modelflags

import (
	"errors"
	"strings"
	"testing"

	"github.com/fault-project/fault/cmd/internal/cli"
)

// Which model gets to see code: the chosen one, else OpenAI's if there is a key of OpenAI, and nothing on account of any other key.
func TestWhichEmbedder(t *testing.T) {
	const openAI, openRouter, gemini = "OPENAI_API_KEY=k1", "OPENROUTER_API_KEY=k2", "GEMINI_API_KEY=k3"
	tests := []struct {
		options Options
		env     string
		want    string // the name, "" for none
		fails   string
	}{
		{Options{}, "", "", ""},
		{Options{}, openAI, "open-ai:text-embedding-3-small", ""},
		{Options{}, openRouter + " " + gemini, "", ""},
		{Options{EmbedDimension: 384}, gemini, "", ""},
		{Options{EmbedModel: "none"}, openAI, "", ""},
		{Options{Client: "gemini", EmbedModel: "none"}, gemini, "", ""},
		{Options{EmbedModel: "hash"}, openAI, "hash-lexical-1", ""},
		{Options{EmbedModel: "text-embedding-3-large"}, openAI, "open-ai:text-embedding-3-large", ""},
		{Options{EmbedModel: "text-embedding-3-large"}, gemini, "", "--llm-embed-model: no provider"},
		{Options{Client: "gemini"}, gemini + " " + openAI, "gemini:gemini-embedding-001", ""},
		{Options{Client: "gemini"}, openAI, "", "set GEMINI_API_KEY"},
		{Options{Client: "open-ai"}, gemini, "", "set OPENAI_API_KEY"},
		{Options{Client: "open-router", EmbedDimension: 384}, openRouter + " " + openAI, "", ""},
		{Options{Client: "open-router", EmbedModel: "x/embed"}, openRouter, "open-router:x/embed", ""},
		{Options{Client: "ollama"}, openAI, "", ""},
		{Options{Client: "ollama", EmbedModel: "mxbai-embed-large", EmbedDimension: 1024}, openAI, "ollama:mxbai-embed-large", ""},
		{Options{EmbedModel: "static:/no/such/folder"}, openAI, "", "--llm-embed-model: a static model is a folder"},
		{Options{Client: "olama"}, "", "", "there is no provider"},
		{Options{EmbedDimension: -1}, "", "", "--llm-embed-model-dim"},
	}
	for _, tt := range tests {
		getenv := func(name string) string {
			for entry := range strings.FieldsSeq(tt.env) {
				if value, ok := strings.CutPrefix(entry, name+"="); ok {
					return value
				}
			}
			return ""
		}
		e, err := tt.options.Embedder(getenv)
		name := ""
		if e != nil {
			name = e.Name()
		}
		var usage *cli.Error
		if name != tt.want || (tt.fails == "") != (err == nil) {
			t.Errorf("%+v with %q: %q, %v", tt.options, tt.env, name, err)
		} else if err != nil && (!errors.As(err, &usage) || !usage.Usage || !strings.Contains(err.Error(), tt.fails)) {
			t.Errorf("%+v with %q: error %v", tt.options, tt.env, err)
		}
	}
}
