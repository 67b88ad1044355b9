// Package modelflags has the options that choose the models of commands, alike for all of them.
package modelflags

import (
	"slices"
	"strings"

	"github.com/fault-project/fault/cmd/internal/cli"
	"github.com/fault-project/fault/llm"
	"github.com/fault-project/fault/rag"
)

// The embedding models that are built in.
const (
	modelNone = "none"
	modelHash = "hash"
	// modelStatic is followed by the folder of a static model.
	modelStatic = "static:"
)

// Options are what was chosen.
type Options struct {
	// Client is the provider, "" without a choice.
	Client string
	// EmbedModel is the embedding model: the provider's, one of those that are built in, or "" without a choice.
	EmbedModel string
	// EmbedDimension is the length of its vectors, 0 for its own.
	EmbedDimension int
}

// Add adds the flags.
func (o *Options) Add(flags cli.Flags) {
	flags.String(&o.Client, "llm-client", "FAULT_AGENT_CLIENT", "",
		"ask the models of `PROVIDER`: "+strings.Join(llm.Providers(), ", ")+"; without it open-ai if OPENAI_API_KEY is set, else none")
	flags.String(&o.EmbedModel, "llm-embed-model", "FAULT_AGENT_EMBED_MODEL", "",
		"give the indexed code to the embedding model `NAME`; none keeps it on this machine, and so do hash (built in, by "+
			"letters) and static:DIR (a Model2Vec folder); "+
			"without it "+llm.DefaultEmbeddingModel(llm.OpenAI)+" of open-ai, "+llm.DefaultEmbeddingModel(llm.Gemini)+
			" of gemini, none of others")
	flags.Int(&o.EmbedDimension, "llm-embed-model-dim", "FAULT_AGENT_EMBED_MODEL_DIMENSION", 0,
		"ask for vectors of `LENGTH`; 0 means the embedding model's own")
}

// Embedder returns the embedder that was chosen, nil for none. A key in the environment chooses a provider only if it is OpenAI's and
// nothing else was chosen. Nothing is sent here.
func (o *Options) Embedder(getenv func(string) string) (rag.Embedder, error) {
	provider := o.Client
	switch {
	case provider != "" && !slices.Contains(llm.Providers(), provider):
		return nil, cli.Usagef("choose one of "+strings.Join(llm.Providers(), ", "), "--llm-client: there is no provider %q", provider)
	case o.EmbedDimension < 0:
		return nil, cli.Usagef("0 means the model's own", "--llm-embed-model-dim: %d is not a length", o.EmbedDimension)
	}
	switch o.EmbedModel {
	case modelNone:
		return nil, nil
	case modelHash:
		return rag.Hash{}, nil
	}
	if dir, ok := strings.CutPrefix(o.EmbedModel, modelStatic); ok {
		e, err := llm.NewStatic(dir)
		if err != nil {
			return nil, cli.Usagef("", "--llm-embed-model: %v", err)
		}
		return e, nil
	}
	if provider == "" {
		if getenv(llm.KeyVariable(llm.OpenAI)) == "" {
			if o.EmbedModel != "" {
				return nil, cli.Usagef("choose one with --llm-client, or set OPENAI_API_KEY",
					"--llm-embed-model: no provider has the model %q", o.EmbedModel)
			}
			return nil, nil
		}
		provider = llm.OpenAI
	}
	model := o.EmbedModel
	if model == "" {
		model = llm.DefaultEmbeddingModel(provider)
	}
	if model == "" {
		return nil, nil
	}
	options := llm.EmbedderOptions{Provider: provider, Model: model, Dimension: o.EmbedDimension}
	if variable := llm.KeyVariable(provider); variable != "" {
		options.Key = getenv(variable)
	}
	if provider == llm.OpenAI {
		options.BaseURL = getenv("OPENAI_BASE_URL") // as for OpenAI's own clients
	}
	e, err := llm.NewEmbedder(options)
	if err != nil {
		return nil, cli.Usagef("or embed nothing: --llm-embed-model none", "--llm-client: %v", err)
	}
	return e, nil
}
