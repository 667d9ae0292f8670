// SPDX-License-Identifier: MIT
// ThreadsJava.java - what a virtual machine asks of threads: overflows, faults, collections, pools, interrupts

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

public class ThreadsJava {
	static final int THREADS = 20;

	static int fall(int depth) {
		return depth + fall(depth + 1) + 1;
	}

	static String text(Object object) {
		return object.toString();
	}

	/** Each thread runs into the guard pages of its own stack, and goes on. */
	static void overflow(AtomicInteger caught) {
		for (int i = 0; i < 3; i++) {
			try {
				fall(0);
			} catch (StackOverflowError error) {
				caught.incrementAndGet();
			}
		}
	}

	/** What is compiled does not look for null: it lets the fault come. */
	static void fault(AtomicInteger caught) {
		for (int i = 0; i < 100000; i++) {
			try {
				text(i % 100 == 0 ? null : "x");
			} catch (NullPointerException error) {
				caught.incrementAndGet();
			}
		}
	}

	static void faults() throws InterruptedException {
		AtomicInteger overflows = new AtomicInteger(), nulls = new AtomicInteger();
		List<Thread> threads = new ArrayList<>();

		for (int i = 0; i < THREADS; i++) {
			threads.add(new Thread(() -> {
				overflow(overflows);
				fault(nulls);
			}));
		}
		for (Thread thread : threads)
			thread.start();
		for (Thread thread : threads)
			thread.join();
		System.out.println("overflows " + overflows + ", faults " + nulls);
	}

	static int litter(int number) throws InterruptedException {
		byte[][] kept = new byte[100][];

		for (int i = 0; i < 300; i++)
			kept[i % kept.length] = new byte[10000];
		Thread.sleep(1);
		return number;
	}

	static void pool() throws Exception {
		ExecutorService pool = Executors.newFixedThreadPool(50);
		List<Future<Integer>> results = new ArrayList<>();
		int sum = 0;

		for (int i = 0; i < 500; i++) {
			int number = i;

			results.add(pool.submit(() -> litter(number)));
		}
		for (Future<Integer> result : results)
			sum += result.get();
		pool.shutdown();
		System.out.println("sum " + sum + ", ended " + pool.awaitTermination(20, TimeUnit.SECONDS));
		results = ForkJoinPool.commonPool().invokeAll(Collections.nCopies(50, () -> 1));
		System.out.println("forked " + results.size());
	}

	static void waitUntilInterrupted(Object lock) {
		synchronized (lock) {
			try {
				lock.wait();
			} catch (InterruptedException error) {
				System.out.println("interrupted in a wait");
			}
		}
	}

	static void spin() {
		long turns = 0;

		while (!Thread.currentThread().isInterrupted())
			turns++;
		System.out.println("interrupted after some turns: " + (turns > 0));
	}

	/** A collection has to stop the one that computes. */
	static void interrupts() throws InterruptedException {
		Object lock = new Object();

		for (Runnable body : new Runnable[] { () -> waitUntilInterrupted(lock), ThreadsJava::spin }) {
			Thread thread = new Thread(body);

			thread.start();
			Thread.sleep(50);
			System.gc();
			thread.interrupt();
			thread.join();
		}
	}

	static void child() throws Exception {
		Process child = new ProcessBuilder("/bin/sh", "-c", "echo a child; exit 3").start();

		String said = new String(child.getInputStream().readAllBytes()).trim();

		System.out.println(said + " ends with " + child.waitFor());
	}

	public static void main(String[] arguments) throws Exception {
		Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("the end")));
		faults();
		pool();
		interrupts();
		child();
		System.exit(7);
	}
}
