//go:build !cgo

package treesitter

import "context"

// Parse returns ErrNoCgo: this build has no parsers.
func Parse(context.Context, Language, []byte) (*File, error) { return nil, ErrNoCgo }
