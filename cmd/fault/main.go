// Command fault injects network faults into an application's traffic and measures what they do to it.
package main

import (
	"context"
	"os"

	"github.com/fault-project/fault/cmd/internal/app"
)

func main() { os.Exit(app.Main(context.Background(), os.Args[1:], app.System())) }
