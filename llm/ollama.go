package llm

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/ollama/ollama/api"
	"github.com/ollama/ollama/envconfig"
)

// ollamaEmbeddings talks to an Ollama server, by default the one that OLLAMA_HOST names, or else this machine's. Texts longer than the
// model reads are cut by the server.
func ollamaEmbeddings(o EmbedderOptions, client *http.Client) (call, limits, error) {
	base := envconfig.Host()
	if o.BaseURL != "" {
		var err error
		if base, err = url.Parse(o.BaseURL); err != nil || base.Host == "" {
			return nil, limits{}, fmt.Errorf("the address of the Ollama server %q is not a URL", o.BaseURL)
		}
	}
	c := api.NewClient(base, client)
	return func(ctx context.Context, texts []string, _ bool) ([][]float32, error) {
		resp, err := c.Embed(ctx, &api.EmbedRequest{Model: o.Model, Input: texts, Dimensions: o.Dimension})
		if err != nil {
			return nil, err
		}
		return resp.Embeddings, nil
	}, limits{texts: 32, bytes: 200_000, parallel: 2}, nil
}
