package qdrant

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/gob"
	"errors"
	"fmt"
	"io"

	"github.com/qdrant/go-client/qdrant"

	"github.com/fault-project/fault/rag"
)

// vectorName is the name of the vectors in a collection.
const vectorName = "code"

// The fields of points. All but version and session are never searched.
const (
	fieldVersion  = "version"  // of the control point
	fieldDocument = "document" // of the control point
	fieldSession  = "session"  // of a vector: the update that wrote it
	fieldText     = "text"
	fieldData     = "data"
)

// kind is what a point is.
type kind uint64

const (
	kindText kind = iota
	kindVector
	kindBatch
	kindPart
)

// controlID is the control point; no session has the number 0.
const controlID = 1

// The numbers in an ID.
const (
	sessionShift = 34
	kindShift    = 32
	maxSession   = 1<<(64-sessionShift) - 1
)

// pointID returns the ID of point n of a kind, written by a session, from 1 to maxSession: of a text n is the chunk's ID.
func pointID(session uint64, k kind, n uint32) uint64 {
	return session<<sessionShift | uint64(k)<<kindShift | uint64(n)
}

func sessionOf(id uint64) uint64 { return id >> sessionShift }

// The sizes of requests: what is in one is well below the limits of servers and proxies.
const (
	requestBytes  = 2 << 20
	requestPoints = 500
	requestIDs    = 5000
	scrollPoints  = 10_000
	// partBytes is the size of the pieces of a table, before they are written as text.
	partBytes = 1 << 20
)

// errMissing says that a point is not there.
var errMissing = errors.New("a point is missing")

func (s *Store) get(ctx context.Context, ids []uint64, vectors bool) (map[uint64]*qdrant.RetrievedPoint, error) {
	out := make(map[uint64]*qdrant.RetrievedPoint, len(ids))
	for start := 0; start < len(ids); start += requestPoints {
		request := &qdrant.GetPoints{
			CollectionName: s.collection, Ids: numbers(ids[start:min(start+requestPoints, len(ids))]),
			WithPayload: qdrant.NewWithPayload(!vectors), WithVectors: qdrant.NewWithVectors(vectors),
			ReadConsistency: qdrant.NewReadConsistencyType(qdrant.ReadConsistencyType_Majority),
		}
		points, err := s.server.client.Get(ctx, request)
		if err != nil {
			return nil, s.explain(ctx, err)
		}
		for _, p := range points {
			out[p.GetId().GetNum()] = p
		}
	}
	return out, nil
}

func numbers(ids []uint64) []*qdrant.PointId {
	out := make([]*qdrant.PointId, len(ids))
	for i, id := range ids {
		out[i] = qdrant.NewIDNum(id)
	}
	return out
}

// uploader writes points in requests of a bearable size.
type uploader struct {
	store  *Store
	points []*qdrant.PointStruct
	bytes  int
}

func (u *uploader) add(ctx context.Context, id uint64, payload map[string]*qdrant.Value, vector []float32) error {
	// A point without a vector has an empty set of vectors, not none: servers refuse that.
	vectors := map[string]*qdrant.Vector{}
	if vector != nil {
		vectors[vectorName] = qdrant.NewVectorDense(vector)
	}
	u.points = append(u.points, &qdrant.PointStruct{Id: qdrant.NewIDNum(id), Payload: payload, Vectors: qdrant.NewVectorsMap(vectors)})
	u.bytes += 4 * len(vector)
	for _, v := range payload {
		u.bytes += 20 + len(v.GetStringValue())
	}
	if u.bytes < requestBytes && len(u.points) < requestPoints {
		return nil
	}
	return u.flush(ctx)
}

func (u *uploader) flush(ctx context.Context) error {
	if len(u.points) == 0 {
		return nil
	}
	_, err := u.store.server.client.Upsert(ctx, &qdrant.UpsertPoints{
		CollectionName: u.store.collection, Wait: qdrant.PtrOf(true), Points: u.points,
	})
	u.points, u.bytes = nil, 0
	return u.store.explain(ctx, err)
}

func (s *Store) delete(ctx context.Context, ids []uint64) error {
	for start := 0; start < len(ids); start += requestIDs {
		_, err := s.server.client.Delete(ctx, &qdrant.DeletePoints{
			CollectionName: s.collection, Wait: qdrant.PtrOf(true),
			Points: qdrant.NewPointsSelectorIDs(numbers(ids[start:min(start+requestIDs, len(ids))])),
		})
		if err != nil {
			return s.explain(ctx, err)
		}
	}
	return nil
}

// each calls do with the ID of every point.
func (s *Store) each(ctx context.Context, do func(id uint64)) error {
	var offset *qdrant.PointId
	for {
		points, next, err := s.server.client.ScrollAndOffset(ctx, &qdrant.ScrollPoints{
			CollectionName: s.collection, Offset: offset, Limit: qdrant.PtrOf(uint32(scrollPoints)),
			WithPayload: qdrant.NewWithPayload(false), WithVectors: qdrant.NewWithVectors(false),
		})
		if err != nil {
			return s.explain(ctx, err)
		}
		for _, p := range points {
			do(p.GetId().GetNum())
		}
		if offset = next; offset == nil {
			return nil
		}
	}
}

// pack returns a value as text that a payload can hold.
func pack(value any) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(gob.NewEncoder(z).Encode(value), z.Close()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func unpack(data []byte, value any) error {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return err
	}
	if err := gob.NewDecoder(z).Decode(value); err != nil {
		return err
	}
	// The checksum stands at the end, behind which there is nothing.
	if n, err := z.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		return errors.Join(errors.New("something follows"), err)
	}
	return nil
}

func dataPayload(data []byte) map[string]*qdrant.Value {
	return map[string]*qdrant.Value{fieldData: qdrant.NewValueString(base64.StdEncoding.EncodeToString(data))}
}

func dataOf(p *qdrant.RetrievedPoint) ([]byte, error) {
	return base64.StdEncoding.DecodeString(p.GetPayload()[fieldData].GetStringValue())
}

// damaged says that something is not what was written.
func (s *Store) damaged(what string, err error) error {
	return fmt.Errorf("%w: %s in %s cannot be read: index the directory again with rebuild: %w", rag.ErrDamaged, what, s.Location(), err)
}

// table is where a published table is: Parts points of a session from First on.
type table struct {
	Session      uint64
	First, Parts uint32
}

func (t table) ids() []uint64 {
	out := make([]uint64, t.Parts)
	for i := range out {
		out[i] = pointID(t.Session, kindPart, t.First+uint32(i))
	}
	return out
}

// read returns the value of a table in value. It returns errMissing when it is gone, and is damaged otherwise.
func (s *Store) read(ctx context.Context, t table, value any) error {
	var data []byte
	for _, id := range t.ids() { // one by one: each fills an answer
		points, err := s.get(ctx, []uint64{id}, false)
		if err != nil {
			return err
		}
		if points[id] == nil {
			return errMissing
		}
		part, err := dataOf(points[id])
		if err != nil {
			return s.damaged("a table", err)
		}
		data = append(data, part...)
	}
	if err := unpack(data, value); err != nil {
		return s.damaged("a table", err)
	}
	return nil
}
