package rag

// NewMemStore returns the in-memory store of the tests.
func NewMemStore() Store { return &memStore{} }
