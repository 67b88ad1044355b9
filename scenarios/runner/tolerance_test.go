//go:build !e2e

package runner

import "time"

// The tests over real sockets share their machine with others: only what noise cannot change is checked. What is exact is checked
// on virtual time.
const (
	exact     = false
	endsAfter = 5 * time.Second
)
