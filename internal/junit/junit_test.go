package junit

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWrite(t *testing.T) {
	begin := time.Date(2026, 3, 4, 6, 6, 7, 8, time.FixedZone("", 3600))
	for name, c := range map[string]struct {
		in   Document
		want string
	}{
		"nothing": {Document{Name: "none"}, `<testsuites name="none" tests="0" failures="0" time="0.000"></testsuites>`},
		"counted": {
			Document{Name: "all", Suites: []Suite{
				{Name: "a & b", Start: begin, Cases: []Case{
					{Name: "one", Class: "c", Took: 1500 * time.Millisecond, Output: "said\n<this>"},
					{Name: "two", Class: "c", Took: 250 * time.Microsecond, Failure: &Failure{Message: `"no"`, Type: "kind"}},
				}},
				{Name: "b", Start: begin, Cases: []Case{{Name: "three", Class: "c", Failure: &Failure{}}}},
			}},
			`<testsuites name="all" tests="3" failures="2" time="1.500">
  <testsuite name="a &amp; b" tests="2" failures="1" errors="0" skipped="0" time="1.500" timestamp="2026-03-04T05:06:07">
    <testcase name="one" classname="c" time="1.500">
      <system-out>said&#xA;&lt;this&gt;</system-out>
    </testcase>
    <testcase name="two" classname="c" time="0.000">
      <failure message="&#34;no&#34;" type="kind"></failure>
    </testcase>
  </testsuite>
  <testsuite name="b" tests="1" failures="1" errors="0" skipped="0" time="0.000" timestamp="2026-03-04T05:06:07">
    <testcase name="three" classname="c" time="0.000">
      <failure message="" type=""></failure>
    </testcase>
  </testsuite>
</testsuites>`,
		},
	} {
		var b strings.Builder
		if err := c.in.Write(&b); err != nil {
			t.Fatal(err)
		}
		want := "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + c.want + "\n"
		if diff := cmp.Diff(want, b.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
