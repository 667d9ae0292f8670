/* SPDX-License-Identifier: MIT */
/* crew_hiredis.c - the Redis client in C; to ponder is to wait for an element that nobody pushes */
#include "crew.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool crew_prepare(void)
{
	return true;
}

void *crew_open(int number)
{
	redisContext *connection = redisConnect("127.0.0.1", crew_port);

	if (connection != NULL && connection->err == 0)
		return connection;
	fprintf(stderr, "thread %d: %s\n", number, connection ? connection->errstr : "no memory");
	if (connection != NULL)
		redisFree(connection);
	return NULL;
}

static bool is_text(const redisReply *reply, const char *text)
{
	return reply != NULL && reply->type == REDIS_REPLY_STRING && strcmp(reply->str, text) == 0;
}

static bool waits_in_vain(redisContext *connection, int number, int ms)
{
	redisReply *reply = redisCommand(connection, "BLPOP nothing:%d %d.%03d", number, ms / 1000, ms % 1000);
	bool good = reply != NULL && reply->type == REDIS_REPLY_NIL;

	freeReplyObject(reply);
	return good;
}

bool crew_ask(void *connection, int number, int turn, int ms)
{
	redisReply *set, *get;
	char text[64];
	bool good;

	if (ms != 0 && !waits_in_vain(connection, number, ms))
		return false;
	snprintf(text, sizeof(text), "%d of thread %d", turn, number);
	set = redisCommand(connection, "SET own:%d %s", number, text);
	get = redisCommand(connection, "GET own:%d", number);
	good = set != NULL && set->type == REDIS_REPLY_STATUS && is_text(get, text);
	freeReplyObject(set);
	freeReplyObject(get);
	return good;
}

void crew_close(void *connection)
{
	redisFree(connection);
}
