package llm_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/fault-project/fault/llm"
	"github.com/fault-project/fault/llm/llmtest"
)

func newEmbedder(t *testing.T, s *llmtest.Server, provider string, dimension int) *llm.Embedder {
	t.Helper()
	e, err := llm.NewEmbedder(llm.EmbedderOptions{
		Provider: provider, Model: "some-model", Dimension: dimension, Key: llmtest.Key, BaseURL: s.BaseURL(provider),
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// The providers' own clients, against the fake.
func TestEmbed(t *testing.T) {
	for _, provider := range llm.Providers() {
		t.Run(provider, func(t *testing.T) {
			s := llmtest.New(t)
			e := newEmbedder(t, s, provider, 0)
			if e.Name() != provider+":some-model" || s.Calls() != 0 {
				t.Errorf("name %s, %d calls before the first", e.Name(), s.Calls())
			}
			if n, err := e.Dimension(t.Context()); n != 8 || err != nil {
				t.Fatalf("dimension %d, %v", n, err)
			}
			var texts []string
			for i := range 300 {
				texts = append(texts, strings.Repeat("x", i+1))
			}
			vectors, err := e.Embed(t.Context(), texts)
			if err != nil || len(vectors) != 300 {
				t.Fatalf("%d vectors, %v", len(vectors), err)
			}
			for i := range texts {
				if !slices.Equal(vectors[i], llmtest.Vector(texts[i], 0)) {
					t.Fatalf("vector %d is %v", i, vectors[i])
				}
			}
			if len(s.Requests()) < 4 {
				t.Errorf("%d requests for 300 texts and a dimension", len(s.Requests()))
			}
			if v, err := e.EmbedQuery(t.Context(), "where"); err != nil || !slices.Equal(v, llmtest.Vector("where", 0)) {
				t.Errorf("question %v, %v", v, err)
			}
			last := s.Requests()[len(s.Requests())-1]
			if last.Model != "some-model" || provider == llm.Gemini && last.Task != "CODE_RETRIEVAL_QUERY" {
				t.Errorf("request %+v", last)
			}
			if n, err := e.Dimension(t.Context()); n != 8 || err != nil || len(s.Requests()) == 0 {
				t.Errorf("dimension again %d, %v", n, err)
			}
			small := newEmbedder(t, s, provider, 3)
			calls := s.Calls()
			if n, err := small.Dimension(t.Context()); n != 3 || err != nil || s.Calls() != calls {
				t.Errorf("dimension %d, %v, %d calls", n, err, s.Calls()-calls)
			}
			if v, err := small.Embed(t.Context(), []string{"a"}); err != nil || len(v) != 1 || len(v[0]) != 3 {
				t.Errorf("three dimensions: %v, %v", v, err)
			}
			if v, err := e.Embed(t.Context(), []string{" "}); err != nil || len(v) != 1 {
				t.Errorf("blank text: %v, %v", v, err)
			}
		})
	}
}

func TestKeysStayOutOfErrors(t *testing.T) {
	for _, provider := range []string{llm.OpenAI, llm.OpenRouter, llm.Gemini} {
		s := llmtest.New(t)
		e, err := llm.NewEmbedder(llm.EmbedderOptions{Provider: provider, Model: "m", Key: "sk-secret", BaseURL: s.BaseURL(provider)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = e.Embed(t.Context(), []string{"a"})
		if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "401") || !strings.Contains(err.Error(), "***") {
			t.Errorf("%s: %v", provider, err)
		}
		if s.Calls() != 1 {
			t.Errorf("%s: a wrong key was tried %d times", provider, s.Calls())
		}
	}
}

func TestRefused(t *testing.T) {
	for says, o := range map[string]llm.EmbedderOptions{
		"set OPENAI_API_KEY":     {Provider: llm.OpenAI, Model: "m"},
		"set OPENROUTER_API_KEY": {Provider: llm.OpenRouter, Model: "m"},
		"set GEMINI_API_KEY":     {Provider: llm.Gemini, Model: "m"},
		"no embedding model":     {Provider: llm.Ollama},
		"no provider":            {Provider: "x", Model: "m"},
		"cannot be -1":           {Provider: llm.Ollama, Model: "m", Dimension: -1},
		"is not a URL":           {Provider: llm.Ollama, Model: "m", BaseURL: "nowhere"},
	} {
		if _, err := llm.NewEmbedder(o); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestCanceledWhileTheProviderHoldsBack(t *testing.T) {
	s := llmtest.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.Fail(func(int) (int, http.Header, string) {
		cancel()
		return http.StatusTooManyRequests, http.Header{"Retry-After": {"30"}}, "{}"
	})
	if _, err := newEmbedder(t, s, llm.OpenAI, 0).Embed(ctx, []string{"a"}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestUnreachable(t *testing.T) {
	e, err := llm.NewEmbedder(llm.EmbedderOptions{
		Provider: llm.OpenAI, Model: "m", Key: "k-long", BaseURL: "http://nowhere.test/v1", Transport: unreachable{},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Embed(t.Context(), []string{"a"}); err == nil || err.Error() != "reach nowhere.test: dial tcp: no route" {
		t.Errorf("error %v", err)
	}
}

type unreachable struct{}

func (unreachable) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("no route")}
}
