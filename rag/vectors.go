package rag

import (
	"context"
	"errors"
	"fmt"
)

// EmbeddingMessage begins the messages of progress that are not the path of a file.
const EmbeddingMessage = "embedding "

// want notes that a chunk needs a vector.
func (u *update) want(c *Chunk) {
	if u.embedded[c.Key] {
		u.summary.Reused++
		return
	}
	u.embedded[c.Key] = true
	text := embedText(c)
	u.toEmbed = append(u.toEmbed, text)
	u.toEmbedKeys = append(u.toEmbedKeys, c.Key)
	u.summary.Embedded++
	u.summary.Tokens += tokens(text)
}

// embed makes the vectors of the batch, so that no row is written whose vector is missing.
func (u *update) embed(ctx context.Context) error {
	if len(u.toEmbed) == 0 {
		return nil
	}
	if !u.options.DryRun {
		u.progress(fmt.Sprintf(EmbeddingMessage+"%d pieces of code with %s, about %d tokens so far",
			len(u.toEmbed), u.embedder.Name(), u.summary.Tokens))
		vectors, err := embedAll(ctx, u.embedder, u.dimension, u.toEmbed)
		if err != nil {
			return err
		}
		u.batch.Vectors = make([]Vector, len(vectors))
		for i := range vectors {
			u.batch.Vectors[i] = Vector{Key: u.toEmbedKeys[i], Values: vectors[i]}
		}
	}
	u.toEmbed, u.toEmbedKeys = nil, nil
	return nil
}

// beginDry is Store.Begin for an update that changes nothing, and leaves nothing where there is no index yet.
func (x *Index) beginDry(ctx context.Context, m Manifest, rebuild bool) (*Base, Writer, error) {
	empty := &Base{
		Lexical:  func(context.Context) ([]byte, error) { return nil, nil },
		Embedded: func(context.Context) (map[VectorKey]bool, error) { return map[VectorKey]bool{}, nil },
	}
	if rebuild {
		return empty, dryWriter{}, nil
	}
	if _, err := x.store.Load(ctx, 0); errors.Is(err, ErrNoIndex) {
		return empty, dryWriter{}, nil
	} else if err != nil {
		return nil, nil, err
	}
	base, w, err := x.store.Begin(ctx, m, false)
	if err != nil {
		return nil, nil, err
	}
	return base, dryWriter{w}, nil
}

// dryWriter writes nothing. The writer that it has, if any, only keeps other updates out.
type dryWriter struct{ Writer }

func (dryWriter) Commit(context.Context, Batch) error { return nil }

func (dryWriter) Publish(context.Context, []byte) error { return nil }

func (w dryWriter) Close() error {
	if w.Writer == nil {
		return nil
	}
	return w.Writer.Close()
}
