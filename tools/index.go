package tools

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/fault-project/fault/rag"
)

// Places is where the indexes of folders are kept.
type Places struct {
	// Open returns the store of the index of a folder, which is absolute and has no symbolic links. Nothing is read or sent.
	Open func(root string) (rag.Store, error)
	// Has reports whether something is kept for a folder. It is nil where all folders have the same place.
	Has func(ctx context.Context, root string) (bool, error)
}

// Directories returns places that are directories, which open opens: dir (--index), which can hold one index, or if that is "" one for each
// indexed folder below the user's cache directory.
func Directories(dir string, open func(dir string) (rag.Store, error)) Places {
	if dir != "" {
		return Places{Open: func(string) (rag.Store, error) { return open(dir) }}
	}
	return Places{
		Open: func(root string) (rag.Store, error) {
			dir, err := rag.DefaultDir(root)
			if err != nil {
				return nil, err
			}
			return open(dir)
		},
		Has: func(_ context.Context, root string) (bool, error) {
			dir, err := rag.DefaultDir(root)
			if err != nil {
				return false, err
			}
			_, err = os.Stat(dir)
			return err == nil, nil
		},
	}
}

// Indexes opens the indexes of folders, and keeps those that it opened: what a search has loaded into memory serves the next one.
// It is safe for concurrent use.
type Indexes struct {
	places   Places
	embedder rag.Embedder

	mu     sync.Mutex
	byRoot map[string]*rag.Index
	last   string
}

// NewIndexes returns indexes with the vectors of embedder; nil means none. Nothing is opened before it is needed.
func NewIndexes(places Places, embedder rag.Embedder) *Indexes {
	return &Indexes{places: places, embedder: embedder, byRoot: map[string]*rag.Index{}}
}

// Embedder returns the name of the embedder, rag.NoEmbedder without one.
func (x *Indexes) Embedder() string {
	if x.embedder == nil {
		return rag.NoEmbedder
	}
	return x.embedder.Name()
}

// of returns the index of a folder, which is absolute and has no symbolic links.
func (x *Indexes) of(root string) (*rag.Index, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if index := x.byRoot[root]; index != nil {
		return index, nil
	}
	store, err := x.places.Open(root)
	if err != nil {
		return nil, err
	}
	index, err := rag.NewWithEmbedder(root, store, x.embedder)
	if err != nil {
		return nil, err
	}
	x.byRoot[root] = index
	return index, nil
}

// indexed remembers the folder that was indexed last.
func (x *Indexes) indexed(root string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.last = root
}

func (x *Indexes) lastIndexed() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.last
}

// around returns the folder at or above dir that has an index, and dir itself if there is none.
func (x *Indexes) around(ctx context.Context, dir string) (string, error) {
	if x.places.Has == nil {
		return dir, nil
	}
	for at := dir; ; at = filepath.Dir(at) {
		if there, err := x.places.Has(ctx, at); there || err != nil {
			return at, err
		}
		if filepath.Dir(at) == at {
			return dir, nil
		}
	}
}

// Index brings the index of a folder up to date. It is safe for concurrent use; updates of one folder wait for each other, in
// other processes, too.
type Index struct {
	files   *FileGuard
	indexes *Indexes
}

// NewIndex returns the operation; files decides what may be read.
func NewIndex(files *FileGuard, indexes *Indexes) *Index { return &Index{files, indexes} }

// IndexIn holds the arguments of [Index.Run].
type IndexIn struct {
	SourceDir string `json:"source_dir"`
	// Lang restricts the update to one language; what the index has of others stays.
	Lang string `json:"lang"`
	// Rebuild starts from nothing, instead of refusing an index of another version.
	Rebuild bool `json:"rebuild"`
	// DryRun changes nothing: what comes back is what an update would do, and how much an embedding model would be given.
	DryRun bool `json:"dry_run"`
	// Roots are the client's folders, nil when it declares none.
	Roots []string `json:"-"`
	// Progress, if set, is told how many files of how many are done. It is never called concurrently.
	Progress func(done, total float64, message string) `json:"-"`
}

// IndexOut is what [Index.Run] did.
type IndexOut struct {
	// Added, Modified, Removed and Unchanged count files.
	Added     int `json:"added"`
	Modified  int `json:"modified"`
	Removed   int `json:"removed"`
	Unchanged int `json:"unchanged"`
	// Failed counts files that could not be read; Failures names the first of them and why.
	Failed   int      `json:"failed"`
	Failures []string `json:"failures"`
	// Skipped counts what was left out, by reason; a folder counts once.
	Skipped map[string]int `json:"skipped"`
	// Files and Chunks are what the index has now.
	Files  int `json:"files"`
	Chunks int `json:"chunks"`
	// Bytes of source are what the index has now.
	Bytes   int64      `json:"bytes"`
	Vectors VectorsOut `json:"vectors"`
	// DryRun says that nothing of all this was done.
	DryRun bool `json:"-"`
	// SourceDir is the folder without symbolic links, Index where its index is kept.
	SourceDir string `json:"source_dir"`
	Index     string `json:"index"`
}

// VectorsOut is what an update gave to an embedding model.
type VectorsOut struct {
	// Embedder names the model, "none" without one.
	Embedder string `json:"embedder"`
	// Embedded pieces of code, of about Tokens tokens, got a vector; Reused pieces had one already.
	Embedded int `json:"embedded"`
	Reused   int `json:"reused"`
	Tokens   int `json:"tokens"`
}

// Text is "done", or after a dry run what would be done.
func (o *IndexOut) Text() string {
	if !o.DryRun {
		return "done"
	}
	text := fmt.Sprintf("would index %d files (%d added, %d modified, %d removed), %d bytes, %d pieces of code",
		o.Files, o.Added, o.Modified, o.Removed, o.Bytes, o.Chunks)
	if v := o.Vectors; v.Embedded > 0 {
		text += fmt.Sprintf("; %s would be given %d of them, about %d tokens", v.Embedder, v.Embedded, v.Tokens)
	}
	return text
}

// Arguments lists the arguments.
func (t *Index) Arguments() []Argument {
	return []Argument{
		{Name: "source_dir", Type: "string", Required: true, Usage: "absolute path of the folder with the source code, plain or file://"},
		languageArgument,
		{Name: "rebuild", Type: "boolean", Default: "false", Usage: "start from nothing instead of updating what has changed"},
		{
			Name: "dry_run", Type: "boolean", Default: "false",
			Usage: "change nothing: say what there is to index, and about how many tokens to embed",
		},
	}
}

// Run updates the index. It blocks for as long as that takes; a cancelled context ends it at once, and what was done so far is used
// by the next run. Wrong arguments, and a folder without anything to index, are a *[UserError].
func (t *Index) Run(ctx context.Context, in IndexIn) (*IndexOut, error) {
	lang, err := language("lang", in.Lang)
	if err != nil {
		return nil, err
	}
	folder, err := t.files.folder("source_dir", in.SourceDir, in.Roots)
	if err != nil {
		return nil, err
	}
	index, err := t.indexes.of(folder.path)
	if err != nil {
		return nil, err
	}
	options := rag.Options{Language: lang, Rebuild: in.Rebuild, DryRun: in.DryRun}
	if in.Progress != nil {
		options.Progress = func(done, total int, message string) { in.Progress(float64(done), float64(total), message) }
	}
	s, err := index.Update(ctx, options)
	if err != nil {
		return nil, indexError(ctx, "source_dir", err)
	}
	if !in.DryRun {
		t.indexes.indexed(folder.path)
	}
	if s.Failures == nil {
		s.Failures = []string{}
	}
	return &IndexOut{
		Added: s.Added, Modified: s.Modified, Removed: s.Removed, Unchanged: s.Unchanged, Failed: s.Failed, Failures: s.Failures,
		Skipped: s.Skipped, Files: s.Files, Chunks: s.Chunks, Bytes: s.Bytes, DryRun: in.DryRun,
		Vectors:   VectorsOut{Embedder: index.Embedder(), Embedded: s.Embedded, Reused: s.Reused, Tokens: s.Tokens},
		SourceDir: index.Root(), Index: index.Location(),
	}, nil
}

// indexError turns what the caller can put right into a *[UserError].
func indexError(ctx context.Context, argument string, err error) error {
	var empty *rag.EmptyError
	var embed *rag.EmbedError
	var refused *rag.StoreError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &empty):
		return &UserError{
			Argument: argument, Message: err.Error(), Hint: "give a folder with source code; parsed are " + joinLanguages(),
		}
	case errors.As(err, &embed):
		return &UserError{
			Message: err.Error(),
			Hint:    "what was done so far is kept for the next time; put the model right, or use none (--llm-embed-model none)",
		}
	case errors.As(err, &refused):
		return &UserError{Message: refused.Message, Hint: refused.Hint}
	case errors.Is(err, rag.ErrMismatch), errors.Is(err, rag.ErrDamaged):
		return &UserError{Message: err.Error()}
	}
	return err
}
