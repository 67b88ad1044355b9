package qdranttest

import (
	"slices"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// matches reports whether a filter lets a point pass; nil lets all.
func matches(f *qdrant.Filter, id uint64, payload map[string]*qdrant.Value) (bool, error) {
	if len(f.GetShould()) > 0 || f.GetMinShould() != nil {
		return false, status.Error(codes.Unimplemented, "no should in filters")
	}
	for _, list := range []struct {
		conditions []*qdrant.Condition
		want       bool
	}{{f.GetMust(), true}, {f.GetMustNot(), false}} {
		for _, condition := range list.conditions {
			if ok, err := holds(condition, id, payload); err != nil || ok != list.want {
				return false, err
			}
		}
	}
	return true, nil
}

func holds(c *qdrant.Condition, id uint64, payload map[string]*qdrant.Value) (bool, error) {
	switch c := c.GetConditionOneOf().(type) {
	case *qdrant.Condition_HasId:
		return slices.ContainsFunc(c.HasId.GetHasId(), func(p *qdrant.PointId) bool {
			n, err := number(p)
			return err == nil && n == id
		}), nil
	case *qdrant.Condition_Field:
		value, there := payload[c.Field.GetKey()]
		if !there {
			return false, nil
		}
		switch {
		case c.Field.GetRange() != nil:
			return within(c.Field.GetRange(), value)
		case c.Field.GetMatch() != nil:
			return equals(c.Field.GetMatch(), value)
		}
	}
	return false, status.Error(codes.Unimplemented, "only IDs, matches and ranges in filters")
}

// within reports whether a value is a number in a range.
func within(r *qdrant.Range, value *qdrant.Value) (bool, error) {
	var n float64
	switch v := value.GetKind().(type) {
	case *qdrant.Value_IntegerValue:
		n = float64(v.IntegerValue)
	case *qdrant.Value_DoubleValue:
		n = v.DoubleValue
	default:
		return false, nil
	}
	return (r.Lt == nil || n < r.GetLt()) && (r.Lte == nil || n <= r.GetLte()) && (r.Gt == nil || n > r.GetGt()) &&
		(r.Gte == nil || n >= r.GetGte()), nil
}

func equals(m *qdrant.Match, value *qdrant.Value) (bool, error) {
	text, isText := value.GetKind().(*qdrant.Value_StringValue)
	integer, isInteger := value.GetKind().(*qdrant.Value_IntegerValue)
	switch m := m.GetMatchValue().(type) {
	case *qdrant.Match_Keyword:
		return isText && text.StringValue == m.Keyword, nil
	case *qdrant.Match_Integer:
		return isInteger && integer.IntegerValue == m.Integer, nil
	}
	return false, status.Error(codes.Unimplemented, "only single keywords and integers in matches")
}
