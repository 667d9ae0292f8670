/* SPDX-License-Identifier: MIT */
/* crew_mariadb.c - MariaDB's client library; the place is the socket's path */
#include "crew.h"

#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>

bool crew_prepare(void)
{
	return mysql_library_init(0, NULL, NULL) == 0;
}

void *crew_open(int number)
{
	MYSQL *connection = mysql_init(NULL);

	if (connection != NULL && mysql_real_connect(connection, NULL, "tester", "", NULL, 0, crew_place, 0) != NULL)
		return connection;
	fprintf(stderr, "thread %d: %s\n", number, connection ? mysql_error(connection) : "no memory");
	if (connection != NULL)
		mysql_close(connection);
	return NULL;
}

bool crew_ask(void *connection, int number, int turn, int ms)
{
	MYSQL_RES *result;
	MYSQL_ROW row;
	char query[100];
	bool good;

	snprintf(query, sizeof(query), ms ? "select %d * 7, sleep(%d.%03d)" : "select %d * 7", number * 1000 + turn,
		 ms / 1000, ms % 1000);
	if (mysql_query(connection, query) != 0) {
		fprintf(stderr, "thread %d: %s\n", number, mysql_error(connection));
		return false;
	}
	result = mysql_store_result(connection);
	row = result ? mysql_fetch_row(result) : NULL;
	good = row != NULL && atoi(row[0]) == (number * 1000 + turn) * 7;
	mysql_free_result(result);
	return good;
}

void crew_close(void *connection)
{
	mysql_close(connection);
	mysql_thread_end();
}
