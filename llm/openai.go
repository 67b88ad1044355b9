package llm

import (
	"context"
	"errors"
	"net/http"

	"github.com/tmc/langchaingo/llms/openai"
)

const (
	openAIAddress     = "https://api.openai.com/v1"
	openRouterAddress = "https://openrouter.ai/api/v1"
)

// openAIEmbeddings talks to OpenAI, OpenRouter, and whoever has the same API. A request holds less than OpenAI's 2048 texts and
// 300,000 tokens.
func openAIEmbeddings(o EmbedderOptions, client *http.Client) (call, limits, error) {
	address := o.BaseURL
	switch {
	case address != "":
	case o.Provider == OpenRouter:
		address = openRouterAddress
	default:
		address = openAIAddress
	}
	options := []openai.Option{
		openai.WithToken(o.Key), openai.WithBaseURL(address), openai.WithEmbeddingModel(o.Model), openai.WithModel(o.Model),
		openai.WithAPIType(openai.APITypeOpenAI), openai.WithHTTPClient(plainErrors{client}),
	}
	if o.Dimension > 0 {
		options = append(options, openai.WithEmbeddingDimensions(o.Dimension))
	}
	c, err := openai.New(options...)
	if err != nil {
		return nil, limits{}, err
	}
	return func(ctx context.Context, texts []string, _ bool) ([][]float32, error) {
		vectors, err := c.CreateEmbedding(ctx, texts)
		if inner := errors.Unwrap(err); inner != nil {
			err = inner // what wraps it only says that embedding failed
		}
		return vectors, err
	}, limits{texts: 128, bytes: 400_000, parallel: 4}, nil
}
