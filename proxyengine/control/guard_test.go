package control

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestGuard(t *testing.T) {
	bearer := "Bearer " + secret
	basic := func(password string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte("fault:"+password))
	}
	secured, open, public := guard{secret, true}, guard{"", true}, guard{secret, false}
	for name, tt := range map[string]struct {
		guard
		host   string
		header map[string]string
		want   int
	}{
		"token":                       {secured, "127.0.0.1:8474", map[string]string{"Authorization": bearer}, 200},
		"token, lower-case scheme":    {secured, "localhost:8474", map[string]string{"Authorization": "bearer " + secret}, 200},
		"token in the address":        {secured, "[::1]:8474", map[string]string{"Authorization": basic(secret)}, 200},
		"no token":                    {secured, "127.0.0.1", nil, 401},
		"wrong token":                 {secured, "127.0.0.1", map[string]string{"Authorization": bearer + "x"}, 401},
		"part of the token":           {secured, "127.0.0.1", map[string]string{"Authorization": bearer[:20]}, 401},
		"empty token":                 {secured, "127.0.0.1", map[string]string{"Authorization": "Bearer "}, 401},
		"wrong token in the address":  {secured, "127.0.0.1", map[string]string{"Authorization": basic("x")}, 401},
		"another scheme":              {secured, "127.0.0.1", map[string]string{"Authorization": "Digest " + secret}, 401},
		"a name of the page's":        {secured, "rebound.example:8474", map[string]string{"Authorization": bearer}, 403},
		"a name, no token wanted":     {open, "rebound.example:8474", nil, 403},
		"looks like loopback":         {open, "127.0.0.1.example.com", nil, 403},
		"looks like localhost":        {open, "localhost.example.com", nil, 403},
		"no host":                     {open, "", nil, 403},
		"another address":             {open, "10.0.0.1:8474", nil, 403},
		"no token wanted":             {open, "localhost", nil, 200},
		"any of loopback":             {open, "127.1.2.3:1", nil, 200},
		"IPv4 in IPv6":                {open, "[::ffff:127.0.0.1]:1", nil, 200},
		"with a dot":                  {open, "LOCALHOST.:1", nil, 200},
		"origin of a page":            {open, "127.0.0.1:8474", map[string]string{"Origin": "https://example.com"}, 403},
		"origin null":                 {open, "127.0.0.1:8474", map[string]string{"Origin": "null"}, 403},
		"origin on another port":      {open, "127.0.0.1:8474", map[string]string{"Origin": "http://127.0.0.1:3000"}, 403},
		"origin of a page, token":     {secured, "127.0.0.1:8474", map[string]string{"Origin": "https://example.com", "Authorization": bearer}, 403},
		"own origin":                  {open, "127.0.0.1:8474", map[string]string{"Origin": "http://127.0.0.1:8474"}, 200},
		"a page's image":              {open, "127.0.0.1", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		"a page of the same site":     {open, "127.0.0.1", map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		"typed into a browser":        {open, "127.0.0.1", map[string]string{"User-Agent": "Mozilla/5.0 (X11)", "Sec-Fetch-Site": "none"}, 403},
		"a browser with the token":    {secured, "127.0.0.1", map[string]string{"User-Agent": "Mozilla/5.0", "Authorization": bearer}, 200},
		"from elsewhere":              {public, "ci-proxy:8474", map[string]string{"Authorization": bearer}, 200},
		"from elsewhere, no token":    {public, "ci-proxy:8474", nil, 401},
		"a page elsewhere with token": {public, "ci-proxy:8474", map[string]string{"Authorization": bearer, "Origin": "http://example.com"}, 403},
	} {
		r := httptest.NewRequest(http.MethodGet, "http://x/v1/status", nil)
		r.Host = tt.host
		for k, v := range tt.header {
			r.Header.Set(k, v)
		}
		got := 200
		if p := tt.check(r); p != nil {
			got = p.Status
		}
		if got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}

func TestGuardStandsBeforeEverything(t *testing.T) {
	f := newFixture(t)
	for _, path := range []string{"/", "/v1/status", "/v1/openapi.json", "/v1/faults", "/proxies", "/version", "/reset", "/nothing"} {
		for _, method := range []string{"GET", "POST", "PUT", "OPTIONS", "HEAD"} {
			w := httptest.NewRecorder()
			f.answers.ServeHTTP(w, httptest.NewRequest(method, "http://127.0.0.1"+path, nil))
			if w.Code != 401 || w.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%s %s without a token: %d", method, path, w.Code)
			}
			if strings.Contains(w.Body.String(), secret) {
				t.Errorf("%s %s tells the token", method, path)
			}
		}
	}
}

func TestBodiesAreCapped(t *testing.T) {
	f := newFixture(t)
	long := `{"type":"latency","mean":1,"id":"` + strings.Repeat("x", mostBody) + `"}`
	f.want("POST", "/v1/faults", long, 413, "longer than")
	f.want("POST", "/populate", long, 413, "longer than")
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1/v1/faults", bytes.NewReader([]byte(`{`)))
	r.Header.Set("Authorization", "Bearer "+secret)
	w := httptest.NewRecorder()
	f.answers.ServeHTTP(w, r)
	if w.Code != 400 {
		t.Errorf("half an object: %d", w.Code)
	}
}

func TestOptions(t *testing.T) {
	f := newFixture(t)
	for name, tt := range map[string]struct {
		Options
		says string
	}{
		"no engine":            {Options{Address: "0"}, "needs an engine"},
		"no address":           {Options{Engine: f.engine}, "write host:port"},
		"not an address":       {Options{Engine: f.engine, Address: "a:b:c"}, "write host:port"},
		"no port":              {Options{Engine: f.engine, Address: "127.0.0.1:"}, "write host:port"},
		"everywhere":           {Options{Engine: f.engine, Address: "0.0.0.0:0"}, "give a token"},
		"everywhere, no host":  {Options{Engine: f.engine, Address: ":0"}, "give a token"},
		"everywhere, IPv6":     {Options{Engine: f.engine, Address: "[::]:0"}, "give a token"},
		"everywhere, no token": {Options{Engine: f.engine, Address: "0.0.0.0:0", Token: NoToken}, "give a token"},
		"everywhere, token":    {Options{Engine: f.engine, Address: "0.0.0.0:0", Token: secret}, ""},
		"loopback, no token":   {Options{Engine: f.engine, Address: "localhost:0", Token: NoToken}, ""},
		"token with a blank":   {Options{Engine: f.engine, Address: "0", Token: "a b"}, "blanks"},
	} {
		s, err := New(tt.Options)
		switch {
		case tt.says == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)):
			t.Errorf("%s: error %v, want one that says %q", name, err, tt.says)
		case err == nil && (s.Token() == "") != (tt.Token == NoToken):
			t.Errorf("%s: token %q", name, s.Token())
		}
	}
	a, _ := New(Options{Engine: f.engine, Address: "0"})
	b, _ := New(Options{Engine: f.engine, Address: "0"})
	if len(a.Token()) < 20 || a.Token() == b.Token() {
		t.Errorf("made tokens %q and %q", a.Token(), b.Token())
	}
}

func TestStartAndRun(t *testing.T) {
	f := newFixture(t)
	if err := f.Run(t.Context()); err == nil {
		t.Error("Run before Start gives no error")
	}
	addr := f.serve()
	if err := f.Start(t.Context()); err == nil {
		t.Error("a second Start gives no error")
	}
	other, err := New(Options{Engine: f.engine, Address: addr})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "bind "+addr) || !strings.Contains(err.Error(), "choose another") {
		t.Errorf("an address in use: %v", err)
	}
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://fault:" + secret + "@" + addr + "/v1/status")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s, %s", resp.Status, resp.Header.Get("Content-Type"))
	}
}
