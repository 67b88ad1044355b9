package llm

import (
	"context"
	"net/http"

	"google.golang.org/genai"
)

// geminiEmbeddings talks to the Gemini API, which takes 100 texts at a time and tells questions from what answers them.
func geminiEmbeddings(o EmbedderOptions, client *http.Client) (call, limits, error) {
	c, err := genai.NewClient(context.Background(), &genai.ClientConfig{
		APIKey: o.Key, Backend: genai.BackendGeminiAPI, HTTPClient: client, HTTPOptions: genai.HTTPOptions{BaseURL: o.BaseURL},
	})
	if err != nil {
		return nil, limits{}, err
	}
	return func(ctx context.Context, texts []string, question bool) ([][]float32, error) {
		config := &genai.EmbedContentConfig{TaskType: "RETRIEVAL_DOCUMENT"}
		if question {
			config.TaskType = "CODE_RETRIEVAL_QUERY"
		}
		if o.Dimension > 0 {
			dimension := int32(o.Dimension)
			config.OutputDimensionality = &dimension
		}
		contents := make([]*genai.Content, len(texts))
		for i, text := range texts {
			contents[i] = genai.NewContentFromText(text, genai.RoleUser)
		}
		resp, err := c.Models.EmbedContent(ctx, o.Model, contents, config)
		if err != nil {
			return nil, err
		}
		out := make([][]float32, len(resp.Embeddings))
		for i, e := range resp.Embeddings {
			out[i] = e.Values
		}
		return out, nil
	}, limits{texts: 100, bytes: 200_000, parallel: 2}, nil
}
