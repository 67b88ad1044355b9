//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// The contenders, in the order of the columns.
const (
	direct = "direct"
	plain  = "plain"
	toxi   = "toxiproxy"
	ours   = "fault"
)

// contender is a way to the upstream; all but the direct one are a process.
type contender struct {
	name               string
	echo, source, http string // addresses; http is a forward proxy's, or of the upstream itself
	cmd                *exec.Cmd
	stdin              io.Closer
	exited             chan struct{}
	complaint          *bytes.Buffer // what the process wrote to its standard error
}

func (c *contender) pid() int {
	if c.cmd == nil {
		return 0
	}
	return c.cmd.Process.Pid
}

// stop ends the process, kindly first.
func (c *contender) stop() {
	if c == nil || c.cmd == nil {
		return
	}
	if c.stdin != nil {
		c.stdin.Close()
	}
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-c.exited:
	case <-time.After(8 * time.Second):
		_ = c.cmd.Process.Kill()
		<-c.exited
	}
}

// launch starts a process that ends with this one.
func launch(name, program string, args ...string) (*contender, io.Reader, error) {
	c := &contender{name: name, exited: make(chan struct{}), complaint: &bytes.Buffer{}}
	c.cmd = exec.Command(program, args...) //nolint:noctx // stop ends it
	c.cmd.Stderr = c.complaint
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	var err error
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, nil, err
	}
	out, in, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	c.cmd.Stdout = in
	err = c.cmd.Start()
	in.Close()
	if err != nil {
		out.Close()
		return nil, nil, err
	}
	go func() {
		_ = c.cmd.Wait() // its status says nothing: it was told to end
		out.Close()
		close(c.exited)
	}()
	return c, out, nil
}

// part starts this program in a role, and reads the addresses that it listens on.
func part(name, role string, n int, args ...string) (*contender, []string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	c, out, err := launch(name, self, append([]string{"-role", role}, args...)...)
	if err != nil {
		return nil, nil, err
	}
	at, err := addresses(out, n)
	if err != nil {
		c.stop()
		return nil, nil, err
	}
	return c, at, nil
}

// startPlain starts the proxy of the standard library.
func (b *bench) startPlain() (*contender, error) {
	c, at, err := part(plain, "copy", 2, b.up.echo, b.up.source)
	if err != nil {
		return nil, err
	}
	c.echo, c.source = at[0], at[1]
	return c, nil
}

func (b *bench) startReverse() (*contender, error) {
	c, at, err := part(plain, "reverse", 1)
	if err != nil {
		return nil, err
	}
	c.http = at[0]
	return c, nil
}

// startFault starts the product with the flags of faults.
func (b *bench) startFault(ctx context.Context, flags ...string) (*contender, error) {
	ports, err := freePorts(ctx, 3)
	if err != nil {
		return nil, err
	}
	args := append([]string{
		"run", "--no-ui", "--proxy-address", ports[0], "--proxy", ports[1] + "=" + b.up.echo, "--proxy", ports[2] + "=" + b.up.source,
	}, flags...)
	c, out, err := launch(ours, b.o.fault, args...)
	if err != nil {
		return nil, err
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	c.http, c.echo, c.source = ports[0], ports[1], ports[2]
	return c, c.await(ctx, ports...)
}

// toxic is a fault of toxiproxy's, on what comes down.
type toxic struct {
	Type       string           `json:"type"`
	Stream     string           `json:"stream"`
	Attributes map[string]int64 `json:"attributes"`
}

// startToxiproxy starts the peer, with a toxic where one is given.
func (b *bench) startToxiproxy(ctx context.Context, fault *toxic) (*contender, error) {
	ports, err := freePorts(ctx, 3)
	if err != nil {
		return nil, err
	}
	_, api, err := net.SplitHostPort(ports[0])
	if err != nil {
		return nil, err
	}
	c, out, err := launch(toxi, b.o.toxiproxy, "-host", "127.0.0.1", "-port", api)
	if err != nil {
		return nil, err
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	if err := c.await(ctx, ports[0]); err != nil {
		return nil, err
	}
	c.echo, c.source = ports[1], ports[2]
	for _, p := range []struct{ name, listen, upstream string }{{"echo", c.echo, b.up.echo}, {"source", c.source, b.up.source}} {
		body := map[string]any{"name": p.name, "listen": p.listen, "upstream": p.upstream, "enabled": true}
		err := post(ctx, "http://"+ports[0]+"/proxies", body)
		if err == nil && fault != nil {
			err = post(ctx, "http://"+ports[0]+"/proxies/"+p.name+"/toxics", fault)
		}
		if err != nil {
			c.stop()
			return nil, err
		}
	}
	return c, c.await(ctx, c.echo, c.source)
}

func post(ctx context.Context, url string, body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(data))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(resp.Body) // only for the message
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("toxiproxy answers %s: %s", resp.Status, answer)
	}
	return nil
}

// await blocks until the process accepts connections; on an error it is stopped.
func (c *contender) await(ctx context.Context, addrs ...string) error {
	for _, addr := range addrs {
		for wait := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			var d net.Dialer
			conn, err := d.DialContext(ctx, "tcp", addr)
			if err == nil {
				conn.Close()
				break
			}
			ended := false
			select {
			case <-c.exited:
				ended = true
			default:
			}
			if ended || ctx.Err() != nil || time.Now().After(wait) {
				c.stop()
				return fmt.Errorf("%s does not listen on %s: %w; it says: %s", c.name, addr, err, c.complaint)
			}
		}
	}
	return nil
}

// freePorts are addresses of this machine that nobody listens on now.
func freePorts(ctx context.Context, n int) (addrs []string, err error) {
	var lc net.ListenConfig
	for range n {
		ln, listenErr := lc.Listen(ctx, "tcp", "127.0.0.1:0")
		if listenErr != nil {
			return nil, errors.Join(err, listenErr)
		}
		defer ln.Close() // all at the end, so that they differ
		addrs = append(addrs, "127.0.0.1:"+strconv.Itoa(ln.Addr().(*net.TCPAddr).Port))
	}
	return addrs, nil
}
