package suite

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParse(t *testing.T) {
	for file, want := range map[string][]Test{
		"pytest8.xml": {
			{Name: "test_sample.TestThings::test_ok", Outcome: Passed},
			{Name: "test_sample.TestThings::test_bad", Outcome: Failed, Message: "AssertionError: no <good>"},
			{Name: "test_sample::test_param[1]", Outcome: Passed},
			{Name: "test_sample::test_param[2]", Outcome: Passed},
			{Name: "test_sample::test_skipped", Outcome: Skipped, Message: "not today"},
			{Name: "test_sample::test_xfail", Outcome: Skipped},
			{Name: "test_sample::test_setup_error", Outcome: Failed, Message: `failed on setup with "RuntimeError: setup"`},
			{Name: "test_sample::test_teardown_error", Outcome: Failed, Message: "AssertionError: call failed"},
		},
		"pytest8-interrupted.xml": {{Name: "test_h::test_first", Outcome: Passed}},
		"gotestsum.xml": {
			{Name: "example.com/shop::TestOrder/empty", Outcome: Passed, Seconds: 0.01},
			{Name: "example.com/shop::TestOrder", Outcome: Failed, Seconds: 0.01, Message: "shop_test.go:9: got 502"},
			{Name: "example.com/shop::TestLater", Outcome: Skipped, Seconds: 1002.5, Message: "later"},
		},
		"gotestsum-interrupted.xml": {
			{Name: "example.com/shop::TestPrice", Outcome: Failed, Seconds: 0.5, Message: `shop_test.go:21: Get "http://127.0.0.1:18081/price": context deadline exceeded ` +
				`(Client.Timeout exceeded while awaiting headers)`},
			{Name: "example.com/shop::TestStock", Outcome: Failed, Message: "signal: interrupt", Running: true},
		},
		"go-junit-report.xml": {
			{Name: "example.com/shop::TestStock", Outcome: Failed, Message: "No test result found", Running: true},
		},
		"surefire.xml": {
			{Name: "shop.OrderTest::order", Outcome: Passed, Seconds: 0.02},
			{Name: "shop.OrderTest::pay", Outcome: Failed, Seconds: 0.03, Message: "java.net.SocketTimeoutException: Read timed out"},
		},
		"jest.xml": {{Name: "orders are placed", Outcome: Passed, Seconds: 0.1}},
	} {
		t.Run(file, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join("testdata", file))
			if err != nil {
				t.Fatal(err)
			}
			got, err := Parse(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseWhatIsNotComplete(t *testing.T) {
	for _, tc := range []struct {
		name, text, want string
		tests            int
	}{
		{"empty", "", "not a complete JUnit document: EOF", 0},
		{"another document", "<html><testcase name='x'/></html>", "not a JUnit document: it begins with <html>, not with <testsuites>", 0},
		{"no document", "ok  \texample.com", "not a complete JUnit document: ", 0},
		{"breaks off", "<testsuite><testcase name='a'/><testcase name='b'><failure>", "not a complete JUnit document: ", 1},
		{"breaks off between", "<testsuite><testcase name='a'/>", "not a complete JUnit document: ", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Parse(strings.NewReader(tc.text))
			if err == nil || !strings.HasPrefix(err.Error(), tc.want) || len(got) != tc.tests {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
}

func TestParseIsSafeToPrint(t *testing.T) {
	got, err := Parse(strings.NewReader("<testsuite><testcase name=\"a\u009b2J&#10;b\"><failure>\n\n x\u202ey" + strings.Repeat("z", 300) +
		"\n second</failure></testcase></testsuite>"))
	if err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	if got[0].Name != "a 2J b" || !strings.HasPrefix(got[0].Message, "x yzzz") || len([]rune(got[0].Message)) != messageLength {
		t.Errorf("%+v", got[0])
	}
}

func TestMerge(t *testing.T) {
	a := []Test{{Name: "x", Outcome: Passed, Seconds: 1}, {Name: "y", Outcome: Failed, Message: "first", Seconds: 1}}
	b := []Test{{Name: "x", Outcome: Failed, Message: "bad", Seconds: 2}, {Name: "y", Outcome: Passed}, {Name: "z", Outcome: Skipped}}
	want := []Test{
		{Name: "x", Outcome: Failed, Message: "bad", Seconds: 3},
		{Name: "y", Outcome: Failed, Message: "first", Seconds: 1},
		{Name: "z", Outcome: Skipped},
	}
	if got := Merge(a, b); !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
	if got := Merge(); got == nil || len(got) != 0 {
		t.Errorf("%#v", got)
	}
	if got := Count(want); got != (Counts{Failed: 2, Skipped: 1}) || got.Total() != 3 {
		t.Errorf("%+v", got)
	}
}

// run makes a run from "name outcome" pairs, the outcome by its first letter, with "=seconds" behind it if it matters.
func run(faults bool, seed uint64, outcomes ...string) Run {
	r := Run{Faults: faults, Seed: seed, Tests: []Test{}}
	for _, o := range outcomes {
		name, o, _ := strings.Cut(o, " ")
		o, time, _ := strings.Cut(o, "=")
		test := Test{Name: name, Outcome: map[string]Outcome{"p": Passed, "f": Failed, "s": Skipped}[o], Seconds: seconds(time)}
		if o == "f" {
			test.Message = name + " failed"
		}
		r.Tests = append(r.Tests, test)
	}
	return r
}

func TestCompare(t *testing.T) {
	got := Compare([]Run{
		run(false, 0, "fine p=1", "fragile p", "flaky p", "broken f", "skipped s", "slow p=1", "recovers f"),
		run(true, 7, "fine p=1.05", "fragile f", "flaky f", "broken f", "skipped s", "slow p=3", "new f", "recovers p"),
		{Faults: true, Seed: 8, Cut: true}, // left nothing
		run(true, 9, "fine p=1.04", "fragile f", "flaky p", "broken f", "skipped s", "slow p=2", "new f", "recovers p"),
	})
	want := Comparison{
		Baseline: true,
		OnlyUnderFaults: []Finding{
			{Test: "fragile", Failed: []uint64{7, 9}, Passed: []uint64{}, Without: Passed, Message: "fragile failed"},
			{Test: "flaky", Failed: []uint64{7}, Passed: []uint64{9}, Flaky: true, Without: Passed, Message: "flaky failed"},
			{Test: "new", Failed: []uint64{7, 9}, Passed: []uint64{}, Message: "new failed"},
		},
		WithoutFaults: []Finding{
			{Test: "broken", Failed: []uint64{7, 9}, Passed: []uint64{}, Without: Failed, Message: "broken failed"},
			{Test: "recovers", Failed: []uint64{}, Passed: []uint64{7, 9}, Without: Failed, Message: "recovers failed"},
		},
		Slower: []Slow{{Test: "slow", Without: 1, With: 3}},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

func TestCompareWithoutBaseline(t *testing.T) {
	got := Compare([]Run{run(true, 1, "a f", "b p"), run(true, 2, "a p", "b p")})
	want := Comparison{
		UnderFaults: []Finding{{Test: "a", Failed: []uint64{1}, Passed: []uint64{2}, Flaky: true, Message: "a failed"}},
		Slower:      nil,
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Comparison{}, Compare(nil), cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

func TestCompareUnfinished(t *testing.T) {
	cut := run(true, 3, "first p")
	cut.Cut = true
	nothing := Run{Faults: true, Seed: 4, Cut: true}
	got := Compare([]Run{run(false, 0, "first p", "hangs p", "after p"), cut, nothing}).Unfinished
	if diff := cmp.Diff([]Unfinished{{Seed: 3, Faults: true, Missing: []string{"hangs", "after"}}}, got, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	if tests, more, certain := got[0].Hung(); len(tests) != 1 || tests[0] != "hangs" || more != 1 || certain {
		t.Errorf("%q, %d, %v", tests, more, certain)
	}
	// The runner tells what was running; that is no failure of the test, unless nobody cut it short.
	telling := run(true, 5, "first p", "hangs f")
	telling.Tests[1].Running, telling.Cut = true, true
	all := Compare([]Run{run(false, 0, "first p", "hangs p", "after p"), telling})
	if diff := cmp.Diff([]Unfinished{{Seed: 5, Faults: true, Running: []string{"hangs"}, Missing: []string{"after"}}}, all.Unfinished); diff != "" ||
		len(all.OnlyUnderFaults) > 0 {
		t.Errorf("%s%+v", diff, all)
	}
	if tests, more, certain := all.Unfinished[0].Hung(); tests[0] != "hangs" || more != 1 || !certain {
		t.Errorf("%q, %d, %v", tests, more, certain)
	}
	telling.Cut = false
	if all := Compare([]Run{telling}); len(all.UnderFaults) != 1 || len(all.Unfinished) > 0 {
		t.Errorf("%+v", all)
	}
	// It hung in the first test of all: there are results, and none in them.
	cut.Tests = []Test{}
	got = Compare([]Run{run(false, 0, "first p", "hangs p"), cut}).Unfinished
	if diff := cmp.Diff([]Unfinished{{Seed: 3, Faults: true, Missing: []string{"first", "hangs"}}}, got, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.xml")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(data[:len(data)/2])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tests, _ := Parse(bytes.NewReader(data))
		seen := map[string]bool{}
		for _, test := range tests {
			if test.Name == "" || seen[test.Name] || test.Seconds < 0 || strings.ContainsAny(test.Name+test.Message, "\n\x1b") {
				t.Errorf("%+v", test)
			}
			seen[test.Name] = true
		}
	})
}
