/* SPDX-License-Identifier: MIT */
/* audit_report.c - what was found to keep the carrier, one entry for each stack, and the text about it */
#include "audit_parts.h"

#include <stdio.h>
#include <string.h>

#include "shim.h"

enum {
	ENTRIES_MAX = 128,
	ENTRY_TEXT = 4096,
	NAME_SIZE = 128,
};

struct entry {
	long number;
	size_t depth;
	uintptr_t functions[FRAMES_MAX]; /* where each begins, so that calls from one function are one entry */
	unsigned count;
	int64_t total, longest;
	char stack[ENTRY_TEXT];   /* lines; made at once, since a library may be gone later */
	char advice[NAME_SIZE * 2];
};

static struct {
	struct entry entries[ENTRIES_MAX];
	unsigned used;
	unsigned lost; /* more than there is room for */
	bool changed;
} report;

/* --- one entry --- */

static bool is_libc(const char *name)
{
	static const char *const beginnings[] = { "libc.so", "ld-linux", "libpthread.", "libresolv." };

	for (size_t i = 0; i < ARRAY_LENGTH(beginnings); i++) {
		if (strncmp(name, beginnings[i], strlen(beginnings[i])) == 0)
			return true;
	}
	return false;
}

static bool is_ours(const char *name)
{
	return strncmp(name, "libgreen", 8) == 0;
}

static void describe_frame(struct entry *entry, const struct place *place, uintptr_t address)
{
	size_t used = strlen(entry->stack), left = sizeof(entry->stack) - used;

	if (place->function[0])
		snprintf(entry->stack + used, left, "    %s+0x%zx in %s\n", place->function, place->offset, place->file);
	else if (place->file[0])
		snprintf(entry->stack + used, left, "    0x%zx in %s\n", place->offset, place->file);
	else
		snprintf(entry->stack + used, left, "    0x%zx\n", address);
}

/* What the reader can do, which depends on whose instruction it was. */
static const char *advice_for(long number, const char *library)
{
	if (number == KEPT_BY_COMPUTING)
		return "no tick may stop it there; if the thread is a library's own, --native-thread=LIBRARY takes it away";
	if (number == SYS_vfork)
		return "the child has to start its program first; posix_spawn lets the others go on";
	if (call_is_of_files(number))
		return "it waits for a disk or for memory, which is not carried";
	if (is_libc(library) || is_ours(library))
		return "this call is not carried: please report it, with this stack";
	return NULL;
}

static void advise(struct entry *entry, const char *library)
{
	const char *advice = advice_for(entry->number, library);

	if (advice)
		snprintf(entry->advice, sizeof(entry->advice), "%s", advice);
	else
		snprintf(entry->advice, sizeof(entry->advice), "%.60s calls the kernel past the C library; "
			 "if the thread is its own, --native-thread=%.60s takes it away", library, library);
}

/* The runtime's own frames below a thread tell nobody anything. */
static void describe_stack(struct entry *entry, const struct snapshot *snapshot)
{
	uintptr_t frames[FRAMES_MAX];
	size_t count = green__snapshot_walk(snapshot, frames, FRAMES_MAX);
	struct place place;

	entry->stack[0] = '\0';
	for (entry->depth = 0; entry->depth < count; entry->depth++) {
		size_t i = entry->depth;

		green__place_find(&place, frames[i], i > 0);
		if (i > 0 && is_ours(green__place_name(&place)) && strcmp(place.function, "thread_run") == 0)
			break;
		entry->functions[i] = place.function[0] ? frames[i] - place.offset : frames[i];
		describe_frame(entry, &place, frames[i]);
		if (i == 0)
			advise(entry, green__place_name(&place));
	}
}

static bool same_entry(const struct entry *one, const struct entry *other)
{
	return one->number == other->number && one->depth == other->depth &&
	       memcmp(one->functions, other->functions, one->depth * sizeof(one->functions[0])) == 0;
}

static struct entry *find_or_make(long number, const struct snapshot *snapshot)
{
	struct entry *made = &report.entries[report.used];

	if (report.used == ENTRIES_MAX)
		return NULL;
	made->number = number;
	describe_stack(made, snapshot);
	for (struct entry *entry = report.entries; entry < made; entry++) {
		if (same_entry(entry, made))
			return entry;
	}
	report.used++;
	made->count = 0;
	made->total = made->longest = 0;
	return made;
}

void report_add(long number, const struct snapshot *snapshot, int64_t nanoseconds)
{
	struct entry *entry = find_or_make(number, snapshot);

	report.changed = true;
	if (!entry) {
		report.lost++;
		return;
	}
	entry->count++;
	entry->total += nanoseconds;
	if (nanoseconds > entry->longest)
		entry->longest = nanoseconds;
}

void report_clear(void)
{
	report.used = report.lost = 0;
	report.changed = false;
}

bool report_changed(void)
{
	return report.changed;
}

/* --- the text --- */

static void write_all(int fd, const char *text, size_t size)
{
	long written;

	while (size > 0 && !sys_failed(written = sys_call(SYS_write, fd, text, size))) {
		text += written;
		size -= (size_t)written;
	}
}

void report_line(int fd, const char *format, ...)
{
	char text[512];
	va_list arguments;
	size_t length;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text) - 1, format, arguments);
	va_end(arguments);
	length = strlen(text);
	text[length++] = '\n';
	write_all(fd, text, length);
}

static void write_entry(int fd, const struct entry *entry)
{
	const char *name = call_name(entry->number);
	char unnamed[32];

	snprintf(unnamed, sizeof(unnamed), "system call %ld", entry->number);
	report_line(fd, "  %u time%s, %.1f ms in all, %.1f ms at most: %s", entry->count, entry->count == 1 ? "" : "s",
		    (double)entry->total / NS_PER_MS, (double)entry->longest / NS_PER_MS,
		    entry->number == KEPT_BY_COMPUTING ? "kept the carrier busy" : name ? name : unnamed);
	write_all(fd, entry->stack, strlen(entry->stack));
	report_line(fd, "    (%s)", entry->advice);
}

/* The one with most time of those with less than BELOW; equal ones come in the order of the table. */
static const struct entry *next_of(const struct entry *previous)
{
	const struct entry *found = NULL;

	for (const struct entry *entry = report.entries; entry < &report.entries[report.used]; entry++) {
		bool later = !previous || entry->total < previous->total ||
			     (entry->total == previous->total && entry > previous);

		if (later && (!found || entry->total > found->total))
			found = entry;
	}
	return found;
}

static void process_name(char name[NAME_SIZE])
{
	long fd = sys_call(SYS_openat, AT_FDCWD, "/proc/self/comm", O_RDONLY | O_CLOEXEC);
	long length = sys_failed(fd) ? 0 : sys_call(SYS_read, fd, name, NAME_SIZE - 1);

	if (!sys_failed(fd))
		sys_call(SYS_close, fd);
	name[length > 0 ? length : 0] = '\0';
	name[strcspn(name, "\n")] = '\0';
}

void report_write(int fd, bool always)
{
	long process = sys_call(SYS_getpid);
	const struct entry *entry = NULL;
	char name[NAME_SIZE];
	int64_t total = 0;
	unsigned count = report.lost;

	report.changed = false;
	for (unsigned i = 0; i < report.used; i++) {
		count += report.entries[i].count;
		total += report.entries[i].total;
	}
	if (count == 0 && !always)
		return;
	process_name(name);
	if (count == 0) {
		report_line(fd, "green audit: process %ld (%s): no call blocked the carrier for more than 10 ms",
			    process, name);
		return;
	}
	report_line(fd, "green audit: process %ld (%s): all green threads were held up %u time%s, %.1f ms in all, by:",
		    process, name, count, count == 1 ? "" : "s", (double)total / NS_PER_MS);
	while ((entry = next_of(entry)))
		write_entry(fd, entry);
	if (report.lost)
		report_line(fd, "  and %u times by more than there is room for here", report.lost);
}
