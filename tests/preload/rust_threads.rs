// SPDX-License-Identifier: MIT
// rust_threads.rs - what Rust's standard library offers for threads: locks, channels, parking, panics, sockets
use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Barrier, Condvar, Mutex, Once, RwLock};
use std::thread;
use std::time::{Duration, Instant};

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn mutexes() {
    let sum = Arc::new(Mutex::new(0u64));
    let threads: Vec<_> = (0..8u64)
        .map(|i| {
            let sum = sum.clone();
            thread::spawn(move || {
                for round in 0..20 {
                    let mut held = sum.lock().unwrap();
                    let seen = *held;
                    if round == 0 {
                        thread::sleep(Duration::from_micros(100));
                    }
                    *held = seen + i;
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
    println!("mutex: {}", sum.lock().unwrap());
}

fn conditions() {
    let pair = Arc::new((Mutex::new(0), Condvar::new()));
    let threads: Vec<_> = (0..5)
        .map(|i| {
            let pair = pair.clone();
            thread::spawn(move || {
                let mut next = pair.1.wait_while(pair.0.lock().unwrap(), |next| *next != i).unwrap();
                println!("turn {i}");
                *next += 1;
                pair.1.notify_all();
            })
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
    let held = pair.0.lock().unwrap();
    println!("condition: time is up {}", pair.1.wait_timeout(held, ms(5)).unwrap().1.timed_out());
}

fn read_write_locks() {
    let lock = RwLock::new(1);
    let both = Barrier::new(2);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let held = lock.read().unwrap();
                both.wait();
                assert_eq!(*held, 1);
            });
        }
    });
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut held = lock.write().unwrap();
                thread::sleep(ms(1));
                *held += 1;
            });
        }
    });
    println!("rwlock: {}", lock.read().unwrap());
}

fn channels() {
    let (sender, receiver) = mpsc::channel();
    for i in 0..4 {
        let sender = sender.clone();
        thread::spawn(move || (0..100).for_each(|j| sender.send(i * 1000 + j).unwrap()));
    }
    drop(sender);
    println!("channel: {}", receiver.iter().sum::<i32>());
    let (sender, receiver) = mpsc::sync_channel(0);
    let thread = thread::spawn(move || sender.send("met").unwrap());
    println!("rendezvous: {}", receiver.recv().unwrap());
    thread.join().unwrap();
    println!("closed: {:?}", receiver.recv());
    let (_sender, receiver) = mpsc::channel::<()>();
    println!("empty: {}", receiver.recv_timeout(ms(5)) == Err(RecvTimeoutError::Timeout));
}

fn once_and_barriers() {
    static ONCE: Once = Once::new();
    static SECOND: Once = Once::new();
    let count = AtomicUsize::new(0);
    let leaders = AtomicUsize::new(0);
    let barrier = Barrier::new(5);
    thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| {
                ONCE.call_once(|| {
                    thread::sleep(ms(5));
                    count.fetch_add(1, Ordering::SeqCst);
                });
                SECOND.call_once(|| {
                    count.fetch_add(10, Ordering::SeqCst);
                });
                for _ in 0..10 {
                    leaders.fetch_add(barrier.wait().is_leader() as usize, Ordering::SeqCst);
                }
            });
        }
    });
    println!("once: {}, leaders: {}", count.load(Ordering::SeqCst), leaders.load(Ordering::SeqCst));
}

fn parking() {
    let thread = thread::spawn(|| {
        thread::park();
        "unparked"
    });
    thread.thread().unpark();
    println!("park: {}", thread.join().unwrap());
    let start = Instant::now();
    thread::park_timeout(ms(10));
    println!("park: time is up {}", start.elapsed() >= ms(9));
}

struct Noisy(&'static str, Arc<Mutex<Vec<&'static str>>>);

impl Drop for Noisy {
    fn drop(&mut self) {
        self.1.lock().unwrap().push(self.0);
    }
}

thread_local! {
    static NOISY: RefCell<Option<Noisy>> = const { RefCell::new(None) };
    static NUMBER: RefCell<usize> = const { RefCell::new(7) };
}

fn thread_locals() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let record = order.clone();
    thread::spawn(move || {
        NOISY.with(|slot| *slot.borrow_mut() = Some(Noisy("thread-local", record.clone())));
        let _local = Noisy("local", record);
        thread::yield_now();
    })
    .join()
    .unwrap();
    println!("dropped: {:?}", order.lock().unwrap());
    let sum = AtomicUsize::new(0);
    thread::scope(|scope| {
        for i in 0..5 {
            let sum = &sum;
            scope.spawn(move || {
                NUMBER.with(|number| *number.borrow_mut() += i);
                thread::sleep(ms(1));
                sum.fetch_add(NUMBER.with(|number| *number.borrow()), Ordering::SeqCst);
            });
        }
    });
    println!("thread-locals: {}", sum.load(Ordering::SeqCst));
}

/* A panic unwinds while another thread sleeps inside its own unwinding. */
fn panics() {
    panic::set_hook(Box::new(|_| ()));
    let threads: Vec<_> = (0..4)
        .map(|i| {
            thread::spawn(move || {
                struct Sleeper;
                impl Drop for Sleeper {
                    fn drop(&mut self) {
                        thread::sleep(ms(1));
                        assert!(thread::panicking());
                    }
                }
                let _sleeper = Sleeper;
                panic!("number {i}");
            })
        })
        .collect();
    for thread in threads {
        let reason: Box<dyn std::any::Any + Send> = thread.join().map(|_: ()| ()).unwrap_err();
        println!("panic: {}", reason.downcast_ref::<String>().unwrap());
    }
    let lock = Arc::new(Mutex::new(()));
    let other = lock.clone();
    let _ = thread::spawn(move || {
        let _held = other.lock();
        panic!("while held");
    })
    .join();
    println!("poisoned: {}", lock.is_poisoned());
    println!("caught: {}", panic::catch_unwind(|| panic!("here")).is_err());
}

fn serve(mut peer: TcpStream) {
    let mut buffer = [0; 256];
    while let Ok(n) = peer.read(&mut buffer) {
        if n == 0 {
            break;
        }
        peer.write_all(&buffer[..n]).unwrap();
    }
}

fn sockets() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = thread::spawn(move || {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let peer = listener.accept().unwrap().0;
                thread::spawn(|| serve(peer))
            })
            .collect();
        threads.into_iter().for_each(|t| t.join().unwrap());
    });
    let clients: Vec<_> = (0..8)
        .map(|i| {
            thread::spawn(move || {
                let mut stream = TcpStream::connect_timeout(&address, ms(5000)).unwrap();
                let mut same = 0;
                for round in 0..20 {
                    let out = format!("client {i} round {round}");
                    let mut back = vec![0; out.len()];
                    stream.write_all(out.as_bytes()).unwrap();
                    stream.read_exact(&mut back).unwrap();
                    same += (back == out.as_bytes()) as usize;
                }
                stream.set_read_timeout(Some(ms(5))).unwrap();
                let late = stream.read(&mut [0; 1]).unwrap_err().kind();
                stream.shutdown(Shutdown::Write).unwrap();
                (same, late)
            })
        })
        .collect();
    for client in clients {
        println!("echo: {:?}", client.join().unwrap());
    }
    acceptor.join().unwrap();
}

fn names_and_stacks() {
    let deep = thread::Builder::new().name("deep".into()).stack_size(16 << 20).spawn(|| {
        fn depth(n: usize) -> usize {
            let room = [n as u8; 1024];
            if n == 0 { 0 } else { 1 + depth(n - 1) + (unsafe { std::ptr::read_volatile(&room[5]) } as usize & 0) }
        }
        (thread::current().name().map(String::from), depth(8000))
    });
    println!("builder: {:?}", deep.unwrap().join().unwrap());
    let small = thread::Builder::new().stack_size(64 << 10).spawn(|| format!("{}", 6 * 7));
    println!("small: {}", small.unwrap().join().unwrap());
    let ids = (thread::current().id(), thread::spawn(|| thread::current().id()).join().unwrap());
    println!("ids differ: {}", ids.0 != ids.1);
}

fn main() {
    mutexes();
    conditions();
    read_write_locks();
    channels();
    once_and_barriers();
    parking();
    thread_locals();
    panics();
    sockets();
    names_and_stacks();
}
