package qdranttest

import (
	"context"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

type collectionsService struct {
	qdrant.UnimplementedCollectionsServer
	s *Server
}

// collection is one collection: its points, and the length of the vectors of each name.
type collection struct {
	config *qdrant.CreateCollection
	sizes  map[string]uint64
	points map[uint64]*point
}

type point struct {
	payload map[string]*qdrant.Value
	vectors map[string][]float32
}

func (s *Server) collection(name string) (*collection, error) {
	c := s.collections[name]
	if c == nil {
		return nil, status.Errorf(codes.NotFound, "Not found: Collection `%s` doesn't exist!", name)
	}
	return c, nil
}

func (c collectionsService) CollectionExists(
	_ context.Context, r *qdrant.CollectionExistsRequest,
) (*qdrant.CollectionExistsResponse, error) {
	_, there := c.s.collections[r.GetCollectionName()]
	return &qdrant.CollectionExistsResponse{Result: &qdrant.CollectionExists{Exists: there}}, nil
}

func (c collectionsService) Create(_ context.Context, r *qdrant.CreateCollection) (*qdrant.CollectionOperationResponse, error) {
	name := r.GetCollectionName()
	if c.s.collections[name] != nil {
		return nil, status.Errorf(codes.AlreadyExists, "Wrong input: Collection `%s` already exists!", name)
	}
	if r.GetVectorsConfig().GetParams() != nil || r.GetSparseVectorsConfig() != nil {
		return nil, status.Error(codes.Unimplemented, "only named, dense vectors")
	}
	sizes := map[string]uint64{}
	for vector, params := range r.GetVectorsConfig().GetParamsMap().GetMap() {
		if params.GetDistance() != qdrant.Distance_Dot {
			return nil, status.Error(codes.Unimplemented, "only the distance Dot")
		}
		sizes[vector] = params.GetSize()
	}
	c.s.collections[name] = &collection{config: r, sizes: sizes, points: map[uint64]*point{}}
	return &qdrant.CollectionOperationResponse{Result: true}, nil
}

func (c collectionsService) Delete(_ context.Context, r *qdrant.DeleteCollection) (*qdrant.CollectionOperationResponse, error) {
	_, there := c.s.collections[r.GetCollectionName()]
	delete(c.s.collections, r.GetCollectionName())
	return &qdrant.CollectionOperationResponse{Result: there}, nil
}

func (c collectionsService) Get(_ context.Context, r *qdrant.GetCollectionInfoRequest) (*qdrant.GetCollectionInfoResponse, error) {
	held, err := c.s.collection(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	return &qdrant.GetCollectionInfoResponse{Result: &qdrant.CollectionInfo{
		Status: qdrant.CollectionStatus_Green, OptimizerStatus: &qdrant.OptimizerStatus{Ok: true}, SegmentsCount: 1,
		PointsCount: qdrant.PtrOf(uint64(len(held.points))),
		Config: &qdrant.CollectionConfig{
			Params: &qdrant.CollectionParams{
				ShardNumber: 1, OnDiskPayload: held.config.GetOnDiskPayload(), VectorsConfig: held.config.GetVectorsConfig(),
			},
			HnswConfig: &qdrant.HnswConfigDiff{}, OptimizerConfig: &qdrant.OptimizersConfigDiff{}, WalConfig: &qdrant.WalConfigDiff{},
		},
	}}, nil
}
