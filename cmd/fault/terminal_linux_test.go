package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal (pty(7)) with a program in its foreground, and a person who types and looks.
type terminal struct {
	t      *testing.T
	cmd    *exec.Cmd
	master *os.File

	mu     sync.Mutex
	screen bytes.Buffer
	ended  chan struct{}
}

func inTerminal(t *testing.T, env []string, args ...string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo-terminals here: ", err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 100}); err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	term := &terminal{t: t, master: master, ended: make(chan struct{})}
	term.cmd = exec.CommandContext(t.Context(), "fault", args...)
	term.cmd.Stdin, term.cmd.Stdout, term.cmd.Stderr = slave, slave, slave
	term.cmd.Env = append(os.Environ(), env...)
	term.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := term.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(term.ended)
		buffer := make([]byte, 4096)
		for {
			n, err := master.Read(buffer)
			term.mu.Lock()
			term.screen.Write(buffer[:n])
			term.mu.Unlock()
			if err != nil { // EIO once nobody has the other end open
				return
			}
		}
	}()
	return term
}

func (term *terminal) shown() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.screen.String()
}

// await waits until text is shown.
func (term *terminal) await(text string) {
	term.t.Helper()
	for range 12000 {
		if strings.Contains(term.shown(), text) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	term.t.Fatalf("no %q in %q", text, term.shown())
}

func (term *terminal) press(keys string) {
	term.t.Helper()
	if _, err := io.WriteString(term.master, keys); err != nil {
		term.t.Fatal(err)
	}
}

// exit waits for the end and returns the exit code.
func (term *terminal) exit() int {
	term.t.Helper()
	select {
	case <-term.ended:
	case <-time.After(time.Minute):
		_ = term.cmd.Process.Kill()
		term.t.Fatalf("it does not end; it shows %q", term.shown())
	}
	_ = term.cmd.Wait()
	return term.cmd.ProcessState.ExitCode()
}

const ctrlC = "\x03"

func TestCtrlCReachesTheCommandOnce(t *testing.T) {
	term := inTerminal(t, nil, "run", "--proxy-address", "127.0.0.1:0", "--", "nag")
	term.await("ready")
	term.press(ctrlC)
	if code := term.exit(); code != 11 {
		t.Errorf("exit code %d (10 and the number of interrupts), %q", code, term.shown())
	}
}

func TestSecondCtrlCKillsTheCommand(t *testing.T) {
	term := inTerminal(t, nil, "run", "--proxy-address", "127.0.0.1:0", "--", "nag", "on")
	term.await("ready")
	for pressing := true; pressing; { // two signals at once may be one: whoever wants to get out presses on
		term.press(ctrlC)
		select {
		case <-term.ended:
			pressing = false
		case <-time.After(300 * time.Millisecond):
		}
	}
	if code := term.exit(); code != 130 {
		t.Errorf("exit code %d, %q", code, term.shown())
	}
}

// Without a terminal, fault passes on what it is sent, to all that the command has started.
func TestSignalsReachTheCommand(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "fault", "run", "--proxy-address", "127.0.0.1:0", "--", "sh", "-c", "nag; exit $?")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	// A shell that was interrupted together with its command ends by the signal, or with the command's code.
	if code := exitCodeOf(t, cmd); code != 11 && code != 130 {
		t.Errorf("exit code %d", code)
	}
}

// The terminal shows the summary all the time, and is left as it was found.
func TestLiveSummary(t *testing.T) {
	for _, tc := range []struct {
		name string
		env  []string
		want []string
		not  []string
	}{
		{"color", []string{"NO_COLOR=", "TERM=xterm"}, []string{"\x1b[2mTraffic     \x1b[0mnone", "\x1b[J", "━", " 5m"}, nil},
		{"no color", []string{"NO_COLOR=1", "TERM=xterm"}, []string{"Traffic     none", "\x1b[J", "━"}, []string{"m\x1b", "\x1b[0m"}},
		{"dumb", []string{"NO_COLOR=", "TERM=dumb"}, []string{"Seed        7\r\n"}, []string{"\x1b", "━"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			term := inTerminal(t, tc.env, "run", "--proxy-address", "127.0.0.1:0", "--with-jitter", "--duration", "5m", "--seed", "7")
			for _, want := range tc.want {
				term.await(want)
			}
			term.press(ctrlC)
			if code := term.exit(); code != 130 {
				t.Errorf("exit code %d", code)
			}
			shown := term.shown()
			for _, not := range append(tc.not, "\x1b[?25l", "\x1b[?1049h", "\x1b[?7l") {
				if strings.Contains(shown, not) {
					t.Errorf("%q in %q", not, shown)
				}
			}
			if end := shown[strings.LastIndex(shown, "Summary after"):]; strings.Contains(end, "━") || !strings.HasSuffix(end, "\n") {
				t.Errorf("it ends with %q", end)
			}
		})
	}
}
