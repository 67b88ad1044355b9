//go:build linux

// Command soak runs the proxy for a long time under thousands of connections while its faults come and go, and fails when a byte is
// wrong, memory grows, or something is left in the end. It is not a part of the product, needs Linux (/proc), and is started by
// "make soak".
//
// The proxy is in this process, alone: both ends of all connections are in another one, started by this one.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/fault-project/fault/proxyengine"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

// options are what the command line says.
type options struct {
	length time.Duration
	conns  int
	every  time.Duration
	seed   uint64
	peer   bool
}

func run(ctx context.Context, args []string) error {
	var o options
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.DurationVar(&o.length, "for", 10*time.Minute, "how long")
	flags.IntVar(&o.conns, "connections", 5000, "how many connections at a time")
	flags.DurationVar(&o.every, "every", time.Second, "how often the faults change")
	flags.Uint64Var(&o.seed, "seed", 1, "decides the faults, their draws, and what is sent")
	flags.BoolVar(&o.peer, "peer", false, "used by the program for its own process: be both ends of the connections")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if o.peer {
		return servePeer(ctx, o)
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	if need := uint64(2*o.conns + 200); limit.Cur < need {
		return fmt.Errorf("%d connections need %d open files, the limit is %d; raise it (ulimit -n %d)", o.conns, need, limit.Cur, need)
	}
	return soak(ctx, o)
}

// peer is the other process.
type peer struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *bufio.Reader
}

func startPeer(o options) (*peer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{"-peer", "-connections", strconv.Itoa(o.conns), "-seed", strconv.FormatUint(o.seed, 10)}
	p := &peer{cmd: exec.Command(self, args...)} //nolint:noctx // it ends with its input, see end
	p.cmd.Stderr = os.Stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	return p, p.cmd.Start()
}

// line is what the other process says next.
func (p *peer) line() (string, error) {
	s, err := p.out.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("the process with the connections ended: %w", err)
	}
	return strings.TrimSpace(s), nil
}

// end tells the other process to finish its connections, and returns what became of all of them.
func (p *peer) end() (r report, err error) {
	p.stdin.Close()
	text, err := p.line()
	if err == nil {
		err = json.Unmarshal([]byte(text), &r)
	}
	return r, errors.Join(err, p.cmd.Wait())
}

func soak(ctx context.Context, o options) error {
	base := look()
	p, err := startPeer(o)
	if err != nil {
		return err
	}
	upstream, err := p.line()
	if err != nil {
		return err
	}
	mapping, err := proxyengine.ParseMapping("127.0.0.1:0=" + upstream)
	if err != nil {
		return err
	}
	var applied counter
	engine, err := proxyengine.New(proxyengine.Config{
		Mappings: []proxyengine.Mapping{mapping}, Seed: o.seed, Sink: applied.sink, Drain: time.Minute,
	})
	if err != nil {
		return err
	}
	if err := engine.Start(ctx); err != nil {
		return err
	}
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	served := make(chan error, 1)
	go func() { served <- engine.Run(serving) }()
	if _, err := fmt.Fprintln(p.stdin, engine.MappingAddrs()[mapping.String()]); err != nil {
		return err
	}

	s := &samples{}
	changes, err := toggle(ctx, engine, o, s)
	if err != nil {
		return err
	}
	if err := engine.Apply(proxyengine.Program{}); err != nil {
		return err
	}
	r, err := p.end()
	if err != nil {
		return err
	}
	stopServing()
	if err := <-served; err != nil {
		return err
	}
	left := settled(base)
	fmt.Fprintf(os.Stdout, "%d changes of faults; applied: %s\n%s\n", changes, applied.String(), r)
	fmt.Fprintf(os.Stdout, "in use after collection, before → first third → last third → after: %s\n", s.summary(base, left))
	return errors.Join(r.check(o), s.check(), leaks(base, left))
}

// usage is what the process holds now.
type usage struct {
	bytes      uint64 // heap after collection, and stacks
	goroutines int
	files      int
}

func look() usage {
	runtime.GC()
	runtime.GC() // what pools let go of
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u := usage{bytes: m.HeapAlloc + m.StackInuse, goroutines: runtime.NumGoroutine()}
	if d, err := os.Open("/proc/self/fd"); err == nil {
		names, _ := d.Readdirnames(-1) // as many as can be read
		u.files = len(names) - 1
		d.Close()
	}
	return u
}

// settled looks until what was opened since base is closed, at most some seconds: pipes are closed by the collector.
func settled(base usage) usage {
	u := look()
	for range 50 {
		if leaks(base, u) == nil {
			break
		}
		time.Sleep(200 * time.Millisecond)
		u = look()
	}
	return u
}

// What may be left: the runtime's own files (netpoller), the timer's file, and a few goroutines of the runtime and of signals.
const (
	spareFiles      = 8
	spareGoroutines = 8
	spareBytes      = 16 << 20
)

func leaks(base, left usage) error {
	switch {
	case left.files > base.files+spareFiles:
		return fmt.Errorf("%d files were open before, %d are now", base.files, left.files)
	case left.goroutines > base.goroutines+spareGoroutines:
		return fmt.Errorf("%d goroutines ran before, %d do now", base.goroutines, left.goroutines)
	case left.bytes > base.bytes+spareBytes:
		return fmt.Errorf("%.1f MB were in use before, %.1f are now", float64(base.bytes)/1e6, float64(left.bytes)/1e6)
	}
	return nil
}
