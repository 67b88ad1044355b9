package demo

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
)

// editorSettings is what to paste where, for each editor, so that it starts command as its MCP server.
func editorSettings(command string) string {
	quoted, err := json.Marshal(command)
	if err != nil {
		return "" // a string always encodes
	}
	// Zed once wanted the command as an object with a path; that is deprecated.
	return fmt.Sprintf(`Cursor: ~/.cursor/mcp.json
Kilo Code: .kilocode/mcp.json in the project

{
  "mcpServers": {
    "fault": { "type": "stdio", "command": %[1]s, "args": ["agent", "tool"], "disabled": false }
  }
}

Zed: ~/.config/zed/settings.json

{
  "context_servers": {
    "fault": { "command": %[1]s, "args": ["agent", "tool"], "env": {} }
  }
}
`, quoted)
}

// commandFor is how an editor should call this program: by name where PATH leads to it, else by its path. What `go run` built
// lives in Go's cache until that is trimmed; then it is the name, and installed is false.
func commandFor(executable string) (command string, installed bool) {
	const name = "fault"
	if found, err := exec.LookPath(name); err == nil && sameFile(found, executable) {
		return name, true
	}
	if goRun.MatchString(filepath.ToSlash(executable)) {
		return name, false
	}
	return executable, true
}

// goRun matches the places where `go run` puts a program: a temporary folder go-build…, or the build cache, whose entries are
// named after a hash (-d marks a folder).
var goRun = regexp.MustCompile(`/go-build[0-9]*/|/[0-9a-f]{64}-d/[^/]+$`)

func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}
