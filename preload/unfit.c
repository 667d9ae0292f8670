/* SPDX-License-Identifier: MIT */
/* unfit.c - programs that do not bear the shim, found as they start where green run has not seen them before */
#include "unfit.h"

#include <elf.h>
#include <limits.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "shim.h"

/* There if the program, or a library that came with it, is built with a sanitizer; nothing is linked for asking. */
extern void __asan_init(void) __attribute__((weak));
extern void __hwasan_init(void) __attribute__((weak));
extern void __lsan_init(void) __attribute__((weak));
extern void __msan_init(void) __attribute__((weak));
extern void __tsan_init(void) __attribute__((weak));

#define NOTE_GO_BUILD_ID 4

enum { ENVIRONMENT_BYTES = 4 << 20 };

static bool begins_with(const char *text, const char *beginning)
{
	while (*beginning && *text == *beginning)
		text++, beginning++;
	return !*beginning;
}

/* --- which programs --- */

static bool has_sanitizer(void)
{
	return __asan_init || __hwasan_init || __lsan_init || __msan_init || __tsan_init;
}

/* What the program itself names; libraries of libraries have no threads that it waits for. */
static const char *unfit_library(void)
{
	const ElfW(Dyn) *entry = _r_debug.r_map ? _r_debug.r_map->l_ld : NULL;
	const char *strings = NULL;

	for (const ElfW(Dyn) *at = entry; at && at->d_tag != DT_NULL; at++) {
		if (at->d_tag == DT_STRTAB)
			strings = (const char *)at->d_un.d_ptr;
	}
	for (; strings && entry->d_tag != DT_NULL; entry++) {
		const char *name = strings + entry->d_un.d_val;

		if (entry->d_tag != DT_NEEDED)
			continue;
		if (begins_with(name, "libgomp.so"))
			return "it is linked with libgomp";
		if (begins_with(name, "libjli.so") || begins_with(name, "libjvm.so"))
			return "it is a Java virtual machine";
	}
	return NULL;
}

static bool has_go_note(uintptr_t at, uintptr_t end)
{
	while (at + sizeof(ElfW(Nhdr)) <= end) {
		const ElfW(Nhdr) *note = (const ElfW(Nhdr) *)at;

		if (note->n_type == NOTE_GO_BUILD_ID && note->n_namesz == 4 && begins_with((const char *)(note + 1), "Go"))
			return true;
		at += sizeof(*note) + ((note->n_namesz + 3) & ~3U) + ((note->n_descsz + 3) & ~3U);
	}
	return false;
}

static bool is_go(void)
{
	const ElfW(Phdr) *segments = (const ElfW(Phdr) *)getauxval(AT_PHDR);
	size_t count = getauxval(AT_PHNUM);
	uintptr_t base = _r_debug.r_map ? _r_debug.r_map->l_addr : 0;

	for (size_t i = 0; segments && i < count; i++) {
		uintptr_t start = base + segments[i].p_vaddr;

		if (segments[i].p_type == PT_NOTE && has_go_note(start, start + segments[i].p_memsz))
			return true;
	}
	return false;
}

static const char *why_unfit(void)
{
	if (has_sanitizer())
		return "it is built with a sanitizer";
	return is_go() ? "it is a Go program" : unfit_library();
}

/* --- without the shim --- */

static const char *value_of(char **envp, const char *name_and_sign)
{
	for (; *envp; envp++) {
		if (begins_with(*envp, name_and_sign)) {
			const char *value = *envp;

			while (*value++ != '=')
				;
			return value;
		}
	}
	return "";
}

static bool is_shim(const char *from, const char *end)
{
	static const char name[] = "libgreen-preload.so";
	const char *last = end - (sizeof(name) - 1);

	return last >= from && begins_with(last, name);
}

/* Copies VALUE without the shim behind what stands at TO; where its terminator is. */
static char *copy_without_shim(char *to, const char *value, bool *found)
{
	const char *begin = to;

	while (*value) {
		const char *end = value;

		while (*end && *end != ':' && *end != ' ')
			end++;
		if (is_shim(value, end))
			*found = true;
		else if (to > begin && end > value)
			*to++ = ':';
		while (value < end && !is_shim(value, end))
			*to++ = *value++;
		value = *end ? end + 1 : end;
	}
	*to = '\0';
	return to;
}

/* The environment without a word of ours; NULL if the shim did not come by it, and would come again. */
static char **environment_without_shim(char **envp)
{
	static const char preload[] = "LD_PRELOAD=";
	long memory = sys_call(SYS_mmap, NULL, ENVIRONMENT_BYTES, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char **made = (char **)memory, **next = made, *text = (char *)memory + ENVIRONMENT_BYTES / 2;
	bool found = false;

	for (; !sys_failed(memory) && *envp; envp++) {
		if (begins_with(*envp, preload)) {
			const char *value = *envp + sizeof(preload) - 1;
			char *begin = text;

			for (const char *c = preload; *c; c++)
				*text++ = *c;
			if (copy_without_shim(text, value, &found) > text)
				*next++ = begin;
		} else if (!begins_with(*envp, "GREEN_")) {
			*next++ = *envp;
		}
	}
	return found ? made : NULL;
}

static void say(const char *text)
{
	size_t length = 0;

	while (text[length])
		length++;
	sys_call(SYS_write, 2, text, length);
}

/* A program that was given to the loader by hand is not the file that the process executes. */
static bool started_by_hand(void)
{
	return getauxval(AT_BASE) == 0;
}

void unfit_begin_again(char **argv, char **envp)
{
	const char *reason = begins_with(value_of(envp, "GREEN_CARRY="), "1") ? NULL : why_unfit();
	char path[PATH_MAX];
	char **environment;
	long length;

	if (!reason)
		return;
	if (begins_with(value_of(envp, "GREEN_VERBOSE="), "1")) {
		say("green: ");
		say(reason);
		say("; running it without green threads\n");
	}
	shim.stood_down = true;
	environment = started_by_hand() ? NULL : environment_without_shim(envp);
	length = sys_call(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", path, sizeof(path) - 1);
	if (!environment || sys_failed(length))
		return;
	path[length] = '\0';
	sys_call(SYS_execve, path, argv, environment);
}
