//go:build unix && !linux

package stream

import "syscall"

func (*stamper) receive(fd int, mem []byte) (int, error) { return syscall.Read(fd, mem) }
