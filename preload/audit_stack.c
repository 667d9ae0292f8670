/* SPDX-License-Identifier: MIT */
/*
 * audit_stack.c - who made the call that keeps the carrier: a copy of its stack, walked by libunwind
 *
 * libunwind exports the unwinder's own names, and would capture a C++ program's exceptions if
 * it were linked; so it is loaded for itself, when there is the first stack to walk.  It
 * is given the copy as if it were another process's, for the carrier goes on meanwhile.
 *
 * Of a thread in a system call the kernel tells where it is and its stack pointer.  Most
 * frames are found from the stack pointer alone; for one that is found from the frame
 * pointer, the first place on the stack that looks like a saved one is taken for it.
 */
#include "audit_parts.h"

#include <dlfcn.h>
#include <string.h>
#include <sys/uio.h>

#include "shim.h"

#ifdef HAVE_LIBUNWIND_H
#include <libunwind.h>
#endif

enum { PAGE = 4096 };

/* --- the copy --- */

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

void snapshot_take(struct snapshot *snapshot, uintptr_t pc, uintptr_t sp, uintptr_t bp)
{
	snapshot->pc = pc;
	snapshot->sp = sp;
	snapshot->bp = bp;
	snapshot->size = read_memory(snapshot->stack, sp, SNAPSHOT_BYTES);
}

static bool read_word(const struct snapshot *snapshot, uintptr_t address, uintptr_t *word)
{
	uintptr_t offset = address - snapshot->sp;

	if (offset < snapshot->size && snapshot->size - offset >= sizeof(*word)) {
		memcpy(word, snapshot->stack + offset, sizeof(*word));
		return true;
	}
	return read_memory(word, address, sizeof(*word)) == sizeof(*word);
}

#ifdef HAVE_LIBUNWIND_H

/* --- what libunwind asks --- */

#define NAME_OF(name) #name
#define QUOTED(name) NAME_OF(name)

/* The names in its header are macros for those with the CPU in them. */
extern int UNW_OBJ(dwarf_search_unwind_table)(unw_addr_space_t space, unw_word_t pc, unw_dyn_info_t *table,
					      unw_proc_info_t *found, int with_info, void *snapshot);

static struct {
	bool tried;
	unw_addr_space_t space;
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

static int find_frame(unw_addr_space_t space, unw_word_t pc, unw_proc_info_t *found, int with_info, void *snapshot)
{
	struct dl_find_object object;
	struct table_header header;
	unw_dyn_info_t table = { .format = UNW_INFO_FORMAT_REMOTE_TABLE };
	uintptr_t address;

	if (_dl_find_object((void *)pc, &object) || !object.dlfo_eh_frame)
		return -UNW_ENOINFO;
	address = (uintptr_t)object.dlfo_eh_frame;
	if (read_memory(&header, address, sizeof(header)) != sizeof(header) || header.version != HEADER_VERSION ||
	    header.count_encoding != COUNT_UDATA4 || header.table_encoding != TABLE_DATAREL_SDATA4)
		return -UNW_ENOINFO;
	table.start_ip = (unw_word_t)object.dlfo_map_start;
	table.end_ip = (unw_word_t)object.dlfo_map_end;
	table.u.rti.segbase = address;
	table.u.rti.table_data = address + sizeof(header);
	table.u.rti.table_len = header.count * UINT64_C(8) / sizeof(unw_word_t);
	return unwinder.search(space, pc, &table, found, with_info, snapshot);
}

static void put_frame(unw_addr_space_t space, unw_proc_info_t *info, void *snapshot)
{
	(void)space;
	(void)info;
	(void)snapshot;
}

static int no_dynamic_list(unw_addr_space_t space, unw_word_t *address, void *snapshot)
{
	(void)space;
	(void)address;
	(void)snapshot;
	return -UNW_ENOINFO;
}

static int access_memory(unw_addr_space_t space, unw_word_t address, unw_word_t *value, int write, void *snapshot)
{
	(void)space;
	return !write && read_word(snapshot, address, value) ? 0 : -UNW_EINVAL;
}

static bool is_code(uintptr_t address)
{
	struct dl_find_object object;

	return _dl_find_object((void *)address, &object) == 0;
}

/* The frame pointer of the first frame that has saved one: above it lies a return address, and it points further up. */
static uintptr_t guess_frame_pointer(const struct snapshot *snapshot)
{
	const uintptr_t *words = (const uintptr_t *)(const void *)snapshot->stack;

	for (size_t i = 0; (i + 2) * sizeof(*words) <= snapshot->size; i++) {
		uintptr_t here = snapshot->sp + i * sizeof(*words);

		if (words[i] > here && words[i] < snapshot->sp + snapshot->size && is_code(words[i + 1]))
			return here;
	}
	return 0;
}

static int access_register(unw_addr_space_t space, unw_regnum_t number, unw_word_t *value, int write, void *arg)
{
	const struct snapshot *snapshot = arg;

	(void)space;
	if (write)
		return -UNW_EBADREG;
	if (number == UNW_REG_IP)
		*value = snapshot->pc;
	else if (number == UNW_REG_SP)
		*value = snapshot->sp;
	else if (number == UNW_X86_64_RBP)
		*value = snapshot->bp ? snapshot->bp : guess_frame_pointer(snapshot);
	else
		*value = 0;
	return 0;
}

static int no_float_register(unw_addr_space_t space, unw_regnum_t number, unw_fpreg_t *value, int write, void *snapshot)
{
	(void)space;
	(void)number;
	(void)value;
	(void)write;
	(void)snapshot;
	return -UNW_EBADREG;
}

/* --- the walk --- */

static unw_accessors_t accessors = {
	.find_proc_info = find_frame,
	.put_unwind_info = put_frame,
	.get_dyn_info_list_addr = no_dynamic_list,
	.access_mem = access_memory,
	.access_reg = access_register,
	.access_fpreg = no_float_register,
};

static void load(void)
{
	void *library;

	unwinder.tried = true;
	library = real(dlopen)("libunwind-x86_64.so.8", RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return;
	*(void **)(void *)&unwinder.create_space = real(dlsym)(library, QUOTED(unw_create_addr_space));
	*(void **)(void *)&unwinder.init = real(dlsym)(library, QUOTED(unw_init_remote));
	*(void **)(void *)&unwinder.step = real(dlsym)(library, QUOTED(unw_step));
	*(void **)(void *)&unwinder.get_reg = real(dlsym)(library, QUOTED(unw_get_reg));
	*(void **)(void *)&unwinder.search = real(dlsym)(library, QUOTED(UNW_OBJ(dwarf_search_unwind_table)));
	if (unwinder.create_space && unwinder.init && unwinder.step && unwinder.get_reg && unwinder.search)
		unwinder.space = unwinder.create_space(&accessors, 0);
}

size_t snapshot_walk(const struct snapshot *snapshot, uintptr_t frames[FRAMES_MAX])
{
	unw_cursor_t cursor;
	size_t count = 1;
	unw_word_t pc;

	frames[0] = snapshot->pc;
	if (!unwinder.tried)
		load();
	if (!unwinder.space || unwinder.init(&cursor, unwinder.space, (void *)snapshot))
		return count;
	while (count < FRAMES_MAX && unwinder.step(&cursor) > 0 && unwinder.get_reg(&cursor, UNW_REG_IP, &pc) == 0 && pc)
		frames[count++] = pc;
	return count;
}

#else

size_t snapshot_walk(const struct snapshot *snapshot, uintptr_t frames[FRAMES_MAX])
{
	(void)read_word;
	frames[0] = snapshot->pc;
	return 1;
}

#endif
