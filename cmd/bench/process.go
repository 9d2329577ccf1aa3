//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Which CPU runs what. With one CPU they share it, and only the CPU time per
// Check means something.
const (
	serverCPU = 0
	clientCPU = 1
)

// startWithin bounds how long a child may take until it is ready.
const startWithin = 30 * time.Second

// process is a child. It dies with this process, however this one ends.
type process struct {
	name string
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	log  *lastLines
}

// start runs a command on one CPU until it is stopped. What it writes to
// standard output is read and dropped: the decision record of a service costs it
// what it costs where somebody collects it.
func start(name string, cpu int, cmd *exec.Cmd) (*process, error) {
	p := &process{name: name, cmd: cmd, done: make(chan struct{}), log: &lastLines{ready: make(chan string, 1)}}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	cmd.Stderr = p.log
	output, writes, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout = writes
	unix.FcntlInt(output.Fd(), unix.F_SETPIPE_SZ, 1<<20) // a smaller one only wakes us more often
	started := make(chan error)
	go func() {
		// The child inherits the CPU of the thread that starts it, and the kernel
		// takes the end of that thread for the end of the parent. A locked thread
		// ends with its goroutine, so nothing else runs on that CPU.
		runtime.LockOSThread()
		err := pinThread(0, cpu)
		if err == nil {
			err = cmd.Start()
		}
		writes.Close()
		started <- err
		if err == nil {
			cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		output.Close()
		return nil, fmt.Errorf("starting %s: %v", name, err)
	}
	go drain(output)
	return p, nil
}

// drain reads a pipe seldom and much, so that it takes little of the client's
// CPU and the writer never waits.
func drain(pipe *os.File) {
	defer pipe.Close()
	buffer := make([]byte, 1<<20)
	for {
		if _, err := pipe.Read(buffer); err != nil {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// pinThread keeps a thread, 0 is the calling one, on a CPU.
func pinThread(thread, cpu int) error {
	var set unix.CPUSet
	set.Set(cpu % cpus())
	if err := unix.SchedSetaffinity(thread, &set); err != nil {
		return fmt.Errorf("pinning to CPU %d: %v", cpu, err)
	}
	return nil
}

// pinSelf keeps every thread of this process on the client's CPU. Threads to come
// inherit it.
func pinSelf() error {
	runtime.GOMAXPROCS(1)
	threads, err := filepath.Glob("/proc/self/task/*")
	if err != nil {
		return err
	}
	for _, path := range threads {
		thread, err := strconv.Atoi(filepath.Base(path))
		if err == nil {
			err = pinThread(thread, clientCPU)
		}
		if err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return pinThread(0, clientCPU)
}

// cpus is how many CPUs the machine has, whatever this process is pinned to.
func cpus() int {
	list, err := filepath.Glob("/sys/devices/system/cpu/cpu[0-9]*")
	if err != nil || len(list) == 0 {
		return 1
	}
	return len(list)
}

// address waits for the log line {"msg":"ready","grpc":address} and returns the
// address.
func (p *process) address() (string, error) {
	timer := time.NewTimer(startWithin)
	defer timer.Stop()
	select {
	case address := <-p.log.ready:
		return address, nil
	case <-p.done:
		return "", fmt.Errorf("%s ended before it was ready:\n%s", p.name, p.log)
	case <-timer.C:
		return "", fmt.Errorf("%s is not ready after %v:\n%s", p.name, startWithin, p.log)
	}
}

// cpu returns the CPU time of the process so far, of all threads that it has or
// had. The clock is that of clock_getcpuclockid(3).
func (p *process) cpu() (time.Duration, error) {
	const schedulerClock = 2
	var now unix.Timespec
	if err := unix.ClockGettime(int32(^p.cmd.Process.Pid<<3|schedulerClock), &now); err != nil {
		return 0, fmt.Errorf("%s: CPU time: %v", p.name, err)
	}
	return time.Duration(now.Nano()), nil
}

// rss returns the resident memory in bytes.
func (p *process) rss() (int64, error) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(text, "kB")), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("%s: no VmRSS: %v", p.name, lines.Err())
}

// stop asks the process to end, and ends it if it has not after the grace time.
func (p *process) stop(grace time.Duration) {
	p.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		p.cmd.Process.Kill()
		<-p.done
	}
}
