package run

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
)

// descendants lists the children of a process, and theirs, from the fields pid and ppid of /proc/PID/stat (proc(5)).
func descendants(pid int) []int {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	children := map[int][]int{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// The name in parentheses may hold anything; the state and the parent follow the last of them.
		fields := bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:])
		if len(fields) < 2 {
			continue
		}
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		parent, parentErr := strconv.Atoi(string(fields[1]))
		if err == nil && parentErr == nil {
			children[parent] = append(children[parent], child)
		}
	}
	list := children[pid]
	for i := 0; i < len(list); i++ {
		list = append(list, children[list[i]]...)
	}
	return list
}
