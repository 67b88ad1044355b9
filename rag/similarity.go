package rag

import (
	"context"
	"slices"
)

// similarity is how near the vectors of the chunks are to a question.
type similarity struct {
	// of has the value of each chunk, the average where it is not known.
	of           []float32
	average, top float32
}

// measured returns the similarity when that of each chunk is known.
func measured(of []float32) *similarity {
	s := &similarity{of: of}
	sum := 0.0
	for _, v := range of {
		sum += float64(v)
		s.top = max(s.top, v)
	}
	s.average = float32(sum / float64(max(len(of), 1)))
	return s
}

// What is asked of a Remote in one search.
const (
	// remoteLimit is how many of the nearest chunks are asked for, and of how many of the best by words the similarity: what
	// comes after those in both orders is not among the MaxLimit best of their mixture, but for ties.
	remoteLimit = 300
	// remoteAmong is how many chunks a filter may leave for the question to be restricted to them: more would be a large request, and
	// enough of the nearest of all are among that many.
	remoteAmong = 10_000
)

// similar asks for the similarity of the nearest chunks and of those with the best scores, as far as keep lets them be results.
func (l *loaded) similar(ctx context.Context, question []float32, scores []float64, keep func(doc uint32) bool) (*similarity, error) {
	remote := l.snapshot.Remote
	if remote == nil {
		return measured(similarities(l.snapshot.Vectors, question)), nil
	}
	center := remote.Average()
	if center != nil && len(center) != len(question) {
		return nil, errDamaged
	}
	s := &similarity{average: dot(center, question)}
	s.top, s.of = max(s.average, 0), slices.Repeat([]float32{s.average}, len(scores))
	var kept []uint32
	for doc := range uint32(len(scores)) {
		if keep(doc) {
			kept = append(kept, doc)
		}
	}
	ask := func(among []uint32, limit int) error {
		found, err := remote.Similar(ctx, question, among, limit)
		for _, f := range found {
			s.of[f.Chunk] = f.Value
			s.top = max(s.top, f.Value)
		}
		return err
	}
	// The nearest of all are what the others are measured by, whatever is filtered.
	if err := ask(nil, remoteLimit); err != nil || len(kept) == 0 || len(scores) <= remoteLimit {
		return s, err
	}
	if len(kept) < len(scores) && len(kept) <= remoteAmong {
		if err := ask(kept, remoteLimit); err != nil || len(kept) <= remoteLimit {
			return s, err
		}
	}
	best := slices.DeleteFunc(kept, func(doc uint32) bool { return scores[doc] == 0 })
	slices.SortFunc(best, func(a, b uint32) int {
		if scores[a] != scores[b] && scores[a] > scores[b] {
			return -1
		} else if scores[a] != scores[b] {
			return 1
		}
		return int(a) - int(b)
	})
	if best = best[:min(len(best), remoteLimit)]; len(best) == 0 {
		return s, nil
	}
	return s, ask(best, len(best))
}

// fuse mixes the similarity of the vectors into the scores of the words: a convex combination of both legs, each scaled to the best that
// this question got (Bruch, Gai and Ingber, An Analysis of Fusion Functions for Hybrid Retrieval, 2022). Similarity counts
// from the average of all chunks, because models differ in what they give to two texts that have nothing in common. It returns which chunks
// are near the question.
func fuse(scores []float64, similar *similarity, weight float64) (near []bool) {
	near = make([]bool, len(scores))
	best := 0.0
	for _, s := range scores {
		best = max(best, s)
	}
	average := float64(similar.average)
	spread := float64(similar.top) - average
	for i := range scores {
		if best > 0 {
			scores[i] *= (1 - weight) / best
		}
		if spread <= 1e-6 {
			continue
		}
		if v := (float64(similar.of[i]) - average) / spread; v > 0 {
			scores[i] += weight * v
			near[i] = v >= nearEnough
		}
	}
	return near
}
