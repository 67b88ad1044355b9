//go:build cgo && unix

// Command bench measures how well package rag finds code, and how fast.
//
// By default it asks for functions by their docstrings: it copies public source trees with the docstrings of all functions
// blanked out, indexes the copies, and searches for each function with its docstring, of which the words of the function's name
// are removed. Two controls answer the same questions in the same run: BM25 over raw words, and searching lines as ripgrep does
// and reading around them. Some trees are marked as those that the ranking was tuned on; the goals are checked on the others.
//
// With -index DIR it measures `fault index` and searches of the built program on a directory instead.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
)

// stdout receives the tables.
var stdout io.Writer = os.Stdout

func main() {
	python := flag.String("python", "", "directory with the wheels of Python packages; without it these are left out")
	only := flag.String("only", "", "run one corpus")
	most := flag.Int("queries", 400, "most queries for each corpus, drawn with a fixed seed")
	misses := flag.Bool("misses", false, "print the queries whose function is not among the first ten")
	tuning := flag.Bool("tuning", false, "run only what the ranking is tuned on")
	hard := flag.Bool("hard", false,
		"ask with the first paragraph only, without any form of the words of the name, among all kinds of chunks")
	index := flag.String("index", "", "measure indexing and searching `DIR` with the built program instead")
	program := flag.String("fault", "bin/fault", "the built program, for -index")
	once := flag.Bool("once", false, "search the directory and index that are the arguments once: what -index measures with vectors")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	var err error
	switch {
	case *once:
		err = searchOnce(ctx, flag.Arg(0), flag.Arg(1))
	case *index != "":
		if err = measureIndex(ctx, *program, *index); err == nil {
			err = measureVectors(ctx, *index)
		}
	default:
		b := bench{python: *python, only: *only, most: *most, misses: *misses, tuning: *tuning, how: asking{hard: *hard}}
		err = b.run(ctx)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
