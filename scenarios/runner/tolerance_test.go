//go:build !e2e

package runner

import "time"

// The tests over real sockets share their machine with others: only what noise cannot change is checked. What is exact is checked
// on virtual time.
const (
	exact     = false
	endsAfter = 10 * time.Second
	patience  = 3000 // ms, of calls that are lost
)
