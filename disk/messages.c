// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/messages.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

void messages_init(struct messages *messages)
{
	memset(messages, 0, sizeof(*messages));
	pthread_mutex_init(&messages->lock, NULL);
}

void messages_destroy(struct messages *messages)
{
	pthread_mutex_destroy(&messages->lock);
}

void messages_add(struct messages *messages, const char *text)
{
	struct message *message;

	pthread_mutex_lock(&messages->lock);
	message = &messages->ring[(messages->n - 1) % MESSAGES_KEPT];
	if (messages->n == 0 || strncmp(message->text, text, sizeof(message->text) - 1) != 0) {
		message = &messages->ring[messages->n++ % MESSAGES_KEPT];
		snprintf(message->text, sizeof(message->text), "%s", text);
		message->times = 0;
	}
	message->time = time(NULL);
	message->times++;
	pthread_mutex_unlock(&messages->lock);
}

void messages_addf(struct messages *messages, const char *fmt, ...)
{
	char text[sizeof(messages->ring[0].text)];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	messages_add(messages, text);
}

json_t *messages_list(struct messages *messages)
{
	json_t *list = json_array();
	unsigned int i;

	pthread_mutex_lock(&messages->lock);
	i = messages->n > MESSAGES_KEPT ? messages->n - MESSAGES_KEPT : 0;
	for (; i < messages->n; i++) {
		const struct message *message = &messages->ring[i % MESSAGES_KEPT];

		json_array_append_new(list,
		                      json_pack("{s:I, s:I, s:s}", "time",
		                                (json_int_t)message->time, "times",
		                                (json_int_t)message->times, "text", message->text));
	}
	pthread_mutex_unlock(&messages->lock);
	return list;
}
