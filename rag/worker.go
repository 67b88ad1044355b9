package rag

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"time"

	"github.com/fault-project/fault/treesitter"
)

// read is what a worker found out about a file.
type read struct {
	record FileRecord
	chunks []Chunk
	terms  [][]counted
	bytes  int
	// same says that the content is what the index has; err that the file could not be read.
	same bool
	err  error
}

// worker reads files on one goroutine.
type worker struct {
	root      *os.Root
	tokenizer *tokenizer
	language  string
	// keys says that the chunks need the keys of their vectors.
	keys bool
}

// read returns what there is to know of a file. The error is one that ends the update; that of the file is in the result.
func (w *worker) read(ctx context.Context, f found, old FileRecord) (read, error) {
	r := read{record: FileRecord{Path: f.path, Size: f.size, ModTime: f.modTime, Language: f.language, Seen: time.Now().UnixNano()}}
	data, info, err := readFile(w.root, f.path, MaxFileBytes+1)
	if err != nil {
		r.err = err
		return r, ctx.Err()
	}
	r.record.Size, r.record.ModTime, r.bytes = info.Size(), info.ModTime().UnixNano(), len(data)
	r.record.Hash = sha256.Sum256(data)
	if old.Path == f.path && old.Hash == r.record.Hash {
		r.same = true
		return r, ctx.Err()
	}
	if r.record.Language == "" {
		if l, ok := treesitter.LanguageOf(f.path, data); ok {
			r.record.Language = string(l)
		}
	}
	switch {
	case len(data) > MaxFileBytes:
		r.record.Skipped = SkipLarge
	case r.record.Language == "":
		r.record.Skipped = SkipUnsupported
	case w.language != "" && r.record.Language != w.language:
		r.record.Skipped, r.record.Language = SkipOtherLanguage, ""
	default:
		r.record.Skipped = skipContent(data)
	}
	if r.record.Skipped != "" {
		return r, ctx.Err()
	}
	r.chunks, err = cutFile(ctx, f.path, r.record.Language, data)
	if ctx.Err() != nil {
		return r, ctx.Err() // also when the cut was complete: what follows must not see half a result
	}
	if errors.Is(err, treesitter.ErrNoCgo) {
		return r, err
	}
	r.err = err
	r.terms = make([][]counted, len(r.chunks))
	for i := range r.chunks {
		r.terms[i] = w.tokenizer.count(&r.chunks[i])
		if w.keys {
			r.chunks[i].Key = keyOf(embedText(&r.chunks[i]))
		}
	}
	return r, ctx.Err()
}
