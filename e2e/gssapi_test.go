//go:build e2e

package e2e

import (
	bin "encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// withTicket gives the clients that the test runs a Kerberos ticket, worth nothing, in a credential cache (MIT Kerberos, "Credential
// cache file format", version 4). libpq asks for GSSAPI encryption only when it finds one.
func withTicket(t *testing.T) {
	t.Helper()
	word := bin.BigEndian.AppendUint32
	data := func(b []byte, text string) []byte { return append(word(b, uint32(len(text))), text...) }
	principal := func(b []byte, kind uint32, names ...string) []byte {
		b = data(word(word(b, kind), uint32(len(names))), "FAULT.TEST")
		for _, n := range names {
			b = data(b, n)
		}
		return b
	}
	cache := principal([]byte{5, 4, 0, 0}, 1, "someone") // version, no header, the owner
	cache = principal(principal(cache, 1, "someone"), 2, "krbtgt", "FAULT.TEST")
	cache = data(append(cache, 0, 18), strings.Repeat("\x00", 32)) // the session key
	now := uint32(time.Now().Unix())
	cache = word(word(word(word(cache, now), now), now+86400), 0) // issued, begins, ends, renewed until
	cache = word(append(cache, 0), 0)                             // no second ticket's key, no flags
	cache = word(word(cache, 0), 0)                               // no addresses, no authorization data
	cache = data(data(cache, "ticket"), "")
	path := filepath.Join(t.TempDir(), "krb5cc")
	if err := os.WriteFile(path, cache, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KRB5CCNAME", "FILE:"+path)
	t.Setenv("KRB5_CONFIG", os.DevNull)
}

// preferring are settings of a client that would rather have GSSAPI encryption than TLS, or none.
const preferring = " host=localhost hostaddr=127.0.0.1 gssencmode=prefer"

// asksForGSSAPI says whether psql does so first, with the ticket that it has.
func asksForGSSAPI(t *testing.T) bool {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	cmd := psql(ln.Addr().String(), "user=plain sslmode=disable"+preferring, "select 1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	first := make([]byte, 8)
	if _, err := io.ReadFull(conn, first); err != nil {
		t.Fatal(err)
	}
	return bin.BigEndian.Uint32(first[4:]) == 80877104 // PostgreSQL, "Message Formats": GSSENCRequest
}

// TestPostgresGSSAPI: what a client says after GSSAPI encryption was refused reaches the server of a psqls mapping by TLS, or not.
func TestPostgresGSSAPI(t *testing.T) {
	peer(t, "psql")
	db := newPostgres(t)
	withTicket(t)
	if !asksForGSSAPI(t) {
		missing(t, "this psql was built without GSSAPI")
	}
	w := throughWith(t, []string{"SSL_CERT_FILE=" + db.authority}, []string{"psqls://" + db.address})
	const usesTLS = "select ssl from pg_stat_ssl where pid = pg_backend_pid()"
	for _, mode := range []string{"disable", "allow", "prefer", "require", "verify-full sslrootcert=" + db.authority} {
		for _, user := range []string{"plain", "secure"} {
			r, _ := ask(t, w.mappings[0], "user="+user+" sslmode="+mode+preferring, usesTLS)
			if r.code != 0 || r.stdout != "t\n" {
				t.Errorf("user %s, sslmode=%s: exit code %d, uses TLS: %q %s", user, mode, r.code, r.stdout, r.stderr)
			}
		}
	}
	// A server that stops to offer TLS gets nothing without it, though the client and the server would both agree to that.
	if r, _ := ask(t, db.address, "user=plain", "alter system set ssl = off", "select pg_reload_conf()"); r.code != 0 {
		t.Fatalf("exit code %d: %s", r.code, r.stderr)
	}
	for i := 0; ; i++ {
		r, _ := ask(t, db.address, "user=plain sslmode=prefer", usesTLS)
		if r.code == 0 && r.stdout == "f\n" {
			break
		}
		if i == 100 {
			t.Fatalf("TLS is still on: %d %q %s", r.code, r.stdout, r.stderr)
		}
		time.Sleep(100 * time.Millisecond)
	}
	for _, mode := range []string{"disable", "allow", "prefer", "require"} {
		for _, gss := range []string{"", preferring} {
			r, _ := ask(t, w.mappings[0], "user=plain sslmode="+mode+gss, "select 'reached'")
			if r.code != 2 || r.stdout != "" {
				t.Errorf("sslmode=%s%s: exit code %d, %q; want that the server is not spoken to", mode, gss, r.code, r.stdout)
			}
		}
	}
}
