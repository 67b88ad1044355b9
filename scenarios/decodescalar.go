package scenarios

import (
	"math"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// scalarText returns the text of a scalar: of one that is not text, as it is written.
func scalarText(n ast.Node) (string, bool) {
	switch v := n.(type) {
	case *ast.StringNode:
		return v.Value, true
	case *ast.LiteralNode:
		return v.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func numberOf(n ast.Node) (float64, bool) {
	switch v := n.(type) {
	case *ast.IntegerNode:
		switch i := v.Value.(type) {
		case int64:
			return float64(i), true
		case uint64:
			return float64(i), true
		}
	case *ast.FloatNode:
		return v.Value, !math.IsInf(v.Value, 0) && !math.IsNaN(v.Value)
	case *ast.StringNode:
		// The parser takes 1e3 for text unless it has a point or a sign; YAML 1.2 and JSON do not.
		if v.Token.Type == token.StringType && strings.ContainsAny(v.Value, "eE") && strings.Trim(v.Value, "0123456789.eE+-") == "" {
			return parseNumber(v.Value)
		}
	}
	return 0, false
}

// parseNumber reads a number that a float64 can hold.
func parseNumber(text string) (float64, bool) {
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil
}

// kindOf says what a node is, in the words of a message.
func kindOf(n ast.Node) string {
	switch v := n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "an object"
	case *ast.SequenceNode:
		return "a list"
	case *ast.StringNode:
		return "the text " + strconv.Quote(shorten(v.Value))
	case *ast.LiteralNode:
		return "the text " + strconv.Quote(shorten(v.Value.Value))
	case nil, *ast.NullNode:
		return "nothing"
	default:
		return shorten(n.GetToken().Value)
	}
}

// shorten keeps a message in one line of bearable length.
func shorten(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
