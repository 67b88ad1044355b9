//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/fault-project/fault/rag"
	"github.com/fault-project/fault/rag/qdrant"
	"github.com/fault-project/fault/rag/qdrant/qdranttest"
	"github.com/fault-project/fault/rag/ragtest"
)

// faultWith runs fault with additions to the environment.
func faultWith(t *testing.T, env []string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary(t), args...)
	cmd.Env = append(environment(t), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	_ = cmd.Run() // the exit code is part of the result
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// tree is a real tree to index: a copy of a part of this repository.
func tree(t *testing.T, from string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tree")
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestQdrantIndexAndSearch(t *testing.T) {
	server := qdranttest.New(t, qdranttest.Options{Key: "sesame"})
	dir := tree(t, "../rag")
	for _, model := range []string{"none", "hash"} {
		env := []string{"FAULT_QDRANT_URL=" + server.URL(), "FAULT_QDRANT_API_KEY=sesame", "FAULT_AGENT_EMBED_MODEL=" + model}
		if r := faultWith(t, env, "search", "mergeLexical", "--dir", dir); r.code != 1 || !strings.Contains(r.stderr, "is not indexed yet") {
			t.Errorf("%s: search before: %+v", model, r)
		}
		r := faultWith(t, env, "index", dir)
		if r.code != 0 || !strings.Contains(r.stdout, "kept in "+server.URL()+", collection fault-tree-"+model) {
			t.Fatalf("%s: index: %+v", model, r)
		}
		t.Logf("%s\n%d points", r.stdout, server.Points())
		// Below the indexed directory, too.
		for _, at := range []string{dir, filepath.Join(dir, "duckdb")} {
			r = faultWith(t, env, "search", "removeDatabase", "--dir", at, "--limit", "1")
			if r.code != 0 || !strings.Contains(r.stdout, "store.go:") || !strings.Contains(r.stdout, "func removeDatabase(path string) error {") {
				t.Errorf("%s: search in %s: %+v", model, at, r)
			}
		}
		if r = faultWith(t, env, "index", dir); r.code != 0 || !strings.Contains(r.stdout, "0 added, 0 modified, 0 removed") {
			t.Errorf("%s: index again: %+v", model, r)
		}
	}
}

// An indexing process is killed after each of its first batches: a search never sees half an index, and the next run goes on.
func TestQdrantKilled(t *testing.T) {
	var stopAt, upserts atomic.Int64
	reached := make(chan struct{}, 1000)
	server := qdranttest.New(t, qdranttest.Options{Before: func(ctx context.Context, call string) error {
		if at := stopAt.Load(); call == "Points/Upsert" && at > 0 && upserts.Add(1) >= at {
			reached <- struct{}{}
			<-ctx.Done() // until the process is killed
			return ctx.Err()
		}
		return nil
	}})
	env := []string{"FAULT_QDRANT_URL=" + server.URL(), "FAULT_AGENT_EMBED_MODEL=hash"}
	dir := tree(t, "../proxyengine")
	for i, at := range []int64{7, 3} {
		stopAt.Store(at)
		upserts.Store(0)
		cmd := exec.Command(binary(t), "index", dir)
		cmd.Env = append(environment(t), env...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-reached:
		case <-time.After(time.Minute):
			t.Fatal("no upsert came")
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		stopAt.Store(0)
		r := faultWith(t, env, "search", "NewRelay", "--dir", dir)
		if i == 0 && (r.code != 1 || !strings.Contains(r.stderr, "is not indexed yet")) || i > 0 && r.code != 0 {
			t.Errorf("search after kill %d: %+v", i, r)
		}
		r = faultWith(t, env, "index", dir)
		if r.code != 0 {
			t.Fatalf("index after kill %d: %+v", i, r)
		}
		t.Logf("after a kill at upsert %d:\n%s", at, r.stdout)
		if r = faultWith(t, env, "search", "NewRelay", "--dir", dir, "--limit", "1"); r.code != 0 || !strings.Contains(r.stdout, "func NewRelay(") {
			t.Errorf("search after index %d: %+v", i, r)
		}
		// All of it again, in the next round.
		touched := 0
		err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") {
				return err
			}
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			touched++
			_, err = fmt.Fprintf(f, "\nfunc round%dOf%d() {}\n", i, touched)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestQdrantRefusals(t *testing.T) {
	dir := tree(t, "../internal")
	web := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate
	defer web.Close()
	certificate := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	server := qdranttest.New(t, qdranttest.Options{Key: "sesame", TLS: &tls.Config{Certificates: web.TLS.Certificates}})
	trust := "SSL_CERT_FILE=" + certificate
	for _, tt := range []struct {
		url  string
		env  []string
		args []string
		code int
		says string
	}{
		{server.URL(), []string{trust}, []string{"--qdrant-api-key", "sesame"}, 0, ""},
		{server.URL(), []string{trust}, nil, 1, "wants an API key"},
		{server.URL(), []string{trust, "FAULT_QDRANT_API_KEY=swordfish"}, nil, 1, "refuses the API key"},
		{server.URL(), nil, nil, 1, "cannot be trusted"},
		{strings.Replace(server.URL(), "https", "http", 1), nil, nil, 1, "write https://"},
		{web.URL, []string{trust}, nil, 1, "gRPC"},
		{"http://" + local(freePort(t)), nil, nil, 1, "connection refused"},
		{"nonsense", nil, nil, 2, "--qdrant-url"},
		{server.URL(), nil, []string{"--index", dir}, 2, "--index and --qdrant-url"},
	} {
		for _, command := range [][]string{{"index", dir}, {"search", "word", "--dir", dir}} {
			r := faultWith(t, tt.env, append(append(command, "--qdrant-url", tt.url), tt.args...)...)
			if r.code != tt.code || !strings.Contains(r.stderr, tt.says) || strings.Contains(r.stdout+r.stderr, "swordfish") {
				t.Errorf("%s of %s: %+v, want %d, %q", command[0], tt.url, r, tt.code, tt.says)
			}
		}
	}
}

// The test server answers what fault asks it for as Qdrant's own client does in its ":memory:" mode.
func TestQdrantServerIsLikeTheReal(t *testing.T) {
	python, err := filepath.Abs("../.venv/qdrant/bin/python")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(python); err != nil {
		missing(t, "Qdrant's Python client is not installed in .venv/qdrant: %v", err)
	}
	record, err := os.Create(filepath.Join(t.TempDir(), "record"))
	if err != nil {
		t.Fatal(err)
	}
	lines := json.NewEncoder(record)
	server := qdranttest.New(t, qdranttest.Options{Record: func(call string, request, response proto.Message, err error) {
		line := struct {
			Call     string `json:"call"`
			Request  []byte `json:"request"`
			Response []byte `json:"response"`
			Error    string `json:"error"`
		}{Call: call}
		line.Request, _ = proto.Marshal(request)
		if err != nil {
			line.Error = err.Error()
		} else {
			line.Response, _ = proto.Marshal(response)
		}
		if err := lines.Encode(line); err != nil {
			t.Error(err)
		}
	}})
	dir := tree(t, "../rag/duckdb")
	for _, model := range []string{"none", "hash"} {
		env := []string{"FAULT_QDRANT_URL=" + server.URL(), "FAULT_AGENT_EMBED_MODEL=" + model}
		for i, args := range [][]string{
			{"search", "x", "--dir", dir},
			{"index", dir},
			{"index", dir},
			{"search", "remove a database", "--dir", dir},
			{"search", "generations", "--dir", dir, "--path", "store.go"},
			{"index", dir},
			{"index", dir, "--rebuild"},
			{"search", "databases", "--dir", dir},
		} {
			if i == 5 {
				if err := os.Remove(filepath.Join(dir, "vectors.go")); err != nil && model == "none" {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, "new.go"), []byte("package duckdb\n\nfunc added"+model+"() {}\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if r := faultWith(t, env, args...); r.code != 0 && i > 0 {
				t.Fatalf("%q: %+v", args, r)
			}
		}
	}
	// What all stores are tried with.
	ragtest.Run(t, func(t *testing.T) ragtest.Place {
		place := t.Name()
		return ragtest.Place{Open: func(t *testing.T, root, embedder string) rag.Store {
			client, err := qdrant.Dial(qdrant.Options{URL: server.URL()})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = client.Close() })
			return client.Store(place+root, embedder)
		}}
	})
	if err := record.Close(); err != nil {
		t.Fatal(err)
	}
	other := qdranttest.New(t, qdranttest.Options{})
	r := command(t, ".", python, "python/qdrant/compare.py", record.Name(), other.Addr.String())
	if r.code != 0 {
		t.Fatalf("compare.py: %s%s", r.stdout, r.stderr)
	}
	t.Log(r.stdout)
}
