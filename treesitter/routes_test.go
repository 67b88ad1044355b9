//go:build cgo

package treesitter

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var routeSamples = []string{
	"fastapi.py", "flask.py", "django.py", "express.js", "express.ts", "nethttp.go.txt", "gin.go.txt", "echo.go.txt", "gorilla.go.txt",
	"spring.java",
}

func TestRoutesGolden(t *testing.T) {
	for _, name := range routeSamples {
		t.Run(name, func(t *testing.T) {
			file, _ := parseSample(t, filepath.Join("routes", name))
			if file.Warning != "" {
				t.Error(file.Warning)
			}
			var b strings.Builder
			for _, r := range file.Routes {
				fmt.Fprintf(&b, "%-8s %-40s %-28q %s %d-%d\n", r.Method, r.Path, r.Handler, r.Framework, r.Line, r.EndLine)
			}
			golden(t, filepath.Join("testdata", "routes", name+".golden"), b.String())
		})
	}
}

// Files without a framework have no routes, whatever they call.
func TestNoRoutes(t *testing.T) {
	for _, name := range samples {
		file, _ := parseSample(t, name)
		if len(file.Routes) > 0 && name != "sample.py" && name != "sample.java" {
			t.Errorf("%s: %+v", name, file.Routes)
		}
	}
}

func FuzzRoutes(f *testing.F) {
	for _, name := range routeSamples {
		src, err := os.ReadFile(filepath.Join("testdata", "routes", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		for _, language := range []Language{Python, Go, JavaScript, TypeScript, Java} {
			file, err := Parse(t.Context(), language, src)
			if err != nil {
				continue
			}
			lines := strings.Count(string(src), "\n") + 1
			for _, r := range file.Routes {
				if !strings.HasPrefix(r.Path, "/") || r.Line < 1 || r.EndLine < r.Line || r.EndLine > lines || r.Framework == "" {
					t.Fatalf("%s: %+v of %d lines", language, r, lines)
				}
			}
		}
	})
}
