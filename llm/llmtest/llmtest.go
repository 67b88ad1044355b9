// Package llmtest has an in-process fake of the providers' HTTP APIs, as far as package llm uses them, for tests. It listens on
// this machine's loopback and understands nothing: vectors are made of the letters of a text, always the same way.
package llmtest

import (
	"encoding/json"
	"hash/fnv"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/fault-project/fault/llm"
)

// Key is the one that the fake accepts; another one is answered with 401 and repeated in the message.
const Key = "sk-fake-0123456789"

// modelDimension is the length of vectors unless a request wants another one.
const modelDimension = 8

// Request is one that was answered with vectors.
type Request struct {
	Provider, Model, Task string
	Texts                 []string
	Dimension             int
}

// Server is a fake of all providers at once.
type Server struct {
	server *httptest.Server

	mu       sync.Mutex
	requests []Request
	calls    int
	fail     func(call int) (status int, header http.Header, body string)
}

// New starts a fake that ends with the test.
func New(t testing.TB) *Server {
	s := &Server{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/embeddings", s.openAI)
	mux.HandleFunc("POST /api/embed", s.ollama)
	mux.HandleFunc("POST /v1beta/models/{call}", s.gemini)
	s.server = httptest.NewServer(mux)
	t.Cleanup(s.server.Close)
	return s
}

// BaseURL returns the address to give to package llm for a provider.
func (s *Server) BaseURL(provider string) string {
	if provider == llm.OpenAI || provider == llm.OpenRouter {
		return s.server.URL + "/v1"
	}
	return s.server.URL
}

// Fail sets what decides about each call, counted from 1, before it is answered: a status other than 0 is the answer.
func (s *Server) Fail(f func(call int) (status int, header http.Header, body string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = f
}

// Calls returns how many calls there were, and Requests those that were answered with vectors.
func (s *Server) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// Requests returns the calls that were answered with vectors.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// Vector returns what the fake makes of a text.
func Vector(text string, dimension int) []float32 {
	if dimension == 0 {
		dimension = modelDimension
	}
	out := make([]float32, dimension)
	for i := range out {
		h := fnv.New32a()
		_, _ = h.Write([]byte{byte(i)}) // never fails
		_, _ = h.Write([]byte(text))
		out[i] = float32(h.Sum32()%1000)/1000 + 0.001
	}
	return out
}

// begin reads a request, and reports whether it is to be answered with vectors.
func (s *Server) begin(w http.ResponseWriter, r *http.Request, key string, into any) bool {
	s.mu.Lock()
	s.calls++
	call, fail := s.calls, s.fail
	s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, into)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	if key != Key {
		w.WriteHeader(http.StatusUnauthorized)
		answer(w, map[string]any{"error": map[string]any{"message": "the key " + key + " is wrong", "code": http.StatusUnauthorized}})
		return false
	}
	if fail == nil {
		return true
	}
	status, header, text := fail(call)
	if status == 0 {
		return true
	}
	for name, values := range header {
		w.Header()[name] = values
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // the client may be gone
	return false
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}

func (s *Server) vectors(r Request) [][]float32 {
	s.mu.Lock()
	s.requests = append(s.requests, r)
	s.mu.Unlock()
	out := make([][]float32, len(r.Texts))
	for i, text := range r.Texts {
		out[i] = Vector(text, r.Dimension)
	}
	return out
}

func (s *Server) openAI(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Model      string
		Input      []string
		Dimensions int
	}
	if !s.begin(w, r, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), &in) {
		return
	}
	type item struct {
		Object    string    `json:"object"`
		Index     int       `json:"index"`
		Embedding []float32 `json:"embedding"`
	}
	var data []item
	for i, v := range s.vectors(Request{Provider: llm.OpenAI, Model: in.Model, Texts: in.Input, Dimension: in.Dimensions}) {
		data = append(data, item{"embedding", i, v})
	}
	answer(w, map[string]any{"object": "list", "data": data, "model": in.Model})
}

func (s *Server) ollama(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Model      string
		Input      []string
		Dimensions int
	}
	if !s.begin(w, r, Key, &in) {
		return
	}
	answer(w, map[string]any{
		"model":      in.Model,
		"embeddings": s.vectors(Request{Provider: llm.Ollama, Model: in.Model, Texts: in.Input, Dimension: in.Dimensions}),
	})
}

func (s *Server) gemini(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Requests []struct {
			Content              struct{ Parts []struct{ Text string } }
			TaskType             string
			OutputDimensionality int
		}
	}
	model, ok := strings.CutSuffix(r.PathValue("call"), ":batchEmbedContents")
	if !ok {
		http.NotFound(w, r)
		return
	}
	if !s.begin(w, r, r.Header.Get("X-Goog-Api-Key"), &in) {
		return
	}
	request := Request{Provider: llm.Gemini, Model: model}
	for _, one := range in.Requests {
		request.Task, request.Dimension = one.TaskType, one.OutputDimensionality
		for _, part := range one.Content.Parts {
			request.Texts = append(request.Texts, part.Text)
		}
	}
	type values struct {
		Values []float32 `json:"values"`
	}
	var embeddings []values
	for _, v := range s.vectors(request) {
		embeddings = append(embeddings, values{v})
	}
	answer(w, map[string]any{"embeddings": embeddings})
}
