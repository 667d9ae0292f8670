/* SPDX-License-Identifier: MIT */
/* doctor.h - the subcommand `green doctor` */
#ifndef GREEN_TOOLS_DOCTOR_H
#define GREEN_TOOLS_DOCTOR_H

/* What green doctor exits with when it has an answer. */
enum {
	DOCTOR_CARRIED = 0,
	DOCTOR_NATIVE = 1,
	DOCTOR_EXCEPTIONS = 3,
};

/* doctor_main - tell from a program's files what green run would make of it; ARGV[0] is "doctor"; the status to exit with */
int doctor_main(int argc, char **argv);

#endif
