/* SPDX-License-Identifier: MIT */
/* crew_libpq.c - PostgreSQL's own client library, whose calls block in poll; the place is the directory of the socket */
#include "crew.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

bool crew_prepare(void)
{
	return PQisthreadsafe();
}

void *crew_open(int number)
{
	char text[300];
	PGconn *connection;

	snprintf(text, sizeof(text), "host=%s port=%d dbname=postgres user=tester connect_timeout=20", crew_place, crew_port);
	connection = PQconnectdb(text);
	if (PQstatus(connection) == CONNECTION_OK)
		return connection;
	fprintf(stderr, "thread %d: %s", number, PQerrorMessage(connection));
	PQfinish(connection);
	return NULL;
}

bool crew_ask(void *connection, int number, int turn, int ms)
{
	char seconds[32], own[32];
	const char *values[] = { own, seconds };
	PGresult *result;
	bool good;

	snprintf(own, sizeof(own), "%d", number * 1000 + turn);
	snprintf(seconds, sizeof(seconds), "%d.%03d", ms / 1000, ms % 1000);
	result = PQexecParams(connection, ms ? "select $1::int * 7, pg_sleep($2::float)" : "select $1::int * 7", ms ? 2 : 1,
			      NULL, values, NULL, NULL, 0);
	good = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1 &&
	       atoi(PQgetvalue(result, 0, 0)) == (number * 1000 + turn) * 7;
	if (!good)
		fprintf(stderr, "thread %d: %s", number, PQresultErrorMessage(result));
	PQclear(result);
	return good;
}

void crew_close(void *connection)
{
	PQfinish(connection);
}
