// Package indexflags has the options that say where the code index is kept, alike for all commands that use one, and the errors that
// these commands have in common.
package indexflags

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"

	"github.com/fault-project/fault/cmd/internal/cli"
	"github.com/fault-project/fault/cmd/internal/cli/modelflags"
	"github.com/fault-project/fault/rag"
	"github.com/fault-project/fault/rag/duckdb"
	"github.com/fault-project/fault/rag/qdrant"
	"github.com/fault-project/fault/tools"
)

// Options are what was chosen.
type Options struct {
	// Index is the directory of the one index, "" for one of each repository in the user's cache directory.
	Index string
	// QdrantURL is the server that keeps indexes instead, "" for none; the others belong to it.
	QdrantURL        string
	QdrantKey        string
	QdrantCollection string
}

// Add adds the flags.
func (o *Options) Add(flags cli.Flags) {
	flags.String(&o.Index, "index", "FAULT_INDEX", "",
		"keep the code index in `DIR`; without it one for each repository in the user's cache directory")
	flags.String(&o.QdrantURL, "qdrant-url", "FAULT_QDRANT_URL", "",
		"keep the code index in the Qdrant server at `URL`, one for each repository and embedding model: http://HOST:6334, or https:// "+
			"for TLS (the gRPC port); --index on the command line beats this in the environment")
	flags.String(&o.QdrantKey, "qdrant-api-key", "FAULT_QDRANT_API_KEY", "",
		"give `KEY` to the Qdrant server; other users see a command line, so use the variable")
	flags.String(&o.QdrantCollection, "qdrant-collection", "FAULT_QDRANT_COLLECTION", "",
		"keep the index in the collection `NAME`, whatever the directory: for clones of one repository on several machines")
}

// Check returns an error for flags that do not go together. set reports whether the command line itself has a flag: what it says beats the
// environment, and only where both come from the same side they contradict each other.
func (o *Options) Check(set func(flag string) bool) error {
	if o.Index != "" && o.QdrantURL != "" {
		switch index, server := set("index"), set("qdrant-url"); {
		case index && !server:
			o.QdrantURL = ""
		case server && !index:
			o.Index = ""
		default:
			return cli.Usagef("give one of them", "--index and --qdrant-url: an index is kept in one place")
		}
	}
	if o.QdrantURL == "" && set("qdrant-collection") {
		return cli.Usagef("say where the server is with --qdrant-url", "--qdrant-collection: there is no server")
	}
	return nil
}

// Indexes returns the indexes with the vectors of the model that was chosen, and what closes them. Nothing is opened or sent.
func (o *Options) Indexes(f *cli.Factory, models *modelflags.Options) (indexes *tools.Indexes, done func(), err error) {
	embedder, err := models.Embedder(f.Getenv)
	if err != nil {
		return nil, nil, err
	}
	if o.QdrantURL == "" {
		return tools.NewIndexes(tools.Directories(o.Index, duckdb.Open), embedder), func() {}, nil
	}
	server, err := qdrant.Dial(qdrant.Options{URL: o.QdrantURL, Key: o.QdrantKey, Collection: o.QdrantCollection})
	if err != nil {
		return nil, nil, cli.Usagef("", "--qdrant-url: %v", err)
	}
	if o.QdrantKey != "" && !server.Secure() && !loopback(server.URL()) {
		f.Log.Warn("the API key goes to the Qdrant server unencrypted; use https://", "server", server.URL())
	}
	name := rag.NoEmbedder
	if embedder != nil {
		name = embedder.Name()
	}
	places := tools.Places{Open: func(root string) (rag.Store, error) { return server.Store(root, name), nil }}
	if o.QdrantCollection == "" {
		places.Has = func(ctx context.Context, root string) (bool, error) { return server.Has(ctx, root, name) }
	}
	return tools.NewIndexes(places, embedder), func() {
		if err := server.Close(); err != nil {
			f.Log.Debug("close the connection to Qdrant", "error", err)
		}
	}, nil
}

// loopback reports whether a server is on this machine.
func loopback(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// Error puts the errors of the operations in the words of the command line, and marks those about an argument as ones of usage. doing is
// what the command does with a directory ("index").
func Error(doing string, err error) error {
	var user *tools.UserError
	if !errors.As(err, &user) {
		if hint := cli.PathHint(err, "keep the index elsewhere with --index DIR"); hint != "" {
			return cli.Failf(hint, "%w", err)
		}
		return err
	}
	switch user.Argument {
	case "lang":
		return cli.Usagef(user.Hint, "--lang: %s", user.Message)
	case "--allow-dir":
		return cli.Usagef("give an existing directory", "cannot %s %s", doing, user.Message)
	}
	return cli.Failf(user.Hint, "%s", strings.ReplaceAll(user.Message, "with rebuild", "with --rebuild"))
}
