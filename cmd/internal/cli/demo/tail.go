package demo

import (
	"strings"
	"sync"
)

// tailBuffer keeps the last kilobytes that were written to it.
type tailBuffer struct {
	mu   sync.Mutex
	data []byte
}

// Write never fails.
func (b *tailBuffer) Write(p []byte) (int, error) {
	const limit = 4 << 10
	b.mu.Lock()
	defer b.mu.Unlock()
	b.data = append(b.data, p...)
	b.data = b.data[max(0, len(b.data)-limit):]
	return len(p), nil
}

// hint is the last line that was written, as an addition to an error; "" when nothing was.
func (b *tailBuffer) hint() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(b.data)), "\n")
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
		return " (its last words: " + last + ")"
	}
	return ""
}
