// SPDX-License-Identifier: MIT
// core.go - Go: goroutines, channels, timers; the command line is that of harness.h
package main

import (
	"bufio"
	"fmt"
	"math/rand"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

type moment struct{ cpu, wall int64 }

var (
	begun, ended moment
	hasEnded     bool
	size         = 1000000
	lines        = bufio.NewReader(os.Stdin)
)

func read(clock uintptr) int64 {
	var now syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&now)), 0)
	return now.Nano()
}

func now() moment {
	const monotonic, processCPU = 1, 2
	return moment{read(processCPU), read(monotonic)}
}

func begin() { begun = now() }
func end()   { ended, hasEnded = now(), true }

func fail(why string) {
	fmt.Fprintln(os.Stderr, why)
	os.Exit(1)
}

func hold(word string) {
	fmt.Println(word)
	if _, err := lines.ReadString('\n'); err != nil {
		os.Exit(1)
	}
}

func inTwo(function func(int), times int) {
	done := make(chan bool)
	go func() {
		function(times / 2)
		done <- true
	}()
	function(times / 2)
	<-done
}

func yield(times int) {
	inTwo(func(half int) {
		for i := 0; i < half; i++ {
			runtime.Gosched()
		}
	}, times)
}

func spawn(times int) {
	for i := 0; i < times; i++ {
		var group sync.WaitGroup
		group.Add(1)
		go group.Done()
		group.Wait()
	}
}

func spawnMany(times int) {
	for done := 0; done < times; done += 1000 {
		var group sync.WaitGroup
		group.Add(1000)
		for i := 0; i < 1000; i++ {
			go group.Done()
		}
		group.Wait()
	}
}

func park(times int) {
	ping, pong := make(chan bool), make(chan bool)
	go func() {
		for i := 0; i < times/2; i++ {
			<-ping
			pong <- true
		}
	}()
	for i := 0; i < times/2; i++ {
		ping <- true
		<-pong
	}
}

func mutexFree(times int) {
	var mutex sync.Mutex
	for i := 0; i < times; i++ {
		mutex.Lock()
		mutex.Unlock()
	}
}

func mutexBusy(times int) {
	var mutex sync.Mutex
	inTwo(func(half int) {
		for i := 0; i < half; i++ {
			mutex.Lock()
			runtime.Gosched()
			mutex.Unlock()
		}
	}, times)
}

func pass(items chan *int, times int) {
	done := make(chan bool)
	go func() {
		for i := 0; i < times; i++ {
			<-items
		}
		done <- true
	}()
	for i := 0; i < times; i++ {
		items <- nil
	}
	<-done
}

func queue(times int)   { pass(make(chan *int, 1), times) }
func channel(times int) { pass(make(chan *int), times) }

func queueFree(times int) {
	items := make(chan *int, 1)
	for i := 0; i < times; i++ {
		items <- nil
		<-items
	}
}

func farAway() time.Duration {
	return time.Hour + time.Duration(rand.Int63n(int64(time.Hour)))
}

func never() { fail("a timer that was an hour away has fired") }

func armAll() []*time.Timer {
	armed := make([]*time.Timer, size)
	for i := range armed {
		armed[i] = time.AfterFunc(farAway(), never)
	}
	runtime.GC()
	return armed
}

func timer(times int) {
	armed := armAll()
	begin()
	for i := 0; i < times; i++ {
		time.AfterFunc(farAway(), never).Stop()
	}
	end()
	runtime.KeepAlive(armed)
}

func timerChurn(times int) {
	armed := armAll()
	begin()
	for i := 0; i < times; i++ {
		any := armed[rand.Intn(size)]
		any.Stop()
		any.Reset(farAway())
	}
	end()
}

// The timers fire in a scheduler that nothing else keeps busy: their functions run as goroutines, in no promised order.
func timerDue(times int) {
	var fired int64
	start := time.Now().Add(2 * time.Second)
	for i := 0; i < times; i++ {
		after := time.Until(start) + time.Duration(rand.Int63n(int64(50*time.Millisecond)))
		time.AfterFunc(after, func() { atomic.AddInt64(&fired, 1) })
	}
	if time.Now().After(start) {
		fail("arming took so long that timers were due meanwhile")
	}
	// Raw system calls and nothing between them, so that the scheduler has no chance to run a timer before the clock
	// is read.  Its signals end the sleep early, hence the loop.
	const monotonic, processCPU, absolute = 1, 2, 1
	until := new(syscall.Timespec)
	*until = syscall.NsecToTimespec(read(monotonic) + int64(time.Until(start)) + 51000000)
	cpu, wall := new(syscall.Timespec), new(syscall.Timespec)
	for interrupted := syscall.EINTR; interrupted != 0; {
		_, _, interrupted = syscall.RawSyscall6(syscall.SYS_CLOCK_NANOSLEEP, monotonic, absolute,
			uintptr(unsafe.Pointer(until)), 0, 0, 0)
	}
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, processCPU, uintptr(unsafe.Pointer(cpu)), 0)
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, monotonic, uintptr(unsafe.Pointer(wall)), 0)
	begun = moment{cpu.Nano(), wall.Nano()}
	for atomic.LoadInt64(&fired) < int64(times) {
		runtime.Gosched()
	}
	end()
}

func timerWait(times int) {
	armed := armAll()
	ping, pong := make(chan bool, 1), make(chan bool, 1)
	wait := func(channel chan bool) {
		limit := time.NewTimer(time.Minute)
		select {
		case <-channel:
		case <-limit.C:
			fail("a wait took a minute")
		}
		limit.Stop()
	}
	begin()
	go func() {
		for i := 0; i < times/2; i++ {
			wait(ping)
			pong <- true
		}
	}()
	for i := 0; i < times/2; i++ {
		ping <- true
		wait(pong)
	}
	end()
	runtime.KeepAlive(armed)
}

func memory(count int) {
	never := make(chan bool)
	hold("begin")
	for i := 0; i < count; i++ {
		go func() { <-never }()
	}
	runtime.Gosched()
	hold("ready")
	os.Exit(0)
}

var cases = map[string]func(int){
	"yield": yield, "spawn": spawn, "spawn_many": spawnMany, "park": park, "mutex_free": mutexFree,
	"mutex_busy": mutexBusy, "queue": queue, "queue_free": queueFree, "channel": channel, "timer": timer, "timer_churn": timerChurn,
	"timer_due": timerDue, "timer_wait": timerWait, "timer_wait_armed": timerWait,
	"memory": memory,
}

func run(function func(int), times int) {
	hasEnded = false
	begin()
	function(times)
	if !hasEnded {
		end()
	}
}

func argument(place, otherwise int) int {
	if len(os.Args) <= place {
		return otherwise
	}
	number, err := strconv.Atoi(os.Args[place])
	if err != nil {
		fail(err.Error())
	}
	return number
}

func main() {
	if len(os.Args) < 3 || cases[os.Args[1]] == nil {
		fail("usage: core CASE TIMES [WARM [SIZE]]")
	}
	function, warm := cases[os.Args[1]], argument(3, 0)
	size = argument(4, size)
	if warm > 0 {
		run(function, warm)
	}
	run(function, argument(2, 0))
	fmt.Println(ended.cpu-begun.cpu, ended.wall-begun.wall)
}
