package run

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/fault-project/fault/cmd/internal/runreport"
	"github.com/fault-project/fault/cmd/internal/tally"
	"github.com/fault-project/fault/proxyengine/event"
)

func changeLine(e event.FaultsChanged) string {
	active := "no fault is active"
	if len(e.Active) > 0 {
		active = "active: " + strings.Join(e.Active, " · ")
	}
	return fmt.Sprintf("[%s] %s", clock(e.Offset), active)
}

// clock formats an offset as minutes, seconds and tenths.
func clock(d time.Duration) string {
	d = d.Round(100 * time.Millisecond)
	return fmt.Sprintf("%02d:%04.1f", int(d.Minutes()), (d % time.Minute).Seconds())
}

// tailLine shows one connection or exchange that ended: where it came from, where it went, how it ended, and what the faults did
// to it. The URL has neither user information nor query.
func tailLine(e event.Completed, effects []tally.Effect) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s → ", e.At.Format("15:04:05.000"), e.Flow.Client)
	if e.Flow.Kind == event.Exchange {
		fmt.Fprintf(&b, "%s %s", e.Flow.Method, e.Flow.URL)
	} else {
		fmt.Fprintf(&b, "%s %s", e.Flow.Kind, e.Flow.Target)
	}
	if e.Status != 0 {
		fmt.Fprintf(&b, " %d", e.Status)
	}
	fmt.Fprintf(&b, " in %s ↑%s ↓%s", runreport.Milliseconds(float64(e.At.Sub(e.Flow.Start))/float64(time.Millisecond)),
		runreport.Size(e.Up), runreport.Size(e.Down))
	if e.Flow.Bypassed {
		b.WriteString(" · bypassed")
	}
	for i := range effects {
		b.WriteString(" · " + effectText(&effects[i]))
	}
	switch {
	case errors.Is(e.Err, context.Canceled):
		b.WriteString(" · the client left")
	case e.Err != nil:
		b.WriteString(" · error: " + e.Err.Error())
	}
	return strings.Map(printable, b.String())
}

// effectText is what one fault did to one flow.
func effectText(x *tally.Effect) string {
	text := x.Fault
	if x.Delay > 0 {
		text += " +" + runreport.Milliseconds(float64(x.Delay)/float64(time.Millisecond))
	}
	if x.Bytes > 0 {
		text += " " + runreport.Size(x.Bytes) + " withheld"
	}
	if x.Status != 0 {
		text += fmt.Sprintf(" status %d", x.Status)
	}
	if x.Detail != "" {
		text += " (" + x.Detail + ")"
	}
	if x.Times > 1 {
		text += fmt.Sprintf(" ×%d", x.Times)
	}
	return text
}

// printable keeps what strangers send from moving the cursor or forging lines.
func printable(r rune) rune {
	if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' {
		return ' '
	}
	return r
}
