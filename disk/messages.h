/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The last few things a disk has to tell a person: sources that fail or are well again, a full
 * near, a fill that has ended.  Any thread.
 */
#ifndef DISK_MESSAGES_H
#define DISK_MESSAGES_H

#include <jansson.h>
#include <pthread.h>
#include <stdint.h>

#define MESSAGES_KEPT 32

struct messages {
	pthread_mutex_t lock; /* guards the rest */
	struct message {
		int64_t time; /* seconds since 1970, of its last occurrence */
		uint64_t times;
		char text[512];
	} ring[MESSAGES_KEPT];
	unsigned int n; /* ever added; the next one goes to n % MESSAGES_KEPT */
};

void messages_init(struct messages *messages);
void messages_destroy(struct messages *messages);
/* A text that is the same as the last one is counted, not added. */
void messages_add(struct messages *messages, const char *text);
void messages_addf(struct messages *messages, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Oldest first: an array of objects with time, times and text. */
json_t *messages_list(struct messages *messages);

#endif
