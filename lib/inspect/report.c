/* SPDX-License-Identifier: MIT */
/* report.c - a ready hook for errors that would pass unseen: it writes them down */
#include <unistd.h>

#include "base/sys.h"
#include "green/debug.h"
#include "inspect/backtrace.h"
#include "inspect/dump.h"

static void say_stack(struct text *text, const struct greenlet *greenlet)
{
	uintptr_t frames[10];
	ssize_t count = green_recorded(greenlet, GREEN_RECORD_ERROR, (void **)frames, 10);

	if (count > 0)
		green__text_frames(text, frames, (size_t)count, 4);
}

static void say_error(struct text *text, const struct green_report *report)
{
	static const char *const who[] = {
		[GREEN_TROUBLE_TASK] = "task",
		[GREEN_TROUBLE_CALLBACK] = "a callback in",
		[GREEN_TROUBLE_FUTURE] = "a future that nobody asked, dropped by",
	};

	if (report->greenlet)
		green__text_say(text, "green: %s %s (%llu)", who[report->trouble], green_name(report->greenlet),
				(unsigned long long)report->greenlet->id);
	else
		green__text_say(text, "green: %s kernel thread %ld", who[report->trouble], sys_call(SYS_gettid));
	green__text_say(text, " has failed with %s", green_error_name(report->code));
	if (report->value)
		green__text_say(text, ", value %p", report->value);
	green__text_say(text, "\n");
	if (report->trouble != GREEN_TROUBLE_FUTURE)
		say_stack(text, report->greenlet);
}

static void say_lost(struct text *text, const struct greenlet *greenlet)
{
	green__text_say(text, "green: kernel thread %ld ends before its greenlet ", sys_call(SYS_gettid));
	green__dump_line(text, greenlet);
	green__dump_stack(text, greenlet, 4);
}

void green_report_error(const struct green_report *report, void *argument)
{
	struct text text;

	green__text_to(&text, argument ? *(const int *)argument : STDERR_FILENO);
	if (report->trouble == GREEN_TROUBLE_LOST)
		say_lost(&text, report->greenlet);
	else
		say_error(&text, report);
	green__text_flush(&text);
}
