package qdrant

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/qdrant/go-client/qdrant"

	"github.com/fault-project/fault/rag"
)

// averageSample is how many chunks stand for all where the mean of the vectors is wanted: its error is a sixteenth of the deviation.
const averageSample = 256

// remote reads texts and vectors of one published state. It implements rag.Remote.
type remote struct {
	store     *Store
	published *published
	files     []file // ordered by their chunks
	// vectorOf has for each chunk the number of its vector, from 1; vectors has the points of those.
	vectorOf []uint32
	vectors  []uint64
	// number has the number of each vector's point. The chunks of vector n are sharing[start[n-1]:start[n]].
	number  map[uint64]uint32
	start   []uint32
	sharing []uint32
	average []float32
}

// prepare finds out which chunks share a vector, and the mean of the vectors.
func (r *remote) prepare(ctx context.Context) error {
	if len(r.vectors) == 0 {
		return nil
	}
	r.number = make(map[uint64]uint32, len(r.vectors))
	for i, id := range r.vectors {
		r.number[id] = uint32(i + 1)
	}
	r.start = make([]uint32, len(r.vectors)+2)
	for _, n := range r.vectorOf {
		if int(n) > len(r.vectors) {
			return r.store.damaged("the table of chunks", errors.New("it has no such vector"))
		}
		r.start[n]++
	}
	r.start[0] = 0
	for n := 1; n < len(r.start); n++ {
		r.start[n] += r.start[n-1]
	}
	// Now start[n] is where the chunks of vector n end; filling from behind makes it where they begin.
	r.sharing = make([]uint32, r.start[len(r.start)-1])
	for i := len(r.vectorOf) - 1; i >= 0; i-- {
		if n := r.vectorOf[i]; n > 0 {
			r.start[n]--
			r.sharing[r.start[n]] = uint32(i)
		}
	}
	return r.sample(ctx)
}

// chunksOf returns the chunks of a vector.
func (r *remote) chunksOf(n uint32) []uint32 { return r.sharing[r.start[n]:r.start[n+1]] }

func (r *remote) sample(ctx context.Context) error {
	count := min(len(r.vectorOf), averageSample)
	var ids []uint64
	for i := range count {
		if n := r.vectorOf[i*len(r.vectorOf)/count]; n > 0 {
			ids = append(ids, r.vectors[n-1])
		}
	}
	points, err := r.store.get(ctx, slices.Compact(slices.Sorted(slices.Values(ids))), true)
	if err != nil {
		return err
	}
	var sum []float64
	for _, id := range ids {
		p := points[id]
		if p == nil {
			return errMissing
		}
		values := p.GetVectors().GetVectors().GetVectors()[vectorName].GetDenseVector().GetData()
		if len(sum) == 0 {
			sum = make([]float64, len(values))
		}
		if len(values) != len(sum) {
			return fmt.Errorf("a vector of %s has %d dimensions, others %d: index the directory again with rebuild",
				r.store.Location(), len(values), len(sum))
		}
		for i, v := range values {
			sum[i] += float64(v)
		}
	}
	r.average = make([]float32, len(sum))
	for i := range sum {
		r.average[i] = float32(sum[i] / float64(count))
	}
	return nil
}

// Average returns the mean of the vectors of up to 256 chunks, evenly spread.
func (r *remote) Average() []float32 { return r.average }

// Texts reads texts, and makes sure that all that was read of this state was of this state.
func (r *remote) Texts(ctx context.Context, chunks []*rag.Chunk) error {
	ids := make([]uint64, len(chunks))
	for i, c := range chunks {
		at, _ := slices.BinarySearchFunc(r.files, c.ID, func(f file, id uint32) int {
			switch {
			case f.Record.Chunks > 0 && f.covers(id):
				return 0
			case f.Record.FirstID > id:
				return 1
			}
			return -1
		})
		if at == len(r.files) || !r.files[at].covers(c.ID) {
			return fmt.Errorf("chunk %d is not in %s", c.ID, r.store.Location())
		}
		ids[i] = pointID(r.files[at].Session, kindText, c.ID)
	}
	err := r.store.addTexts(ctx, chunks, ids)
	if err != nil && err != errMissing { //nolint:errorlint // it is returned as it is
		return err
	}
	// Nothing of a state is deleted before the next one is published.
	if stale := r.stale(ctx); stale != nil {
		return stale
	}
	if err != nil {
		return r.store.damaged("a text", err)
	}
	return nil
}

// stale returns an error unless the state is still the published one.
func (r *remote) stale(ctx context.Context) error {
	now, err := r.store.readControl(ctx)
	switch {
	case err != nil:
		return err
	case now == nil || now.Published == nil || now.Published.Generation != r.published.Generation:
		return rag.ErrStale
	}
	return nil
}

// Similar asks the server for the nearest vectors.
func (r *remote) Similar(ctx context.Context, question []float32, among []uint32, limit int) ([]rag.Similar, error) {
	// What running updates have written is newer than the state.
	filter := &qdrant.Filter{Must: []*qdrant.Condition{
		qdrant.NewRange(fieldSession, &qdrant.Range{Lte: qdrant.PtrOf(float64(r.published.Session))}),
	}}
	allowed := map[uint32]bool{}
	if among != nil {
		points := map[uint64]bool{}
		var ids []*qdrant.PointId
		for _, c := range among {
			allowed[c] = true
			if n := r.vectorOf[c]; n > 0 && !points[r.vectors[n-1]] {
				points[r.vectors[n-1]] = true
				ids = append(ids, qdrant.NewIDNum(r.vectors[n-1]))
			}
		}
		if len(ids) == 0 {
			return nil, nil
		}
		filter = &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewHasID(ids...)}}
	}
	points, err := r.store.server.client.Query(ctx, &qdrant.QueryPoints{
		CollectionName: r.store.collection, Query: qdrant.NewQueryDense(question), Using: qdrant.PtrOf(vectorName), Filter: filter,
		Limit: qdrant.PtrOf(uint64(limit)), WithPayload: qdrant.NewWithPayload(false),
	})
	if err != nil {
		if missing(err) {
			return nil, rag.ErrStale
		}
		return nil, r.store.explain(ctx, err)
	}
	var out []rag.Similar
	for _, p := range points {
		n := r.number[p.GetId().GetNum()]
		if n == 0 {
			continue // kept for a branch that may come back, or left by an update that died
		}
		for _, c := range r.chunksOf(n) {
			if among == nil || allowed[c] {
				out = append(out, rag.Similar{Chunk: c, Value: p.GetScore()})
			}
		}
	}
	return out, nil
}
