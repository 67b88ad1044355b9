// Package llm talks to the providers of models: one unexported file for each, behind one type. Requests are batched, paced and
// retried here, alike for all. Nothing is sent before the first call, keys never reach an error or a log, and redirects are not followed.
package llm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// The providers, as they are spelled on the command line.
const (
	OpenAI     = "open-ai"
	OpenRouter = "open-router"
	Gemini     = "gemini"
	Ollama     = "ollama"
)

// Providers returns all of them.
func Providers() []string { return []string{Gemini, OpenAI, OpenRouter, Ollama} }

// KeyVariable returns the environment variable that usually holds the key of a provider, "" if it needs none.
func KeyVariable(provider string) string {
	return map[string]string{OpenAI: "OPENAI_API_KEY", OpenRouter: "OPENROUTER_API_KEY", Gemini: "GEMINI_API_KEY"}[provider]
}

// DefaultEmbeddingModel returns the model that embeds unless another one is asked for, "" if the provider has none to start with.
func DefaultEmbeddingModel(provider string) string {
	return map[string]string{OpenAI: "text-embedding-3-small", Gemini: "gemini-embedding-001"}[provider]
}

// dimensions are what models give unless told otherwise; those of others are asked for.
var dimensions = map[string]int{
	"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536, "gemini-embedding-001": 3072,
}

// EmbedderOptions choose an embedding model.
type EmbedderOptions struct {
	// Provider is one of Providers.
	Provider string
	// Model is the provider's name of the model.
	Model string
	// Dimension is the length of the vectors to ask for, 0 for the model's own.
	Dimension int
	// Key is the provider's API key. Ollama needs none.
	Key string
	// BaseURL is where the API is, "" for the provider's own address. Any server with the same API will do.
	BaseURL string
	// Transport sends the requests; nil means the network, through the proxy of the environment.
	Transport http.RoundTripper
}

// call makes the vectors of one batch. question says that the texts are questions rather than what answers them.
type call func(ctx context.Context, texts []string, question bool) ([][]float32, error)

// questionTimeout is how long a question may take, in which Ollama may have to load the model.
const questionTimeout = 20 * time.Second

// limits are what one request may hold, and how many may be under way.
type limits struct{ texts, bytes, parallel int }

// Embedder makes vectors with the model of a provider. It is safe for concurrent use.
type Embedder struct {
	name   string
	key    string
	call   call
	limits limits

	mu        sync.Mutex
	dimension int
}

// NewEmbedder returns the embedder of a model. It sends nothing.
func NewEmbedder(o EmbedderOptions) (*Embedder, error) {
	if o.Model == "" {
		return nil, errors.New("no embedding model is chosen: name one of " + o.Provider + "'s")
	}
	if variable := KeyVariable(o.Provider); o.Key == "" && variable != "" {
		return nil, fmt.Errorf("%s needs a key: set %s", o.Provider, variable)
	}
	if o.Dimension < 0 {
		return nil, fmt.Errorf("the dimension of an embedding model cannot be %d", o.Dimension)
	}
	e := &Embedder{name: o.Provider + ":" + o.Model, key: o.Key, dimension: o.Dimension}
	own := dimensions[o.Model]
	if o.Dimension == own {
		o.Dimension = 0 // not every model takes one
	}
	if e.dimension == 0 {
		e.dimension = own
	}
	client := newClient(o.Transport)
	var err error
	switch o.Provider {
	case OpenAI, OpenRouter:
		e.call, e.limits, err = openAIEmbeddings(o, client)
	case Gemini:
		e.call, e.limits, err = geminiEmbeddings(o, client)
	case Ollama:
		e.call, e.limits, err = ollamaEmbeddings(o, client)
	default:
		err = fmt.Errorf("no provider %q: choose one of %s", o.Provider, strings.Join(Providers(), ", "))
	}
	if err != nil {
		return nil, e.scrub(err)
	}
	return e, nil
}

// Name returns the provider and the model.
func (e *Embedder) Name() string { return e.name }

// Dimension returns the length of the vectors. Of a model that is not known it asks the provider once, by embedding one word.
func (e *Embedder) Dimension(ctx context.Context) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.dimension > 0 {
		return e.dimension, nil
	}
	vectors, err := e.batch(ctx, []string{"dimension"}, false)
	if err != nil {
		return 0, err
	}
	if len(vectors[0]) == 0 {
		return 0, errors.New("the vector that came back is empty: this is not an embedding model")
	}
	e.dimension = len(vectors[0])
	return e.dimension, nil
}

// Embed returns the vectors of texts, in their order. It retries what is worth it, and slows down when the provider says so.
func (e *Embedder) Embed(ctx context.Context, texts []string) ([][]float32, error) {
	out := make([][]float32, len(texts))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(e.limits.parallel)
	at := 0
	for _, batch := range batches(texts, e.limits) {
		start := at
		at += len(batch)
		group.Go(func() error {
			vectors, err := e.batch(gctx, batch, false)
			copy(out[start:], vectors)
			return err
		})
	}
	err := group.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// EmbedQuery returns the vector of a question. It gives up after 20 seconds: somebody waits for the answer.
func (e *Embedder) EmbedQuery(ctx context.Context, text string) ([]float32, error) {
	limited, cancel := context.WithTimeout(ctx, questionTimeout)
	defer cancel()
	vectors, err := e.batch(limited, []string{text}, true)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case limited.Err() != nil:
		return nil, fmt.Errorf("no answer within %v", questionTimeout)
	case err != nil:
		return nil, err
	}
	return vectors[0], nil
}

func (e *Embedder) batch(ctx context.Context, texts []string, question bool) ([][]float32, error) {
	vectors, err := e.call(ctx, texts, question)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err == nil && len(vectors) != len(texts) {
		err = fmt.Errorf("%d vectors came back for %d texts", len(vectors), len(texts))
	}
	if err != nil {
		return nil, e.scrub(err)
	}
	return vectors, nil
}

// scrub takes the key out of an error: some servers repeat what they were sent.
func (e *Embedder) scrub(err error) error {
	if e.key == "" || !strings.Contains(err.Error(), e.key) {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), e.key, "***"))
}

// batches cuts a list into pieces within the limits. Empty texts, which some providers refuse, become a dash.
func batches(texts []string, l limits) [][]string {
	texts = slices.Clone(texts)
	var out [][]string
	start, size := 0, 0
	for i := range texts {
		if strings.TrimSpace(texts[i]) == "" {
			texts[i] = "-"
		}
		if i > start && (i-start == l.texts || size+len(texts[i]) > l.bytes) {
			out = append(out, texts[start:i])
			start, size = i, 0
		}
		size += len(texts[i])
	}
	if start < len(texts) {
		out = append(out, texts[start:])
	}
	return out
}
