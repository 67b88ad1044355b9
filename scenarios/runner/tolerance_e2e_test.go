//go:build e2e

package runner

import "time"

// What the program promises is checked, on a machine that has nothing else to do.
const (
	exact     = true
	endsAfter = time.Second
	patience  = 400 // ms, of calls that are lost
)
