// Package e2e tests the built binary against real peers: MCP clients of others, curl, PostgreSQL, Redis, a browser, web
// applications in Python. It only holds tests, behind the build tag e2e; run.sh prepares the peers and runs them all. FAULT_BIN
// names the binary, by default bin/fault of this repository.
package e2e
