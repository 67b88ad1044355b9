package stream_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fault-project/fault/proxyengine/stream"
)

// lineModel is a line under a clock that the test moves, with stages that come, go, stay, move and come back.
type lineModel struct {
	t      *rapid.T
	now    time.Time
	gen    uint64
	stages []stream.Stage
	gone   []stream.Stage
	line   stream.TestLine
	budget *stream.Budget
	sent   []byte
	got    []byte
	last   time.Time
	ended  bool
	end    stream.End
}

func newLineModel(t *rapid.T) *lineModel {
	m := &lineModel{t: t, now: time.Unix(1e9, 0), budget: stream.NewBudget(1 << 20)}
	p := &stream.Path{
		Stages:     func(stream.Dir) []stream.Stage { return slices.Clone(m.stages) },
		Generation: func() uint64 { return m.gen },
	}
	clock := stream.Clock{Now: func() time.Time { return m.now }, NewTimer: stream.Runtime().NewTimer}
	m.line = stream.NewTestLine(p, stream.Options{Clock: clock, Budget: m.budget})
	return m
}

func (m *lineModel) newStage() stream.Stage {
	if len(m.gone) > 0 && rapid.IntRange(0, 3).Draw(m.t, "back") == 0 {
		return m.gone[0]
	}
	n := rapid.IntRange(1, 20).Draw(m.t, "n")
	switch rapid.IntRange(0, 4).Draw(m.t, "kind") {
	case 0:
		return &hold{}
	case 1:
		return &hold{until: m.now.Add(time.Duration(n) * ms)}
	case 2:
		return &cutter{size: n, gap: time.Duration(n%3) * ms}
	case 3:
		return &jumble{rnd: rand.New(rand.NewPCG(uint64(n), 1)), whole: n}
	default:
		return &delay{time.Duration(n) * ms}
	}
}

// change leaves out some stages, puts in others, and now and then swaps two.
func (m *lineModel) change() {
	var next []stream.Stage
	for _, s := range m.stages {
		if rapid.IntRange(0, 3).Draw(m.t, "add") == 0 {
			if added := m.newStage(); !slices.Contains(next, added) && !slices.Contains(m.stages, added) {
				next = append(next, added)
			}
		}
		if rapid.IntRange(0, 3).Draw(m.t, "keep") > 0 {
			next = append(next, s)
		} else {
			m.gone = []stream.Stage{s}
		}
	}
	if len(next) < 3 {
		if added := m.newStage(); !slices.Contains(next, added) {
			next = append(next, added)
		}
	}
	if len(next) > 1 && rapid.IntRange(0, 9).Draw(m.t, "swap") == 0 {
		next[0], next[1] = next[1], next[0]
	}
	m.stages = next
	m.gen++
	m.line.Refresh()
}

func (m *lineModel) pop() {
	for _, c := range m.line.Pop() {
		if m.end != stream.Open {
			m.t.Fatalf("%d bytes after the end", len(c.Data))
		}
		m.got = append(m.got, c.Data...)
		m.end = c.End
		switch {
		case c.At.After(m.now):
			m.t.Fatalf("%v too early", c.At.Sub(m.now))
		case c.At.Before(c.Arrival):
			m.t.Fatalf("due %v before its arrival", c.Arrival.Sub(c.At))
		case c.At.Before(m.last):
			m.t.Fatalf("due %v before the chunk in front", m.last.Sub(c.At))
		}
		m.last = c.At
	}
	if !bytes.HasPrefix(m.sent, m.got) {
		m.t.Fatalf("bytes came in another order: %x of %x", m.got, m.sent)
	}
}

// TestLineKeepsOrderAndBytes does random things to a line: whatever its stages do, and however they change, what comes out is
// what went in, in order, and never before its time.
func TestLineKeepsOrderAndBytes(t *testing.T) {
	rapid.Check(t, checkLine)
}

func FuzzLine(f *testing.F) {
	f.Add([]byte("some changes"))
	f.Fuzz(rapid.MakeFuzz(checkLine))
}

func checkLine(t *rapid.T) {
	m := newLineModel(t)
	var count uint32
	t.Repeat(map[string]func(*rapid.T){
		"push": func(t *rapid.T) {
			if m.ended {
				return
			}
			var data []byte
			for range rapid.IntRange(1, 30).Draw(t, "words") {
				count++
				data = binary.BigEndian.AppendUint32(data, count)
			}
			m.sent = append(m.sent, data...)
			m.line.Push(data)
		},
		"pass time": func(t *rapid.T) {
			m.now = m.now.Add(time.Duration(rapid.IntRange(1, 15).Draw(t, "ms")) * ms)
		},
		"pop":    func(*rapid.T) { m.pop() },
		"change": func(t *rapid.T) { m.t = t; m.change() },
		"end": func(t *rapid.T) {
			if len(m.sent) > 2000 && !m.ended {
				m.ended = true
				m.line.PushEnd(stream.Fin)
			}
		},
	})
	if !m.ended {
		m.line.PushEnd(stream.Fin)
	}
	m.stages = nil
	m.gen++
	for range 10 { // stages that left may still have asked for a time in the future
		m.now = m.now.Add(time.Minute)
		m.pop()
	}
	if !bytes.Equal(m.got, m.sent) || m.end != stream.Fin {
		t.Fatalf("%d of %d bytes came, end %v", len(m.got), len(m.sent), m.end)
	}
	if used := m.budget.Used(); used != 0 {
		t.Fatalf("%d bytes are still charged", used)
	}
	if _, ok := m.line.Next(); ok {
		t.Fatal("an empty line wants to be woken")
	}
}

func TestCut(t *testing.T) {
	at := time.Unix(1, 0)
	for _, c := range []struct{ n, head, tail int }{{-1, 0, 5}, {0, 0, 5}, {2, 2, 3}, {5, 5, 0}, {9, 5, 0}} {
		for name, whole := range map[string]stream.Chunk{
			"data": stream.NewChunk(at, []byte("abcde")), "virtual": stream.NewVirtual(at, 5),
		} {
			whole.Turn = true
			head, tail := whole.Cut(c.n)
			if head.Len() != c.head || tail.Len() != c.tail || whole.Len() != 0 {
				t.Errorf("%s cut at %d: %d and %d", name, c.n, head.Len(), tail.Len())
			}
			if c.head > 0 && (!head.Turn || c.tail > 0 && tail.Turn) {
				t.Errorf("%s cut at %d: the turn belongs to the head", name, c.n)
			}
			if got := string(head.Bytes()) + string(tail.Bytes()); name == "data" && got != "abcde" {
				t.Errorf("cut at %d: %q", c.n, got)
			}
		}
	}
}
