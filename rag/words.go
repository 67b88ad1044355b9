package rag

import (
	"maps"
	"slices"
	"strings"
)

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

// evidence says of words in a question how much more, or less, than others they say about the code that is meant: the logarithm
// of the odds that a function has the word when its docstring has it, less that of all words (the relevance weight of Robertson and
// Sparck Jones, 1976, of which the usual inverse document frequency has only the other half). "Whether" is in docstrings and hardly
// ever in code; who writes "token" finds it there. It was learned from public code that nothing is measured on (see docs/retrieval.md).
var evidence = evidenceOf(map[float64]string{
	-3: `
		according convenience given otherwise over representation represented turn whether`,
	-2.5: `
		also appropriate assume being consider described determine doesn either helper hold instead itself just like occurs returns
		specified structure take them those underlying whose`,
	-2: `
		about against another associated been both construct corresponding defined details during every following here indices
		invoked least look may necessary note pass perform place produce provided retrieve same see should some two via way within
		without`,
	-1.5: `
		absolute accept access actual added additional after allow always available back because begin between calculate cannot
		contains correct custom don each ensure equivalent example include internal more most multiple must once only override
		possible present previous regular reports since single specific standard store success than they through until while would`,
	-1: `
		all already any apply attempt avoid before call caller change configured convert create current definition different exists
		expected extract first ignore implemented keep leading less make mean method modified need non one order original pair per
		python receiver remaining required safe supported up use written`,
	-0.5: `
		algorithm api build check clear complete compute control dependencies dimension directed distribution done element empty
		enabled endian equal exact execute failed final find found go handle initial input instance interface mark negative next
		normal output package point recursive register related remove replace result run runtime search separator slice special
		terminal total transform unique variable want work wrap zero`,
	0.5: `
		3 4 active argument bits block close collection column compare compile data delete dictionary encoding entry environ escape
		except format free functions future import information item json left level load local log loop manager matrix off out page
		position prefix range read record reference resource right row select sequence server signal substitute text thread time
		trace tree value wait`,
	1: `
		2 8 append array attribute authentication child client command connection count database decode descriptor event field file
		filter flag group handler heap host http identifier index iterator kind line lock map metadata metric mode module network
		options os parent reflect request resolver response root size socket sort stack state statement stream style tag target utf`,
	1.5: `
		0 1 32 address buffer byte cache channel config context directory edge float frame graph hash header image integer io
		maximum message minimum model name node offset panic pattern pointer private property public query queue raise schema
		session source span status string table template type url yield`,
	2: `
		64 boolean color key label length logger path random reader token vector weight`,
	2.5: `
		builder error writer`,
	3: `
		destination`,
})

func evidenceOf(levels map[float64]string) map[string]float64 {
	t, out := newTokenizer(), map[string]float64{}
	for _, level := range slices.Sorted(maps.Keys(levels)) {
		t.each(levels[level], func(term string) { out[term] = level })
	}
	return out
}

// associations are what else functions have whose docstrings have a word, and how much of the word's weight that counts: what
// reports whether gives a boolean. They were learned from the same code as evidence.
var associations = associationsOf(map[float64]string{
	1.2: `whether boolean reports boolean`,
	0.5: `number integer create new check boolean retrieve get absolute abs serialize encode representation string index integer`,
	0.4: `
		copy clone reuse reset exponential exp unsigned uint trailing trim leading trim clear reset remove delete distribution random
		negative integer bits uint standard std regular regexp written writer`,
	0.3: `
		format marshal separator split same equal until wait permission mode two equal two compare sent send over yield extend append
		flush close parse unmarshal unicode rune each walk update set encoding text encoding marshal encoding unmarshal extract parse
		capacity cap initial reset set options default options panic must expression regexp print format regular re decorator wrap`,
	0.2: `
		advance peek next peek create mkdir create initial separator join terminal term flush writer allow options each range new clone
		case lower hash digest number count readable format valid verify until lock remove clear list append count integer
		decorator argument point float newline line found index success boolean all range little byte stack push code rune
		html escape wait channel begin prefix variable environ output print quote string order sort sha hash`,
})

func associationsOf(levels map[float64]string) map[string][]weighted {
	t, out := newTokenizer(), map[string][]weighted{}
	for _, level := range slices.Sorted(maps.Keys(levels)) {
		var terms []string
		t.each(levels[level], func(term string) { terms = append(terms, term) })
		for i := 0; i+1 < len(terms); i += 2 {
			out[terms[i]] = append(out[terms[i]], weighted{terms[i+1], level})
		}
	}
	return out
}
