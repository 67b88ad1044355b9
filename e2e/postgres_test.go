//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// postgres is a PostgreSQL server of a test. User plain may come without TLS, user secure may not.
type postgres struct {
	address   string
	authority string // file with the certificate of the authority of its own, PEM
}

// newPostgres starts a server with an empty database, in a folder of its own and with the rights of the user postgres where the
// test has those of root, which the server refuses.
func newPostgres(t *testing.T) postgres {
	t.Helper()
	initdb, server := peer(t, "initdb"), peer(t, "postgres")
	dir, err := os.MkdirTemp("", "fault-e2e-") //nolint:usetesting // whose folders other users cannot enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	as := &syscall.SysProcAttr{}
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 {
		account, err := user.Lookup("postgres")
		if err != nil {
			missing(t, "PostgreSQL does not run as root, and %v", err)
		}
		uid, _ = strconv.Atoi(account.Uid)
		gid, _ = strconv.Atoi(account.Gid)
		as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	ca := newAuthority(t, dir)
	certFile, keyFile := filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key")
	ca.issue(t, certFile, keyFile, []string{"localhost"}, net.IPv4(127, 0, 0, 1))
	for _, path := range []string{dir, certFile, keyFile} {
		if err := os.Chown(path, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	data := filepath.Join(dir, "data")
	init := exec.Command(initdb, "-D", data, "-U", "plain", "--auth", "trust", "--no-sync", "--locale", "C", "-E", "UTF8")
	init.SysProcAttr, init.Dir = as, dir
	if out, err := init.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	hba := "host all plain 127.0.0.1/32 trust\nhostssl all secure 127.0.0.1/32 trust\n"
	if err := os.WriteFile(filepath.Join(data, "pg_hba.conf"), []byte(hba), 0o644); err != nil {
		t.Fatal(err)
	}
	settings, err := os.OpenFile(filepath.Join(data, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = settings.WriteString("ssl = on\n") // not on the command line, which would be for good
	if err := errors.Join(err, settings.Close()); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	args := []string{"-D", data, "-p", strconv.Itoa(port)}
	for _, setting := range []string{
		"listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "shared_buffers=32MB", "max_connections=50",
		"autovacuum=off", "ssl_cert_file=" + certFile, "ssl_key_file=" + keyFile,
	} {
		args = append(args, "-c", setting)
	}
	cmd := exec.Command(server, args...)
	var log output
	cmd.SysProcAttr, cmd.Dir, cmd.Stdout, cmd.Stderr = as, dir, &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt) // a fast shutdown: sessions are ended
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-done
		}
		if t.Failed() {
			t.Logf("PostgreSQL: %s", tail(log.String()))
		}
	})
	p := postgres{address: local(port), authority: ca.file}
	for range 300 {
		if out, err := psql(p.address, "user=plain", "select 1").CombinedOutput(); err == nil && string(out) == "1\n" {
			if out, err := psql(p.address, "user=plain", "create role secure superuser login").CombinedOutput(); err != nil {
				t.Fatalf("create role: %v\n%s", err, out)
			}
			return p
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("PostgreSQL does not answer: %s", log.String())
	return p
}

// psql prepares psql with commands, each one of them sent when the one before is done. settings are further ones of the connection.
func psql(address, settings string, commands ...string) *exec.Cmd {
	host, port, _ := net.SplitHostPort(address)
	args := []string{"-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", "host=" + host + " port=" + port + " dbname=postgres " + settings}
	for _, c := range commands {
		args = append(args, "-c", c)
	}
	cmd := exec.Command("psql", args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PGCONNECT_TIMEOUT=20")
	return cmd
}

// ask runs psql to its end, for at most 40 seconds, and returns how long it took.
func ask(t *testing.T, address, settings string, commands ...string) (result, time.Duration) {
	t.Helper()
	prepared := psql(address, settings, commands...)
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, prepared.Path, prepared.Args[1:]...)
	cmd.Env = prepared.Env
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	err := cmd.Run()
	took := time.Since(start)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}, took
}

var timing = regexp.MustCompile(`Time: ([0-9.]+) ms`)

// queries returns how long each of five queries took in one session, as psql measures it.
func queries(t *testing.T, address, settings string) []float64 {
	t.Helper()
	commands := []string{`\timing on`}
	for range 5 {
		commands = append(commands, "select 1")
	}
	r, _ := ask(t, address, settings, commands...)
	if r.code != 0 {
		t.Fatalf("psql ended with %d: %s%s", r.code, r.stdout, r.stderr)
	}
	var all []float64
	for _, m := range timing.FindAllStringSubmatch(r.stdout, -1) {
		ms, _ := strconv.ParseFloat(m[1], 64)
		all = append(all, ms)
	}
	if len(all) != 5 {
		t.Fatalf("%d times in %s", len(all), r.stdout)
	}
	return all
}

// TestPostgres: psql and pgbench through mappings to a real PostgreSQL.
func TestPostgres(t *testing.T) {
	peer(t, "psql")
	pgbench := peer(t, "pgbench")
	db := newPostgres(t)
	plain, secure := "user=plain sslmode=disable", "user=secure sslmode=disable"
	trusting := []string{"SSL_CERT_FILE=" + db.authority}
	target, encrypted := []string{"psql://" + db.address}, []string{"psqls://" + db.address}
	const usesTLS = "select ssl from pg_stat_ssl where pid = pg_backend_pid()"

	t.Run("latency of each turn", func(t *testing.T) {
		w := through(t, target, "--with-latency", "--latency-mean", "60", "--latency-stddev", "0", "--latency-scope", "turn")
		steady(t, func() error {
			return between("ms added to a query", added(queries(t, w.mappings[0], plain), queries(t, db.address, plain)), 58, 66)
		})
	})
	t.Run("latency of a connection", func(t *testing.T) {
		w := through(t, target, "--with-latency", "--latency-mean", "300", "--latency-stddev", "0")
		steady(t, func() error {
			session := func(address string) func() float64 {
				return func() float64 {
					_, took := ask(t, address, plain, "select 1")
					return float64(took.Microseconds()) / 1000
				}
			}
			return errors.Join(
				between("ms added to a session", added(several(3, session(w.mappings[0])), several(3, session(db.address))), 290, 330),
				between("ms of a query", slices.Min(queries(t, w.mappings[0], plain)), 0, 20),
			)
		})
	})
	t.Run("psqls", func(t *testing.T) {
		if r, _ := ask(t, db.address, secure, "select 1"); r.code != 2 {
			t.Fatalf("without TLS the server should refuse: %d %s", r.code, r.stderr)
		}
		w := throughWith(t, trusting, encrypted, "--with-latency", "--latency-mean", "60", "--latency-stddev", "0", "--latency-scope", "turn")
		for _, settings := range []string{
			secure, // the proxy encrypts
			"user=secure host=localhost sslmode=verify-full sslrootcert=" + db.authority, // the client does: there is no TLS in TLS
		} {
			if r, _ := ask(t, w.mappings[0], settings, usesTLS); r.code != 0 || r.stdout != "t\n" {
				t.Errorf("%s: exit code %d, uses TLS: %q %s", settings, r.code, r.stdout, r.stderr)
			}
			steady(t, func() error {
				control := queries(t, db.address, strings.Replace(settings, "disable", "require", 1))
				return between("ms added to a query", added(queries(t, w.mappings[0], settings), control), 58, 66)
			})
		}
	})
	t.Run("psqls, unknown authority", func(t *testing.T) {
		w := through(t, encrypted)
		r, _ := ask(t, w.mappings[0], secure, "select 1")
		if r.code != 2 || r.stdout != "" || !connectionLost(r.stderr) {
			t.Errorf("exit code %d, %q %s; want that nothing gets through", r.code, r.stdout, r.stderr)
		}
	})
	t.Run("blackhole", func(t *testing.T) {
		w := through(t, target, "--with-blackhole")
		r, took := ask(t, w.mappings[0], plain+" connect_timeout=2", "select 1")
		if r.code != 2 || !strings.Contains(r.stderr, "timeout expired") || took < 1900*time.Millisecond || took > 5*time.Second {
			t.Errorf("after %s exit code %d: %s; want the timeout of the client", took, r.code, r.stderr)
		}
	})
	t.Run("reset", func(t *testing.T) {
		for name, flags := range map[string][]string{
			"on connecting":       nil,
			"in the first answer": {"--reset-after-bytes", "100"},
			"during a query":      {"--reset-delay", "500"},
		} {
			w := through(t, target, append([]string{"--with-reset"}, flags...)...)
			for range 5 {
				r, _ := ask(t, w.mappings[0], plain, "select pg_sleep(3)")
				if r.code != 2 || !connectionLost(r.stderr) {
					t.Errorf("%s: exit code %d: %s; want a lost connection", name, r.code, r.stderr)
				}
			}
		}
		// The server is not hurt, and none of its sessions is left.
		r, _ := ask(t, db.address, plain, "select pg_sleep(0.5)", "select count(*) from pg_stat_activity where backend_type = 'client backend' and state = 'idle'")
		if r.code != 0 || r.stdout != "\n0\n" {
			t.Errorf("afterwards exit code %d, %q %s; want no session", r.code, r.stdout, r.stderr)
		}
	})
	t.Run("packet loss", func(t *testing.T) {
		w := through(t, target, "--with-packet-loss", "--packet-loss-rate", "0.05", "--packet-loss-direction", "both", "--seed", "11")
		const query = "select md5(string_agg(md5(i::text), '')) from generate_series(1, 20000) i"
		rows := "select i, md5(i::text) from generate_series(1, 20000) i"
		want, control := ask(t, db.address, plain, query, rows)
		got, took := ask(t, w.mappings[0], plain, query, rows)
		if got != want || got.code != 0 {
			t.Errorf("%d bytes, exit code %d %s; want %d", len(got.stdout), got.code, got.stderr, len(want.stdout))
		}
		if took < control+40*time.Millisecond {
			t.Errorf("%s with losses, %s without", took, control)
		}
	})
	t.Run("blackhole that heals", func(t *testing.T) {
		start := time.Now()
		w := through(t, target, "--with-blackhole", "--blackhole-heal", "retransmit", "--blackhole-sched", "start:1s,duration:2s")
		listening := time.Since(start)
		r, took := ask(t, w.mappings[0], plain, "select pg_sleep(1.5), 42")
		if r.code != 0 || !strings.Contains(r.stdout, "42") || took < 3*time.Second-listening || took > 5*time.Second {
			t.Errorf("after %s exit code %d: %q %s; want the answer of second 1.5 at second 3", took, r.code, r.stdout, r.stderr)
		}
	})
	t.Run("pgbench", func(t *testing.T) {
		w := through(t, target)
		slow := through(t, target, "--with-latency", "--latency-mean", "20", "--latency-stddev", "0", "--latency-scope", "turn")
		bench := func(address string, args ...string) (transactions int, milliseconds []float64) {
			host, port, _ := net.SplitHostPort(address)
			dir := t.TempDir()
			r := command(t, dir, pgbench, append(args, "-h", host, "-p", port, "-U", "plain", "postgres")...)
			if r.code != 0 || strings.Contains(r.stderr, "error") || strings.Contains(r.stderr, "aborted") {
				t.Fatalf("pgbench ended with %d: %s%s", r.code, r.stdout, r.stderr)
			}
			if m := regexp.MustCompile(`actually processed: (\d+)`).FindStringSubmatch(r.stdout); m != nil {
				transactions, _ = strconv.Atoi(m[1])
			}
			logs, _ := filepath.Glob(filepath.Join(dir, "pgbench_log.*"))
			for _, name := range logs { // client, number, microseconds, …
				content, _ := os.ReadFile(name)
				for line := range strings.Lines(string(content)) {
					us, _ := strconv.ParseFloat(strings.Fields(line)[2], 64)
					milliseconds = append(milliseconds, us/1000)
				}
			}
			return transactions, milliseconds
		}
		bench(w.mappings[0], "-i", "-q", "-s", "2") // 200,000 rows by COPY through the proxy
		if r, _ := ask(t, db.address, plain, "select count(*), sum(aid) from pgbench_accounts"); r.stdout != "200000|20000100000\n" {
			t.Errorf("rows and sum: %q %s", r.stdout, r.stderr)
		}
		// Each transaction of the default script is seven statements; every one of them goes both ways once.
		if n, _ := bench(w.mappings[0], "-n", "-c", "8", "-j", "2", "-t", "200"); n != 1600 {
			t.Errorf("%d transactions, want 1600", n)
		}
		if n, _ := bench(w.mappings[0], "-n", "-S", "-C", "-c", "4", "-t", "25"); n != 100 {
			t.Errorf("%d transactions with a connection each, want 100", n)
		}
		steady(t, func() error {
			_, control := bench(db.address, "-n", "-S", "-c", "4", "-t", "50", "-l")
			_, delayed := bench(slow.mappings[0], "-n", "-S", "-c", "4", "-t", "50", "-l")
			if len(control) != 200 || len(delayed) != 200 {
				t.Fatalf("%d and %d transactions in the logs, want 200", len(control), len(delayed))
			}
			slices.Sort(control)
			slices.Sort(delayed)
			return errors.Join(
				between("ms added to the quickest transaction", delayed[0]-control[0], 19.5, 22),
				between("ms added to the median", delayed[100]-control[100], 19.5, 22),
			)
		})
	})
}

// connectionLost says that psql's error is that of a connection that ended under it.
func connectionLost(stderr string) bool {
	return strings.Contains(stderr, "server closed the connection unexpectedly") || strings.Contains(stderr, "Connection reset by peer")
}
