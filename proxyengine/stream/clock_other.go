//go:build !linux

package stream

// Precise returns the most precise clock of the platform: here the runtime's.
func Precise() Clock { return Runtime() }
