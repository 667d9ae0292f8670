/* SPDX-License-Identifier: MIT */
/*
 * walk.c - the frames on a stack, by libunwind: one that stands still, or a copy of one that goes on
 *
 * Of a thread in a system call the kernel tells where it is and its stack pointer.  Most
 * frames are found from the stack pointer alone; for one that is found from the frame
 * pointer, the first place on the stack that looks like a saved one is taken for it.
 */
#include "inspect/walk.h"

#include <dlfcn.h>
#include <string.h>
#include <sys/uio.h>

#include "base/compiler.h"
#include "base/sys.h"
#include "inspect/backtrace.h"
#include "switch/overflow.h"

#if defined(HAVE_LIBUNWIND_H) && defined(HAVE__DL_FIND_OBJECT) && (defined(__x86_64__) || defined(__aarch64__))
#define CAN_WALK 1
#include <libunwind.h>
#endif

enum { PAGE = 4096 };

/* Reads as far as there is memory; the program may take any of it away at any time. */
static size_t read_memory(void *to, uintptr_t from, size_t size)
{
	struct iovec local = { to, size }, pages[SNAPSHOT_BYTES / PAGE + 1];
	size_t count = 0;
	long copied;

	for (uintptr_t at = from; at < from + size && count < ARRAY_LENGTH(pages); count++) {
		uintptr_t next = (at / PAGE + 1) * PAGE;

		if (next > from + size)
			next = from + size;
		pages[count] = (struct iovec){ (void *)at, next - at };
		at = next;
	}
	copied = sys_call(SYS_process_vm_readv, sys_call(SYS_getpid), &local, 1, pages, count, 0);
	return sys_failed(copied) ? 0 : (size_t)copied;
}

void green__snapshot_take(struct snapshot *snapshot, const struct registers *at)
{
	snapshot->at = *at;
	snapshot->size = read_memory(snapshot->stack, at->sp, SNAPSHOT_BYTES);
}

#ifdef CAN_WALK

/* --- what a walk reads --- */

enum { BLOCK = 512 }; /* divides a page, so that a block can be read or not as a whole */

struct walk {
	const struct registers *at;
	const unsigned char *bytes; /* of the stack from AT's sp on, in place or copied */
	size_t size;
	bool in_place;
	uintptr_t table, table_end; /* the object's table that is searched, which stays while the stack stands still */
	uintptr_t block;            /* where BLOCK_BYTES come from; 0: they are nothing yet */
	unsigned char block_bytes[BLOCK];
};

/* A stack has places that a sanitizer lets nobody look at. */
__attribute__((no_sanitize("address"), noinline)) static uintptr_t word_at(const unsigned char *place)
{
	return *(const volatile uintptr_t *)(const volatile void *)place;
}

static bool lies_in(uintptr_t address, uintptr_t from, uintptr_t end)
{
	return address >= from && address < end && end - address >= sizeof(uintptr_t);
}

/* There is no such way to change a mask, and so it changes nothing; but what it points to is read first. */
static bool can_read(uintptr_t address)
{
	return sys_call(SYS_rt_sigprocmask, -1, address, NULL, sizeof(uint64_t)) == -EINVAL;
}

/*
 * At most a page.  Some kernels and sandboxes have no call that reads memory; while a stack stands still, so do
 * the tables of the code on it, and what is there now stays.
 */
static bool read_table(const struct walk *walk, void *to, uintptr_t from, size_t size)
{
	if (read_memory(to, from, size) == size)
		return true;
	if (!walk->in_place || !can_read(from) || !can_read(from + size - sizeof(uint64_t)))
		return false;
	memcpy(to, (const void *)from, size);
	return true;
}

/* Tables of frames are read word by word and lie together, so they come in blocks. */
static bool read_from_block(struct walk *walk, uintptr_t address, uintptr_t *word)
{
	uintptr_t block = address & ~(uintptr_t)(BLOCK - 1);

	if (address - block > BLOCK - sizeof(*word))
		return read_table(walk, word, address, sizeof(*word));
	if (walk->block != block) {
		walk->block = 0;
		if (!read_table(walk, walk->block_bytes, block, BLOCK))
			return false;
		walk->block = block;
	}
	memcpy(word, walk->block_bytes + (address - block), sizeof(*word));
	return true;
}

static bool read_word(struct walk *walk, uintptr_t address, uintptr_t *word)
{
	uintptr_t sp = walk->at->sp;

	if (lies_in(address, sp, sp + walk->size))
		*word = word_at(walk->bytes + (address - sp));
	else if (walk->in_place && lies_in(address, walk->table, walk->table_end))
		*word = word_at((const unsigned char *)address);
	else
		return read_from_block(walk, address, word);
	return true;
}

/* --- what libunwind asks --- */

#define NAME_OF(name) #name
#define QUOTED(name) NAME_OF(name)

/* The names in its header are macros for those with the CPU in them. */
extern int UNW_OBJ(dwarf_search_unwind_table)(unw_addr_space_t space, unw_word_t pc, unw_dyn_info_t *table,
					      unw_proc_info_t *found, int with_info, void *walk);

static struct unwinder {
	unw_addr_space_t space; /* atomic, the last to be set: it is loaded */
	__typeof__(unw_create_addr_space) *create_space;
	__typeof__(unw_init_remote) *init;
	__typeof__(unw_step) *step;
	__typeof__(unw_get_reg) *get_reg;
	__typeof__(UNW_OBJ(dwarf_search_unwind_table)) *search;
} unwinder;

/* The header of .eh_frame_hdr, in the one form that linkers make: a sorted table of pairs of 32 bits. */
struct table_header {
	uint8_t version, frame_encoding, count_encoding, table_encoding;
	int32_t frame;
	uint32_t count;
};

enum { HEADER_VERSION = 1, COUNT_UDATA4 = 0x03, TABLE_DATAREL_SDATA4 = 0x3b };

static int find_frame(unw_addr_space_t space, unw_word_t pc, unw_proc_info_t *found, int with_info, void *arg)
{
	struct walk *walk = arg;
	struct dl_find_object object;
	struct table_header header;
	unw_dyn_info_t table = { .format = UNW_INFO_FORMAT_REMOTE_TABLE };
	uintptr_t address;

	if (_dl_find_object((void *)pc, &object) || !object.dlfo_eh_frame)
		return -UNW_ENOINFO;
	address = (uintptr_t)object.dlfo_eh_frame;
	if (!read_table(walk, &header, address, sizeof(header)) || header.version != HEADER_VERSION ||
	    header.count_encoding != COUNT_UDATA4 || header.table_encoding != TABLE_DATAREL_SDATA4)
		return -UNW_ENOINFO;
	table.start_ip = (unw_word_t)object.dlfo_map_start;
	table.end_ip = (unw_word_t)object.dlfo_map_end;
	table.u.rti.segbase = address;
	table.u.rti.table_data = address + sizeof(header);
	table.u.rti.table_len = header.count * UINT64_C(8) / sizeof(unw_word_t);
	walk->table = address;
	walk->table_end = address + sizeof(header) + header.count * UINT64_C(8);
	return unwinder.search(space, pc, &table, found, with_info, walk);
}

static void put_frame(unw_addr_space_t space, unw_proc_info_t *info, void *walk)
{
	(void)space;
	(void)info;
	(void)walk;
}

static int no_dynamic_list(unw_addr_space_t space, unw_word_t *address, void *walk)
{
	(void)space;
	(void)address;
	(void)walk;
	return -UNW_ENOINFO;
}

static int access_memory(unw_addr_space_t space, unw_word_t address, unw_word_t *value, int write, void *walk)
{
	(void)space;
	return !write && read_word(walk, address, value) ? 0 : -UNW_EINVAL;
}

static bool is_code(uintptr_t address)
{
	struct dl_find_object object;

	return _dl_find_object((void *)address, &object) == 0;
}

/* The frame pointer of the first frame that has saved one: above it lies a return address, and it points further up. */
static uintptr_t guess_frame_pointer(const struct walk *walk)
{
	uintptr_t sp = walk->at->sp, end = sp + walk->size;

	for (size_t i = 0; i + 2 * sizeof(uintptr_t) <= walk->size; i += sizeof(uintptr_t)) {
		uintptr_t word = word_at(walk->bytes + i);

		if (word > sp + i && word < end && is_code(word_at(walk->bytes + i + sizeof(word))))
			return sp + i;
	}
	return 0;
}

#if defined(__x86_64__)
#define LIBUNWIND "libunwind-x86_64.so.8"

enum { PROGRAM_COUNTER = UNW_X86_64_RIP, FRAME_POINTER = UNW_X86_64_RBP };

static uintptr_t saved_register(const struct registers *at, unw_regnum_t number)
{
	switch (number) {
	case UNW_X86_64_RBX: return at->bx;
	case UNW_X86_64_R12: return at->r12;
	case UNW_X86_64_R13: return at->r13;
	case UNW_X86_64_R14: return at->r14;
	case UNW_X86_64_R15: return at->r15;
	default: return 0;
	}
}
#else
#define LIBUNWIND "libunwind-aarch64.so.8"

/* UNW_REG_IP is x30 here: in every frame but the first that is the same. */
enum { PROGRAM_COUNTER = UNW_AARCH64_PC, FRAME_POINTER = UNW_AARCH64_X29 };

static uintptr_t saved_register(const struct registers *at, unw_regnum_t number)
{
	if (number == UNW_AARCH64_X30)
		return at->lr;
	return number >= UNW_AARCH64_X19 && number <= UNW_AARCH64_X28 ? at->saved[number - UNW_AARCH64_X19] : 0;
}
#endif

static int access_register(unw_addr_space_t space, unw_regnum_t number, unw_word_t *value, int write, void *arg)
{
	const struct walk *walk = arg;

	(void)space;
	if (write)
		return -UNW_EBADREG;
	switch (number) {
	case PROGRAM_COUNTER: *value = walk->at->pc; break;
	case UNW_REG_SP: *value = walk->at->sp; break;
	case FRAME_POINTER: *value = walk->at->bp ? walk->at->bp : guess_frame_pointer(walk); break;
	default: *value = saved_register(walk->at, number);
	}
	return 0;
}

static int no_float_register(unw_addr_space_t space, unw_regnum_t number, unw_fpreg_t *value, int write, void *walk)
{
	(void)space;
	(void)number;
	(void)value;
	(void)write;
	(void)walk;
	return -UNW_EBADREG;
}

static unw_accessors_t accessors = {
	.find_proc_info = find_frame,
	.put_unwind_info = put_frame,
	.get_dyn_info_list_addr = no_dynamic_list,
	.access_mem = access_memory,
	.access_reg = access_register,
	.access_fpreg = no_float_register,
};

/* --- loading it --- */

/* Its first walk, of nothing, opens what it has open: never again, and not in a handler. */
static bool begins(unw_addr_space_t space)
{
	const struct registers nowhere = { .pc = 0 };
	struct walk walk = { .at = &nowhere };
	unw_cursor_t cursor;

	return space && unwinder.init(&cursor, space, &walk) == 0;
}

/* Two threads that come at once find the same functions; the second address space is left unused. */
static bool load(void)
{
	void *library = dlopen(LIBUNWIND, RTLD_NOW | RTLD_LOCAL);
	unw_addr_space_t space = NULL;

	if (!library)
		return false;
	*(void **)(void *)&unwinder.create_space = dlsym(library, QUOTED(unw_create_addr_space));
	*(void **)(void *)&unwinder.init = dlsym(library, QUOTED(unw_init_remote));
	*(void **)(void *)&unwinder.step = dlsym(library, QUOTED(unw_step));
	*(void **)(void *)&unwinder.get_reg = dlsym(library, QUOTED(unw_get_reg));
	*(void **)(void *)&unwinder.search = dlsym(library, QUOTED(UNW_OBJ(dwarf_search_unwind_table)));
	if (unwinder.create_space && unwinder.init && unwinder.step && unwinder.get_reg && unwinder.search)
		space = unwinder.create_space(&accessors, 0);
	if (!begins(space))
		return false;
	__atomic_store_n(&unwinder.space, space, __ATOMIC_RELEASE);
	green__overflow_stack = green__tell_overflow;
	return true;
}

bool green__walk_ready(void)
{
	return __atomic_load_n(&unwinder.space, __ATOMIC_ACQUIRE) != NULL;
}

bool green__walk_possible(void)
{
	static int missing; /* atomic */
	int saved_errno = errno;
	bool possible = green__walk_ready();

	if (!possible && !__atomic_load_n(&missing, __ATOMIC_RELAXED)) {
		possible = load();
		__atomic_store_n(&missing, !possible, __ATOMIC_RELAXED);
	}
	errno = saved_errno;
	return possible;
}

/* --- the walk --- */

static unsigned walkers; /* atomic */

bool green__walk_busy(void)
{
	return __atomic_load_n(&walkers, __ATOMIC_ACQUIRE) != 0;
}

/* True if there is one more frame; it goes on at PC. The outermost may be taken for its own caller. */
static bool step(unw_cursor_t *cursor, unw_word_t *pc)
{
	unw_word_t pc_before = *pc, sp_before = 0, sp = 0;

	unwinder.get_reg(cursor, UNW_REG_SP, &sp_before);
	if (unwinder.step(cursor) <= 0 || unwinder.get_reg(cursor, UNW_REG_IP, pc) || !*pc)
		return false;
	unwinder.get_reg(cursor, UNW_REG_SP, &sp);
	return *pc != pc_before || sp != sp_before;
}

static size_t walk_all(struct walk *walk, uintptr_t *frames, size_t count)
{
	unw_cursor_t cursor;
	size_t done = 0;
	unw_word_t pc = walk->at->pc;

	if (count == 0)
		return 0;
	frames[done++] = walk->at->pc;
	if (!green__walk_possible())
		return done;
	__atomic_add_fetch(&walkers, 1, __ATOMIC_ACQ_REL);
	if (unwinder.init(&cursor, unwinder.space, walk) == 0) {
		while (done < count && step(&cursor, &pc))
			frames[done++] = pc;
	}
	__atomic_sub_fetch(&walkers, 1, __ATOMIC_ACQ_REL);
	return done;
}

size_t green__walk(const struct registers *at, uintptr_t end, uintptr_t *frames, size_t count)
{
	struct walk walk = { .at = at, .in_place = true };

	walk.bytes = (const unsigned char *)at->sp;
	walk.size = end > at->sp ? end - at->sp : 0;
	return walk_all(&walk, frames, count);
}

size_t green__snapshot_walk(const struct snapshot *snapshot, uintptr_t *frames, size_t count)
{
	struct walk walk = { .at = &snapshot->at, .bytes = snapshot->stack, .size = snapshot->size };

	return walk_all(&walk, frames, count);
}

#else

bool green__walk_ready(void)
{
	return false;
}

bool green__walk_possible(void)
{
	return false;
}

bool green__walk_busy(void)
{
	return false;
}

size_t green__walk(const struct registers *at, uintptr_t end, uintptr_t *frames, size_t count)
{
	(void)end;
	if (count)
		frames[0] = at->pc;
	return count != 0;
}

size_t green__snapshot_walk(const struct snapshot *snapshot, uintptr_t *frames, size_t count)
{
	return green__walk(&snapshot->at, 0, frames, count);
}

#endif
