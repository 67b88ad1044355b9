package run

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fault-project/fault/cmd/internal/suite"
)

func TestResultFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	document := func(name string) string { return "<testsuite><testcase name='" + name + "'/></testsuite>" }
	write("old.xml", document("old"))
	write("again.xml", document("before"))
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "again.xml"), long, long); err != nil {
		t.Fatal(err)
	}
	f := resultFiles{patterns: []string{filepath.Join(dir, "*.xml"), filepath.Join(dir, "TEST-[1].xml"), filepath.Join(dir, "again.xml")}}
	f.mark()
	if tests, notes := f.read(); tests != nil || len(notes) != 1 || !strings.HasPrefix(notes[0], "it left no test results") {
		t.Errorf("%v, %q", tests, notes)
	}
	write("again.xml", document("again_"))
	write("fresh.xml", document("fresh"))
	write("TEST-[1].xml", document("literal"))
	write("half.xml", document("half")+"<")
	write("none.xml", "oops")
	if err := os.Mkdir(filepath.Join(dir, "folder.xml"), 0o700); err != nil {
		t.Fatal(err)
	}
	tests, notes := f.read()
	var names []string
	for _, test := range tests {
		names = append(names, test.Name)
	}
	if want := []string{"literal", "again_", "fresh", "half"}; !reflect.DeepEqual(names, want) {
		t.Errorf("%q", names)
	}
	if len(notes) != 2 || !strings.Contains(notes[0], "half.xml: not a complete JUnit document") || !strings.Contains(notes[1], "none.xml: ") {
		t.Errorf("%q", notes)
	}
	if c := suite.Count(tests); c.Passed != 4 {
		t.Errorf("%+v", c)
	}
	bad := resultFiles{patterns: []string{"["}}
	bad.mark()
	if tests, notes := bad.read(); tests != nil || len(notes) != 1 {
		t.Errorf("%v, %q", tests, notes)
	}
}
