package mcp

import (
	"bufio"
	"bytes"
	"encoding/json"
	"testing"
)

// Whatever a client sends, the server goes on until the end of it, and everything that it writes is a protocol message.
func FuzzServeStdio(f *testing.F) {
	const initialize = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{"roots":{}},` +
		`"clientInfo":{"name":"t","version":"1"}}}`
	for _, seed := range []string{
		"", "\n\n", "{", "[]", "null", `"x"`, initialize,
		initialize + "\n" + `{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"greet","arguments":{"name":"n"}}}`,
		initialize + "\n" + `{"jsonrpc":"2.0","id":1,"method":"tools/list"}` + "\n" + `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`,
		`{"jsonrpc":"2.0","id":null,"method":"ping"}`, `{"jsonrpc":"2.0","id":{},"method":"ping"}`, `{"jsonrpc":"1.0","id":1,"method":"ping"}`,
		`{"jsonrpc":"2.0","id":"fault-1","result":{}}`, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":[1]}}`,
		`{"jsonrpc":"2.0","method":"notifications/cancelled","params":7}`, "\xff\xfe\x00",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if bytes.Contains(data, []byte("subscriptions")) {
			t.Skip("a subscription lasts as long as the connection and would make this slow")
		}
		s := newServer("1", nil, []tool{fake("greet", []param{{name: "name", schema: schema{Type: typeString}}}, respond("hello"))})
		var out bytes.Buffer
		if err := s.ServeStdio(t.Context(), bytes.NewReader(data), &out); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(&out)
		lines.Buffer(nil, maxMessage)
		for lines.Scan() {
			var m struct {
				JSONRPC string `json:"jsonrpc"`
			}
			if err := json.Unmarshal(lines.Bytes(), &m); err != nil || m.JSONRPC != "2.0" {
				t.Errorf("wrote %q: %v", lines.Bytes(), err)
			}
		}
	})
}
