package qdrant

import (
	"cmp"
	"context"
	"slices"

	"github.com/fault-project/fault/rag"
)

// file is what an index has of one file.
type file struct {
	Record rag.FileRecord
	// Session is the update that wrote the texts of its chunks.
	Session uint64
}

func (f *file) covers(id uint32) bool {
	return id >= f.Record.FirstID && uint64(id) < uint64(f.Record.FirstID)+uint64(f.Record.Chunks)
}

// chunk returns a chunk of the file, without its text.
func (f *file) chunk(c *chunk) rag.Chunk {
	return rag.Chunk{
		ID: c.ID, Path: f.Record.Path, Language: f.Record.Language, Kind: c.Kind, Name: c.Name, StartLine: c.StartLine, EndLine: c.EndLine,
		Header: c.Header, Routes: c.Routes,
	}
}

// texts returns the IDs of the points of a file's chunks.
func (f *file) texts() []uint64 {
	out := make([]uint64, f.Record.Chunks)
	for i := range out {
		out[i] = pointID(f.Session, kindText, f.Record.FirstID+uint32(i))
	}
	return out
}

// chunk is what a search needs of every chunk. Path and language are those of the file.
type chunk struct {
	ID                 uint32
	Kind, Name         string
	StartLine, EndLine int
	Header, Routes     string
	// Vector is the number of its vector in the table, counted from 1; 0 means none.
	Vector uint32
}

// chunkTable is what is published of chunks.
type chunkTable struct {
	// Chunks is ordered by ID.
	Chunks []chunk
	// Vectors has the IDs of the vectors' points, in the order in which they were made.
	Vectors []uint64
}

// batch is what a Commit did, beside texts and vectors.
type batch struct {
	Remove []string
	Put    []rag.FileRecord
	Chunks []committed
	// Vectors are new ones.
	Vectors []vector
}

// committed is a chunk of a batch, which belongs to the file that has its ID.
type committed struct {
	Chunk chunk
	Key   rag.VectorKey
}

// vector is where a vector is.
type vector struct {
	Key   rag.VectorKey
	Point uint64
}

// ordered returns files by their chunks, those without chunks first.
func ordered(files map[string]*file) []file {
	out := make([]file, 0, len(files))
	for _, f := range files {
		out = append(out, *f)
	}
	slices.SortFunc(out, func(a, b file) int {
		return cmp.Or(cmp.Compare(a.Record.FirstID, b.Record.FirstID), cmp.Compare(a.Record.Chunks, b.Record.Chunks),
			cmp.Compare(a.Record.Path, b.Record.Path))
	})
	return out
}

// eachChunk calls do with each chunk and its file, leaving out those that no file covers. files and chunks are ordered.
func eachChunk(files []file, chunks []chunk, do func(f *file, c *chunk)) {
	at := 0
	for i := range chunks {
		id := chunks[i].ID
		for at < len(files) && uint64(files[at].Record.FirstID)+uint64(files[at].Record.Chunks) <= uint64(id) {
			at++
		}
		if at < len(files) && files[at].covers(id) {
			do(&files[at], &chunks[i])
		}
	}
}

// addTexts sets the text of chunks whose points are known. It returns errMissing when one is gone.
func (s *Store) addTexts(ctx context.Context, chunks []*rag.Chunk, ids []uint64) error {
	points, err := s.get(ctx, ids, false)
	if err != nil {
		return err
	}
	for i, c := range chunks {
		p := points[ids[i]]
		if p == nil {
			return errMissing
		}
		c.Text = p.GetPayload()[fieldText].GetStringValue()
	}
	return nil
}

// readBatches reads what was committed and not published.
func (s *Store) readBatches(ctx context.Context, b *building, do func(session uint64, b *batch)) error {
	for _, segment := range b.Segments {
		for n := range segment.Batches {
			id := pointID(segment.Session, kindBatch, segment.First+n)
			points, err := s.get(ctx, []uint64{id}, false)
			if err != nil {
				return err
			}
			var read batch
			data, err := dataOf(points[id])
			if err == nil {
				err = unpack(data, &read)
			}
			if err != nil {
				return s.damaged("what an unfinished update wrote", err)
			}
			do(segment.Session, &read)
		}
	}
	return nil
}
