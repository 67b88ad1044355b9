package rag

import "strings"

// abbreviations are the short forms that programmers write, and the words that they stand for: a question about a connection
// means conn, too. Both are stemmed.
var abbreviations = pairs(`
	addr address addrs addresses alloc allocate arg argument args arguments arr array async asynchronous attr attribute attrs
	attributes auth authentication avg average buf buffer bufs buffers bool boolean calc calculate cb callback cert certificate
	certs certificates cfg config chan channel char character chars characters chk check cmd command cmds commands cmp compare
	conf config configuration config conn connection conns connections cond condition const constant coord coordinate cnt count
	ctl control ctrl control ctx context cur current curr current db database decl declaration decls declarations dec decode def
	definition defs definitions del delete dep dependency deps dependencies desc description dest destination dst destination
	dict dictionary diff difference dir directory dirs directories doc document docs documents dup duplicate elem element elems
	elements enc encode env environment eq equal err error errs errors esc escape eval evaluate exc exception exec execute ext
	extension expr expression exprs expressions fd descriptor fmt format fn function fns functions freq frequency gen generate
	hdr header hdrs headers hex hexadecimal id identifier ids identifiers ident identifier idx index impl implementation img
	image incr increment info information init initialize ins insert int integer ints integers iter iterate lang language len
	length lhs left lib library lim limit lit literal loc location max maximum mem memory mgr manager min minimum mod module msg
	message msgs messages mut mutable mux multiplex net network nl newline ns namespace num number nums numbers obj object objs
	objects op operation ops operations opt option opts options orig original param parameter params parameters passwd password
	pkg package pkgs packages pos position prev previous priv private proc process prog program proto protocol ptr pointer pub
	public pwd password rand random rcv receive recv receive ref reference refs references regex regexp rem remove repo
	repository repos repositories req request reqs requests res result resp response ret return rev revision rhs right rm remove
	sched schedule sec second secs seconds sem semaphore sel select sep separator seq sequence sess session sig signature spec
	specification src source srv server stat status stats statistics stmt statement stmts statements str string strs strings sub
	substitute sym symbol syms symbols sync synchronize sys system sz size temp temporary tmp temporary tmpl template tok token
	toks tokens trunc truncate txt text typ type uniq unique usr user util utility utils utilities val value vals values var
	variable vars variables vec vector ver version ws whitespace`)

func pairs(text string) map[string]string {
	words := strings.Fields(text)
	out := make(map[string]string, len(words)/2)
	for i := 0; i+1 < len(words); i += 2 {
		out[words[i]] = words[i+1]
	}
	return out
}

// proseTerms are the terms of words that sentences about code are made of whatever the code does. They count little in a question.
var proseTerms = termSet(`
	also any all each given use uses using should must may might would could eg ie than otherwise only whether same see called
	calls call returned returns return returning specified provided provides cannot example note been being more most other both
	about after before while without within because since however therefore thus method implements`)

func termSet(text string) map[string]bool {
	t, set := newTokenizer(), map[string]bool{}
	t.each(text, func(term string) { set[term] = true })
	return set
}
