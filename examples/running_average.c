/* SPDX-License-Identifier: MIT */
/* running_average.c - generators that take values: averages as they grow, and one that delegates to another for each group */
#include <stdio.h>
#include <stdlib.h>

#include <green.h>

enum { STATIONS = 3, READINGS = 5 };

struct station {
	const char *name;
	double readings[READINGS];
};

struct summary {
	int count;
	double average;
};

/*
 * Takes a number at each yield and hands back the average so far.  Total and count
 * are ordinary variables: between two numbers this function is simply not finished.
 * NULL ends it; the summary is what it returns.
 */
static void *average(struct green_generator *self, void *summary)
{
	struct summary *so_far = summary;
	double total = 0;
	void *number;

	while (green_generator_yield(self, so_far, &number) == 0 && number) {
		total += *(double *)number;
		so_far->count++;
		so_far->average = total / so_far->count;
	}
	return so_far;
}

/*
 * For each group, all numbers go to an average() of its own.  While this one delegates it
 * does not even run: what is sent to it arrives at the inner yield, and what the inner
 * one yields goes straight to who has sent.  Only the end of a group comes here.
 */
static void *collect(struct green_generator *self, void *table)
{
	for (struct summary *group = table;; group++) {
		struct green_generator *averager = green_generator_create(average, group);
		int result = averager ? green_generator_delegate(self, averager, NULL) : -1;

		green_generator_destroy(averager);
		/* Closed, in the middle of a group: both have ended. */
		if (result < 0)
			return NULL;
	}
}

/* What comes back is the average as it stands; false if something is wrong. */
static int feed(struct green_generator *collector, const struct station *station)
{
	void *so_far;

	printf("%s:", station->name);
	for (int i = 0; i < READINGS; i++) {
		if (green_generator_send(collector, (void *)&station->readings[i], &so_far) != 1)
			return -1;
		printf(" %.2f", ((struct summary *)so_far)->average);
	}
	printf("\n");
	return green_generator_send(collector, NULL, NULL) == 1 ? 0 : -1;
}

int main(void)
{
	static const struct station stations[STATIONS] = {
		{ "harbour", { 11.5, 12.0, 14.5, 13.0, 12.0 } },
		{ "hill", { 7.0, 6.5, 9.0, 8.5, 7.5 } },
		{ "valley", { 4.0, 8.0, 16.0, 12.0, 10.0 } },
	};
	/* One more than there are stations: the collector waits for the next group when it is closed. */
	struct summary table[STATIONS + 1] = { { 0, 0 } };
	struct green_generator *collector = green_generator_create(collect, table);

	/* To its first yield, where it can take something. */
	if (!collector || green_generator_next(collector, NULL) != 1) {
		perror("running_average");
		return EXIT_FAILURE;
	}
	for (int i = 0; i < STATIONS; i++) {
		if (feed(collector, &stations[i]) < 0) {
			perror("running_average");
			return EXIT_FAILURE;
		}
	}
	for (int i = 0; i < STATIONS; i++)
		printf("%-8s %d readings, %.2f on average\n", stations[i].name, table[i].count, table[i].average);
	return green_generator_destroy(collector) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
