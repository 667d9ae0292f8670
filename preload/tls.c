/* SPDX-License-Identifier: MIT */
/*
 * tls.c - a block of thread-local storage, as glibc makes it, for each green pthread
 *
 * What is used of glibc's inside, and why it can be relied upon:
 *   - _dl_allocate_tls, the same from 2.31 to 2.41, makes the block;
 *   - the _thread_db_* tables, made for debuggers, tell where fields are;
 *   - __ctype_init and __call_tls_dtors, which libraries beside libc call.
 * The rest is calibrated against a real thread at start; what does not agree makes
 * the shim stand down.
 */
#include "tls.h"

#include <ctype.h>
#include <link.h>
#include <locale.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/rseq.h>

#include "shim.h"
#include "switch/thread_pointer.h"
#include "thread.h"

enum {
	HEADER_TCB = 0x00,
	HEADER_SELF = 0x10,
	HEADER_MULTIPLE_THREADS = 0x18,
	HEADER_SCOPE_USED = 0x1c,
	HEADER_STACK_GUARD = 0x28,
	HEADER_POINTER_GUARD = 0x30,
	FIRST_KEYS_BYTES = 512,  /* struct pthread's own 32 keys lie just before the table of blocks of keys */
	ROBUST_FUTEX_OFFSET = -32,
	SPECIFIC_BLOCKS = 32,
	CANCEL_TYPE_BIT = 2, /* of cancelhandling: asynchronous */
	CANCELING_BIT = 4,   /* somebody has asked */
	CANCELED_BIT = 8,    /* and the thread is to end by itself */
	CHECK_STACK = 256 * 1024,
};

/* glibc's list node. */
struct node {
	struct node *next, *prev;
};

static struct {
	void *(*allocate)(void *);
	void (*ctype_init)(void);
	void (*call_destructors)(void);
	size_t list, specific, cancelhandling, report_events;
	size_t stack;      /* of the three words block, size and guard; calibrated */
	size_t struct_size;
} glibc;

size_t tls_tid_offset;

/* Recycled blocks, linked through their thread's descriptor. */
static struct thread *pool;

static char *field(uintptr_t block, size_t offset)
{
	return (char *)block + offset;
}

/* The kernel's own structure follows the id: a link back, then the head. */
void **tls_robust_list(uintptr_t block)
{
	return (void **)(void *)(field(block, tls_tid_offset) + 16);
}

void tls_cancel_deferred(uintptr_t block, bool deferred)
{
	int *word = (int *)(void *)field(block, glibc.cancelhandling);

	if (deferred)
		__atomic_and_fetch(word, ~CANCEL_TYPE_BIT, __ATOMIC_SEQ_CST);
	else
		__atomic_or_fetch(word, CANCEL_TYPE_BIT, __ATOMIC_SEQ_CST);
}

bool tls_cancel_anywhere(uintptr_t block)
{
	return __atomic_load_n((int *)(void *)field(block, glibc.cancelhandling), __ATOMIC_SEQ_CST) & CANCEL_TYPE_BIT;
}

bool tls_cancel_unfinished(uintptr_t block)
{
	int word = __atomic_load_n((int *)(void *)field(block, glibc.cancelhandling), __ATOMIC_SEQ_CST);

	return (word & (CANCELING_BIT | CANCELED_BIT)) == CANCELING_BIT;
}

bool tls_in_loader(uintptr_t block)
{
	return *(int *)(void *)field(block, HEADER_SCOPE_USED) != 0;
}

static bool find_offset(const char *name, size_t *offset)
{
	const uint32_t *descriptor = dlsym(RTLD_DEFAULT, name);

	if (!descriptor)
		return false;
	*offset = descriptor[2];
	return true;
}

static const char *find_symbols(void)
{
	const uint32_t *size = dlsym(RTLD_DEFAULT, "_thread_db_sizeof_pthread");

	*(void **)(void *)&glibc.allocate = dlsym(RTLD_DEFAULT, "_dl_allocate_tls");
	*(void **)(void *)&glibc.ctype_init = dlsym(RTLD_DEFAULT, "__ctype_init");
	*(void **)(void *)&glibc.call_destructors = dlsym(RTLD_DEFAULT, "__call_tls_dtors");
	if (!glibc.allocate || !glibc.ctype_init || !glibc.call_destructors || !size)
		return "this libc does not offer what separate thread-local storage needs";
	glibc.struct_size = *size;
	if (!find_offset("_thread_db_pthread_tid", &tls_tid_offset) || !find_offset("_thread_db_pthread_list", &glibc.list) ||
	    !find_offset("_thread_db_pthread_specific", &glibc.specific) ||
	    !find_offset("_thread_db_pthread_cancelhandling", &glibc.cancelhandling) ||
	    !find_offset("_thread_db_pthread_report_events", &glibc.report_events))
		return "this libc does not describe its thread structure";
	return NULL;
}

/* What a real thread finds out about its own block; its stack is known. */
struct calibration {
	char *stack;
	const char *problem;
};

static const char *calibrate(const struct calibration *known)
{
	uintptr_t block = thread_pointer_read();
	const struct node *node = (const struct node *)(void *)field(block, glibc.list);

	if (*tls_tid(block) != (int)sys_call(SYS_gettid))
		return "the thread id is not where this libc says";
	if (!node->next || node->next->prev != node || node->prev->next != node)
		return "the list of threads is not where this libc says";
	if (*field(block, glibc.report_events + 1) != 1)
		return "the mark of a user's stack is not where it is expected";
	for (size_t at = glibc.specific; at + 16 <= glibc.struct_size; at += 8) {
		if (*(char **)(void *)field(block, at) == known->stack &&
		    *(size_t *)(void *)field(block, at + 8) == CHECK_STACK) {
			glibc.stack = at;
			return NULL;
		}
	}
	return "the stack's address is not in the thread structure";
}

static void *calibrate_main(void *arg)
{
	struct calibration *calibration = arg;

	calibration->problem = calibrate(calibration);
	return NULL;
}

/* This real thread also makes libc leave its shortcuts for single-threaded programs. */
static const char *calibrate_on_thread(void)
{
	struct calibration calibration = { aligned_alloc(4096, CHECK_STACK), "no memory" };
	pthread_attr_t attributes;
	pthread_t thread;

	if (!calibration.stack)
		return calibration.problem;
	calibration.problem = "no thread could be made";
	pthread_attr_init(&attributes);
	pthread_attr_setstack(&attributes, calibration.stack, CHECK_STACK);
	if (real(pthread_create)(&thread, &attributes, calibrate_main, &calibration) == 0)
		real(pthread_join)(thread, NULL);
	pthread_attr_destroy(&attributes);
	free(calibration.stack);
	return calibration.problem;
}

static void list_link(uintptr_t block)
{
	struct node *node = (struct node *)(void *)field(block, glibc.list);
	struct node *first = (struct node *)(void *)field(shim.native_tp, glibc.list);

	node->next = first->next;
	node->prev = first;
	first->next->prev = node;
	first->next = node;
}

static void block_fill(uintptr_t block)
{
	uintptr_t native = shim.native_tp;
	void **robust_prev = (void **)(void *)(field(block, tls_tid_offset) + 8);

	*(uintptr_t *)(void *)field(block, HEADER_TCB) = block;
	*(uintptr_t *)(void *)field(block, HEADER_SELF) = block;
	*(int *)(void *)field(block, HEADER_MULTIPLE_THREADS) = 1;
	memcpy(field(block, HEADER_STACK_GUARD), field(native, HEADER_STACK_GUARD), sizeof(uintptr_t));
	memcpy(field(block, HEADER_POINTER_GUARD), field(native, HEADER_POINTER_GUARD), sizeof(uintptr_t));
	robust_prev[0] = &robust_prev[1];
	robust_prev[1] = &robust_prev[1];
	robust_prev[2] = (void *)(intptr_t)ROBUST_FUTEX_OFFSET;
	*(void **)(void *)field(block, glibc.specific) = field(block, glibc.specific - FIRST_KEYS_BYTES);
	*field(block, glibc.report_events + 1) = 1;
	/* The kernel writes the carrier's own area; an unregistered one must say so. */
	*(int *)(void *)(field(block, (size_t)__rseq_offset) + 4) = RSEQ_CPU_ID_REGISTRATION_FAILED;
	list_link(block);
}

static void block_prepare(uintptr_t block, pid_t tid, void *low, size_t size)
{
	size_t *stack = (size_t *)(void *)field(block, glibc.stack);

	*tls_tid(block) = tid;
	*(int *)(void *)field(block, glibc.cancelhandling) = 0;
	stack[0] = (size_t)low;
	stack[1] = size;
	stack[2] = 0;
}

/* Values of keys that outlived all rounds of destructors must not reach the block's next thread. */
static void keys_clear(uintptr_t block)
{
	void **blocks = (void **)(void *)field(block, glibc.specific);

	for (size_t i = 0; i < SPECIFIC_BLOCKS; i++) {
		if (blocks[i])
			memset(blocks[i], 0, FIRST_KEYS_BYTES);
	}
}

uintptr_t tls_take(pid_t tid, void *low, size_t size)
{
	struct thread *recycled = pool;
	uintptr_t block;

	if (recycled) {
		pool = recycled->next_free;
		block = (uintptr_t)recycled - (uintptr_t)thread_of_block(0);
		if (recycled->unlinked)
			list_link(block);
		recycled->unlinked = false;
		keys_clear(block);
	} else {
		block = (uintptr_t)glibc.allocate(NULL);
		if (!block)
			return 0;
		block_fill(block);
	}
	block_prepare(block, tid, low, size);
	return block;
}

void tls_put(uintptr_t block)
{
	struct thread *thread = thread_of_block(block);
	struct flow *flow = green__current ? green__current->flow : NULL;

	/* A handler may create threads, too. */
	if (flow)
		critical_enter(flow);
	thread->recycled = true;
	thread->next_free = pool;
	pool = thread;
	if (flow)
		critical_leave(flow);
}

/* Libc, ld.so and what is ours keep their data. */
static bool is_kept(const struct dl_phdr_info *info, size_t size)
{
	uintptr_t data = (uintptr_t)info->dlpi_tls_data, kept[THREAD_KEPT];

	thread_kept_addresses(kept);
	for (size_t i = 0; data && i < THREAD_KEPT; i++) {
		if (kept[i] - data < size)
			return true;
	}
	return false;
}

/* Give a module's data its initial contents again. */
static void module_reset(const struct dl_phdr_info *info, const ElfW(Phdr) *header)
{
	char *data = info->dlpi_tls_data;

	if (!data)
		return;
	memcpy(data, (const char *)info->dlpi_addr + header->p_vaddr, header->p_filesz);
	memset(data + header->p_filesz, 0, header->p_memsz - header->p_filesz);
}

/* The modules that there were at the last look: mostly none has data that a thread would see. */
static struct {
	unsigned long long come, gone; /* ever */
	bool any_to_reset;
} modules;

static int module_visit(struct dl_phdr_info *info, size_t size, void *is_later)
{
	bool *later = is_later;

	(void)size;
	if (!*later && info->dlpi_adds == modules.come && info->dlpi_subs == modules.gone && !modules.any_to_reset)
		return 1;
	if (!*later) {
		modules.come = info->dlpi_adds;
		modules.gone = info->dlpi_subs;
		modules.any_to_reset = false;
	}
	*later = true;
	for (int i = 0; info->dlpi_tls_modid && i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];

		if (header->p_type != PT_TLS || is_kept(info, header->p_memsz))
			continue;
		modules.any_to_reset = true;
		module_reset(info, header);
	}
	return 0;
}

void tls_start(void)
{
	bool later = false;

	if (!thread_self()->recycled) {
		glibc.ctype_init();
		return;
	}
	thread_self()->recycled = false;
	uselocale(LC_GLOBAL_LOCALE);
	dl_iterate_phdr(module_visit, &later);
	errno = 0;
}

void tls_destructors(void)
{
	glibc.call_destructors();
}

void tls_after_fork(void)
{
	for (struct thread *thread = pool; thread; thread = thread->next_free)
		thread->unlinked = true;
}

/* The recipe, tried on a greenlet: what fails first if a field is wrong. */
static void *check_main(void *arg)
{
	const char **problem = arg;
	char text[64];
	jmp_buf jump;
	char *memory;

	glibc.ctype_init();
	errno = 0;
	*problem = NULL;
	snprintf(text, sizeof(text), "%d %.2f", 42, 1.5);
	if (strcmp(text, "42 1.50") || strtod("2.5", NULL) != 2.5 || !isalpha('a'))
		*problem = "formatting and parsing fail on a block of its own";
	memory = malloc(1000);
	free(memory);
	if (!memory || sys_result(-EBADF) != -1 || errno != EBADF)
		*problem = "malloc or errno fail on a block of its own";
	if (setjmp(jump) == 0)
		longjmp(jump, 1);
	return NULL;
}

static const char *check_on_greenlet(void)
{
	struct greenlet *greenlet = green_create(check_main, NULL);
	const char *problem = "no memory";

	if (!greenlet)
		return problem;
	greenlet->thread_pointer = tls_take(1, greenlet->stack->low, greenlet->stack->size);
	if (greenlet->thread_pointer) {
		green_switch(greenlet, &problem);
		tls_put(greenlet->thread_pointer);
	}
	green_destroy(greenlet);
	return problem;
}

const char *tls_check(void)
{
	const char *problem = getenv("GREEN_FAIL_SELFTEST") ? "asked to fail by GREEN_FAIL_SELFTEST" : find_symbols();

	if (!problem)
		problem = calibrate_on_thread();
	return problem ? problem : check_on_greenlet();
}
