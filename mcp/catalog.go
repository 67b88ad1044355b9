package mcp

// Tools are the operations that a server offers.
type Tools struct{}

// catalog lists the tools that are offered.
func (Tools) catalog() []tool { return nil }
