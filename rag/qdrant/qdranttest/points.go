package qdranttest

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

type pointsService struct {
	qdrant.UnimplementedPointsServer
	s *Server
}

func done() *qdrant.PointsOperationResponse {
	return &qdrant.PointsOperationResponse{Result: &qdrant.UpdateResult{Status: qdrant.UpdateStatus_Completed}}
}

// number returns an ID, which must be a number.
func number(id *qdrant.PointId) (uint64, error) {
	if _, ok := id.GetPointIdOptions().(*qdrant.PointId_Num); !ok {
		return 0, status.Error(codes.Unimplemented, "only numbers as point IDs")
	}
	return id.GetNum(), nil
}

func (p pointsService) Upsert(_ context.Context, r *qdrant.UpsertPoints) (*qdrant.PointsOperationResponse, error) {
	c, err := p.s.collection(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	if r.UpdateMode != nil || r.ShardKeySelector != nil {
		return nil, status.Error(codes.Unimplemented, "no update mode, no shard keys")
	}
	ids := make([]uint64, len(r.GetPoints()))
	vectors := make([]map[string][]float32, len(ids))
	for i, given := range r.GetPoints() { // all are right before any is written
		if ids[i], err = number(given.GetId()); err != nil {
			return nil, err
		}
		if vectors[i], err = c.vectorsOf(given.GetVectors()); err != nil {
			return nil, err
		}
	}
	for i, given := range r.GetPoints() {
		if old := c.points[ids[i]]; old != nil && r.UpdateFilter != nil {
			ok, err := matches(r.GetUpdateFilter(), ids[i], old.payload)
			if err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
		}
		c.points[ids[i]] = &point{payload: given.GetPayload(), vectors: vectors[i]}
	}
	return done(), nil
}

// vectorsOf checks the vectors of a point against the collection.
func (c *collection) vectorsOf(given *qdrant.Vectors) (map[string][]float32, error) {
	named, ok := given.GetVectorsOptions().(*qdrant.Vectors_Vectors)
	if !ok {
		return nil, status.Error(codes.InvalidArgument, "Expected some vectors")
	}
	out := map[string][]float32{}
	for name, v := range named.Vectors.GetVectors() {
		size, known := c.sizes[name]
		if !known {
			return nil, status.Errorf(codes.InvalidArgument, "Wrong input: Not existing vector name error: %s", name)
		}
		values := v.GetDense().GetData()
		if values == nil {
			values = v.GetData() //nolint:staticcheck // older clients, and Python's, send it so
		}
		if err := checkSize(values, size); err != nil {
			return nil, err
		}
		out[name] = values
	}
	return out, nil
}

func checkSize(values []float32, size uint64) error {
	if uint64(len(values)) != size {
		return status.Errorf(codes.InvalidArgument, "Wrong input: Vector dimension error: expected dim: %d, got %d", size, len(values))
	}
	return nil
}

// selected returns the points that a request is about, in the order of their IDs.
func (c *collection) selected(s *qdrant.PointsSelector) ([]uint64, error) {
	switch s := s.GetPointsSelectorOneOf().(type) {
	case *qdrant.PointsSelector_Points:
		var out []uint64
		for _, given := range s.Points.GetIds() {
			id, err := number(given)
			if err != nil {
				return nil, err
			}
			if c.points[id] != nil {
				out = append(out, id)
			}
		}
		return out, nil
	case *qdrant.PointsSelector_Filter:
		return c.filtered(s.Filter)
	}
	return nil, status.Error(codes.InvalidArgument, "PointsSelector is expected")
}

// filtered returns the IDs of the points that a filter lets pass, in order.
func (c *collection) filtered(f *qdrant.Filter) ([]uint64, error) {
	var out []uint64
	for _, id := range slices.Sorted(maps.Keys(c.points)) {
		ok, err := matches(f, id, c.points[id].payload)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, id)
		}
	}
	return out, nil
}

func (p pointsService) Delete(_ context.Context, r *qdrant.DeletePoints) (*qdrant.PointsOperationResponse, error) {
	c, err := p.s.collection(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	ids, err := c.selected(r.GetPoints())
	for _, id := range ids {
		delete(c.points, id)
	}
	return done(), err
}

func (p pointsService) SetPayload(_ context.Context, r *qdrant.SetPayloadPoints) (*qdrant.PointsOperationResponse, error) {
	c, err := p.s.collection(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	if r.Key != nil {
		return nil, status.Error(codes.Unimplemented, "no key of a payload")
	}
	ids, err := c.selected(r.GetPointsSelector())
	if err != nil {
		return nil, err
	}
	for _, given := range r.GetPointsSelector().GetPoints().GetIds() {
		if c.points[given.GetNum()] == nil {
			return nil, status.Errorf(codes.NotFound, "Not found: No point with id %d found", given.GetNum())
		}
	}
	for _, id := range ids {
		// What an answer still holds is not changed.
		payload := map[string]*qdrant.Value{}
		maps.Copy(payload, c.points[id].payload)
		maps.Copy(payload, r.GetPayload())
		c.points[id].payload = payload
	}
	return done(), err
}

func (p pointsService) CreateFieldIndex(_ context.Context, r *qdrant.CreateFieldIndexCollection) (*qdrant.PointsOperationResponse, error) {
	_, err := p.s.collection(r.GetCollectionName())
	return done(), err
}

// shown returns what of a point an answer has.
func (c *point) shown(payload *qdrant.WithPayloadSelector, vectors *qdrant.WithVectorsSelector) (
	map[string]*qdrant.Value, *qdrant.VectorsOutput, error,
) {
	if payload.GetInclude() != nil || payload.GetExclude() != nil || vectors.GetInclude() != nil {
		return nil, nil, status.Error(codes.Unimplemented, "all of payload and vectors, or nothing")
	}
	var shownPayload map[string]*qdrant.Value
	if payload.GetEnable() {
		shownPayload = c.payload
	}
	if !vectors.GetEnable() {
		return shownPayload, nil, nil
	}
	out := map[string]*qdrant.VectorOutput{}
	for name, values := range c.vectors {
		out[name] = &qdrant.VectorOutput{Vector: &qdrant.VectorOutput_Dense{Dense: &qdrant.DenseVector{Data: values}}}
	}
	return shownPayload, &qdrant.VectorsOutput{
		VectorsOptions: &qdrant.VectorsOutput_Vectors{Vectors: &qdrant.NamedVectorsOutput{Vectors: out}},
	}, nil
}

func (c *collection) retrieved(
	ids []uint64, payload *qdrant.WithPayloadSelector, vectors *qdrant.WithVectorsSelector,
) ([]*qdrant.RetrievedPoint, error) {
	out := make([]*qdrant.RetrievedPoint, 0, len(ids))
	for _, id := range ids {
		p := c.points[id]
		if p == nil {
			continue
		}
		shownPayload, shownVectors, err := p.shown(payload, vectors)
		if err != nil {
			return nil, err
		}
		out = append(out, &qdrant.RetrievedPoint{Id: qdrant.NewIDNum(id), Payload: shownPayload, Vectors: shownVectors})
	}
	return out, nil
}

func (p pointsService) Get(_ context.Context, r *qdrant.GetPoints) (*qdrant.GetResponse, error) {
	c, err := p.s.collection(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	ids := make([]uint64, len(r.GetIds()))
	for i, given := range r.GetIds() {
		if ids[i], err = number(given); err != nil {
			return nil, err
		}
	}
	found, err := c.retrieved(ids, r.GetWithPayload(), r.GetWithVectors())
	return &qdrant.GetResponse{Result: found}, err
}

// The default lengths of answers.
const defaultLimit = 10

func (p pointsService) Scroll(_ context.Context, r *qdrant.ScrollPoints) (*qdrant.ScrollResponse, error) {
	c, err := p.s.collection(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	if r.OrderBy != nil {
		return nil, status.Error(codes.Unimplemented, "only in the order of IDs")
	}
	ids, err := c.filtered(r.GetFilter())
	if err != nil {
		return nil, err
	}
	if r.Offset != nil {
		from, err := number(r.GetOffset())
		if err != nil {
			return nil, err
		}
		ids = slices.DeleteFunc(ids, func(id uint64) bool { return id < from })
	}
	limit := defaultLimit
	if r.Limit != nil {
		limit = int(r.GetLimit())
	}
	if limit < 1 {
		return nil, status.Error(codes.InvalidArgument, "Wrong input: Limit cannot be 0")
	}
	response := &qdrant.ScrollResponse{}
	if len(ids) > limit {
		response.NextPageOffset = qdrant.NewIDNum(ids[limit])
		ids = ids[:limit]
	}
	response.Result, err = c.retrieved(ids, r.GetWithPayload(), r.GetWithVectors())
	return response, err
}

func (p pointsService) Count(_ context.Context, r *qdrant.CountPoints) (*qdrant.CountResponse, error) {
	c, err := p.s.collection(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	ids, err := c.filtered(r.GetFilter())
	return &qdrant.CountResponse{Result: &qdrant.CountResult{Count: uint64(len(ids))}}, err
}

func (p pointsService) Query(_ context.Context, r *qdrant.QueryPoints) (*qdrant.QueryResponse, error) {
	c, err := p.s.collection(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	question := r.GetQuery().GetNearest().GetDense().GetData()
	if question == nil || r.Prefetch != nil || r.ScoreThreshold != nil || r.GetOffset() != 0 {
		return nil, status.Error(codes.Unimplemented, "only the nearest to a dense vector")
	}
	size, known := c.sizes[r.GetUsing()]
	if !known {
		return nil, status.Errorf(codes.InvalidArgument, "Wrong input: Not existing vector name error: %s", r.GetUsing())
	}
	if err := checkSize(question, size); err != nil {
		return nil, err
	}
	ids, err := c.filtered(r.GetFilter())
	if err != nil {
		return nil, err
	}
	var out []*qdrant.ScoredPoint
	for _, id := range ids {
		values := c.points[id].vectors[r.GetUsing()]
		if values == nil {
			continue
		}
		score := float32(0)
		for i, v := range values {
			score += v * question[i]
		}
		payload, vectors, err := c.points[id].shown(r.GetWithPayload(), r.GetWithVectors())
		if err != nil {
			return nil, err
		}
		out = append(out, &qdrant.ScoredPoint{Id: qdrant.NewIDNum(id), Score: score, Payload: payload, Vectors: vectors})
	}
	slices.SortStableFunc(out, func(a, b *qdrant.ScoredPoint) int { return cmp.Compare(b.GetScore(), a.GetScore()) })
	limit := uint64(defaultLimit)
	if r.Limit != nil {
		limit = r.GetLimit()
	}
	return &qdrant.QueryResponse{Result: out[:min(uint64(len(out)), limit)]}, nil
}
