package qdrant

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/fault-project/fault/rag"
)

// schemaVersion changes with what points hold.
const schemaVersion = 1

// control is the document of the control point.
type control struct {
	Schema int `json:"schema"`
	// Session is the number of the update that had the lease last; Held says that it has not given it back.
	Session uint64 `json:"session"`
	Held    bool   `json:"held"`
	// Unclean says that there may be points that nothing refers to.
	Unclean   bool       `json:"unclean,omitempty"`
	Published *published `json:"published,omitempty"`
	Building  *building  `json:"building,omitempty"`
}

// published is the state that a search sees.
type published struct {
	Generation uint64       `json:"generation"`
	Manifest   rag.Manifest `json:"manifest"`
	// Session is that of the update that published: later ones wrote nothing of it.
	Session uint64 `json:"session"`
	// The tables: []file, chunkTable, []rag.VectorKey in the order of chunkTable.Vectors, and the search terms.
	Files, Chunks, Keys, Terms table
}

func (p *published) parts() (ids []uint64) {
	for _, t := range []table{p.Files, p.Chunks, p.Keys, p.Terms} {
		ids = append(ids, t.ids()...)
	}
	return ids
}

// building is what was committed and not published.
type building struct {
	Manifest rag.Manifest `json:"manifest"`
	// Base is the generation that it changes, 0 for none.
	Base uint64 `json:"base"`
	// Segments are the batches, by the updates that wrote them.
	Segments []segment `json:"segments"`
}

type segment struct {
	Session uint64 `json:"session"`
	// First is the number of the first of Batches.
	First   uint32 `json:"first"`
	Batches uint32 `json:"batches"`
}

// versioned is the control document as it was read.
type versioned struct {
	control
	version string
}

// readControl returns the control document, nil if there is no index.
func (s *Store) readControl(ctx context.Context) (*versioned, error) {
	points, err := s.get(ctx, []uint64{controlID}, false)
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return s.controlOf(points[controlID])
}

func (s *Store) controlOf(p *qdrant.RetrievedPoint) (*versioned, error) {
	if p == nil {
		return nil, nil
	}
	v := &versioned{version: p.GetPayload()[fieldVersion].GetStringValue()}
	if err := json.Unmarshal([]byte(p.GetPayload()[fieldDocument].GetStringValue()), &v.control); err != nil || v.version == "" {
		return nil, s.foreign()
	}
	if v.Schema != schemaVersion {
		return nil, fmt.Errorf("%w: %s was made by another version of fault (tables %d, now %d): delete the collection in Qdrant, and "+
			"index the directory again", rag.ErrMismatch, s.Location(), v.Schema, schemaVersion)
	}
	return v, nil
}

// missing reports whether an error says that there is no such collection.
func missing(err error) bool {
	return err != nil && status.Code(unwrapped(err)) == codes.NotFound
}

// unwrapped returns the error of the call.
func unwrapped(err error) error {
	var refused *rag.StoreError
	if errors.As(err, &refused) {
		err = refused.Err
	}
	var failed *qdrant.QdrantError
	if errors.As(err, &failed) {
		err = failed.Unwrap()
	}
	return err
}

// swap replaces the control document if it still has the version that it was read with, and reports whether it did.
func (s *Store) swap(ctx context.Context, old string, next *versioned) (bool, error) {
	document, err := json.Marshal(next.control)
	if err != nil {
		return false, err
	}
	_, err = s.server.client.SetPayload(ctx, &qdrant.SetPayloadPoints{
		CollectionName: s.collection, Wait: qdrant.PtrOf(true), Ordering: strong(),
		Payload: map[string]*qdrant.Value{
			fieldVersion: qdrant.NewValueString(next.version), fieldDocument: qdrant.NewValueString(string(document)),
		},
		PointsSelector: qdrant.NewPointsSelectorFilter(&qdrant.Filter{Must: []*qdrant.Condition{
			qdrant.NewHasID(qdrant.NewIDNum(controlID)), qdrant.NewMatchKeyword(fieldVersion, old),
		}}),
	})
	if err != nil {
		return false, s.explain(ctx, err)
	}
	now, err := s.readControl(ctx)
	return err == nil && now != nil && now.version == next.version, err
}

func strong() *qdrant.WriteOrdering {
	return &qdrant.WriteOrdering{Type: qdrant.WriteOrderingType_Strong}
}

// newVersion returns a version that no control document had.
func newVersion() string { return rand.Text() }

// sessionEpoch is when sessions began to be counted from; starting from the time makes their numbers grow even when a collection was
// deleted and made anew, so that nobody's late points are taken for another's.
var sessionEpoch = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// create makes the collection, if it is not there, and its control point.
func (s *Store) create(ctx context.Context, dimension int) error {
	if err := s.server.check(ctx); err != nil {
		return err
	}
	client := s.server.client
	vectors := map[string]*qdrant.VectorParams{}
	if dimension > 0 {
		// Vectors have the length 1, or 0, so that their product is the cosine.
		vectors[vectorName] = &qdrant.VectorParams{Size: uint64(dimension), Distance: qdrant.Distance_Dot}
	}
	err := client.CreateCollection(ctx, &qdrant.CreateCollection{
		CollectionName: s.collection, VectorsConfig: qdrant.NewVectorsConfigMap(vectors), OnDiskPayload: qdrant.PtrOf(true),
	})
	if err != nil {
		// Another process may have been faster.
		if there, existsErr := client.CollectionExists(ctx, s.collection); existsErr != nil || !there {
			return s.explain(ctx, err)
		}
		if err := s.refuseForeign(ctx); err != nil {
			return err
		}
	}
	for field, t := range map[string]qdrant.FieldType{
		fieldVersion: qdrant.FieldType_FieldTypeKeyword, fieldSession: qdrant.FieldType_FieldTypeInteger,
	} {
		if _, err := client.CreateFieldIndex(ctx, &qdrant.CreateFieldIndexCollection{
			CollectionName: s.collection, Wait: qdrant.PtrOf(true), FieldName: field, FieldType: &t,
		}); err != nil {
			return s.explain(ctx, err)
		}
	}
	first := control{Schema: schemaVersion, Session: uint64(max(time.Since(sessionEpoch)/time.Second, 1))}
	document, err := json.Marshal(first)
	if err != nil {
		return err
	}
	_, err = client.Upsert(ctx, &qdrant.UpsertPoints{
		CollectionName: s.collection, Wait: qdrant.PtrOf(true), Ordering: strong(),
		Points: []*qdrant.PointStruct{{
			Id: qdrant.NewIDNum(controlID), Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{}),
			Payload: map[string]*qdrant.Value{
				fieldVersion: qdrant.NewValueString(newVersion()), fieldDocument: qdrant.NewValueString(string(document)),
			},
		}},
		// No version is empty: a control point that is there already stays.
		UpdateFilter: &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatchKeyword(fieldVersion, "")}},
	})
	return s.explain(ctx, err)
}

// refuseForeign returns an error if a collection that is there holds something, but no control point: an index of fault begins with that.
// Nothing of somebody else's may be changed, and still less deleted.
func (s *Store) refuseForeign(ctx context.Context) error {
	count, err := s.server.client.Count(ctx, &qdrant.CountPoints{CollectionName: s.collection, Exact: qdrant.PtrOf(true)})
	if err != nil {
		return s.explain(ctx, err)
	}
	if count == 0 {
		return nil
	}
	// Looked for after counting: what another process began in between has one.
	now, err := s.readControl(ctx)
	if err == nil && now == nil {
		err = s.foreign()
	}
	return err
}

func (s *Store) foreign() error {
	return fmt.Errorf("%s is not an index of fault, or damaged: choose another collection, or delete this one in Qdrant", s.Location())
}

// dimension returns the length of the vectors of the collection, 0 if it has none.
func (s *Store) dimension(ctx context.Context) (int, error) {
	info, err := s.server.client.GetCollectionInfo(ctx, s.collection)
	if err != nil {
		return 0, s.explain(ctx, err)
	}
	return int(info.GetConfig().GetParams().GetVectorsConfig().GetParamsMap().GetMap()[vectorName].GetSize()), nil
}

// The oldest server that inserts a point only if it is not there.
const oldestMajor, oldestMinor = 1, 16

// check refuses servers that are too old.
func (s *Server) check(ctx context.Context) error {
	reply, err := s.client.HealthCheck(ctx)
	if err != nil {
		return s.explain(ctx, err)
	}
	major, rest, _ := strings.Cut(strings.TrimPrefix(reply.GetVersion(), "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, errA := strconv.Atoi(major)
	b, errB := strconv.Atoi(minor)
	if errA == nil && errB == nil && (a > oldestMajor || a == oldestMajor && b >= oldestMinor) {
		return nil
	}
	return &rag.StoreError{
		Message: fmt.Sprintf("Qdrant at %s is %s", s.url, reply.GetVersion()),
		Hint:    fmt.Sprintf("use Qdrant %d.%d or later", oldestMajor, oldestMinor),
	}
}
