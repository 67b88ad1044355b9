// Package index tests that the code index survives what happens to it: processes that are killed at any moment, and several of them
// that index and search one repository while its files change. It only holds tests, behind the build tag e2e, that start the built
// binary (FAULT_BIN, by default bin/fault of this repository). They take minutes and all processors: what measures time cannot run
// beside them.
package index
