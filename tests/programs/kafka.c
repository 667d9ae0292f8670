/* SPDX-License-Identifier: MIT */
/* kafka.c - producers and a consumer of Kafka, with the broker that the library brings along for tests, on its own threads */
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PRODUCERS = 4, MESSAGES = 50, WAIT_MS = 30000 };

static rd_kafka_t *producer;
static int delivered; /* in rd_kafka_poll of main's only */

static rd_kafka_conf_t *configured(const char *const (*settings)[2])
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char text[200];

	for (; (*settings)[0]; settings++) {
		if (rd_kafka_conf_set(conf, (*settings)[0], (*settings)[1], text, sizeof(text)) != RD_KAFKA_CONF_OK) {
			printf("%s: %s\n", (*settings)[0], text);
			exit(1);
		}
	}
	return conf;
}

static void told(rd_kafka_t *kafka, const rd_kafka_message_t *message, void *unused)
{
	(void)kafka;
	(void)unused;
	delivered += !message->err;
}

static void *produce(void *arg)
{
	char text[32];

	for (int i = 0; i < MESSAGES; i++) {
		snprintf(text, sizeof(text), "%d", *(int *)arg * MESSAGES + i);
		if (rd_kafka_producev(producer, RD_KAFKA_V_TOPIC("crew"), RD_KAFKA_V_PARTITION(0), RD_KAFKA_V_VALUE(text, strlen(text)),
				      RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END))
			printf("message %s is refused\n", text);
	}
	return NULL;
}

static void produce_all(void)
{
	pthread_t threads[PRODUCERS];
	int numbers[PRODUCERS];

	for (int i = 0; i < PRODUCERS; i++) {
		numbers[i] = i;
		pthread_create(&threads[i], NULL, produce, &numbers[i]);
	}
	for (int i = 0; i < PRODUCERS; i++)
		pthread_join(threads[i], NULL);
	printf("flush: %s\n", rd_kafka_err2str(rd_kafka_flush(producer, WAIT_MS)));
	printf("delivered %d\n", delivered);
}

/* Where the producer's broker listens; its own name for it is the setting of others. */
static char *broker(void)
{
	const struct rd_kafka_metadata *seen;
	static char text[300];

	if (rd_kafka_metadata(producer, 0, NULL, &seen, WAIT_MS) || seen->broker_cnt < 1)
		return NULL;
	snprintf(text, sizeof(text), "%s:%d", seen->brokers[0].host, seen->brokers[0].port);
	rd_kafka_metadata_destroy(seen);
	return text;
}

static int consume(rd_kafka_t *consumer, bool *seen)
{
	rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, WAIT_MS);
	int right = 0;

	if (message && !message->err) {
		char text[32];
		int number;

		snprintf(text, sizeof(text), "%.*s", (int)message->len, (const char *)message->payload);
		number = atoi(text) % (PRODUCERS * MESSAGES);
		right = !seen[number];
		seen[number] = true;
	}
	if (!message)
		printf("nothing comes\n");
	else
		rd_kafka_message_destroy(message);
	return message ? right : -1;
}

static void consume_all(void)
{
	const char *const settings[][2] = {
		{ "bootstrap.servers", broker() }, { "group.id", "crew" }, { "auto.offset.reset", "earliest" }, { NULL, NULL }
	};
	rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
	rd_kafka_t *consumer = rd_kafka_new(RD_KAFKA_CONSUMER, configured(settings), NULL, 0);
	bool seen[PRODUCERS * MESSAGES] = { false };
	int right = 0, got = 0;

	rd_kafka_topic_partition_list_add(topics, "crew", 0)->offset = 0;
	rd_kafka_assign(consumer, topics);
	while (right < PRODUCERS * MESSAGES && (got = consume(consumer, seen)) >= 0)
		right += got;
	printf("consumed %d\n", right);
	rd_kafka_topic_partition_list_destroy(topics);
	rd_kafka_consumer_close(consumer);
	rd_kafka_destroy(consumer);
}

int main(void)
{
	const char *const settings[][2] = { { "test.mock.num.brokers", "1" }, { "log_level", "3" }, { NULL, NULL } };
	rd_kafka_conf_t *conf = configured(settings);

	rd_kafka_conf_set_dr_msg_cb(conf, told);
	producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
	produce_all();
	consume_all();
	rd_kafka_destroy(producer);
	return 0;
}
