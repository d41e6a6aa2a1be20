// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * source-cat [--ca FILE] [--credentials FILE] URL...: copies what a chain of sources delivers to
 * standard output, read by several threads; the first URL is the best.  Says on standard error what
 * the chain says.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "disk/chain.h"

#define THREADS 8
#define PIECE   (64 * KIB)
#define URLS    8

struct job {
	struct source *src;
	uint8_t *data;
	uint64_t next; /* with __atomic */
	int result;    /* with __atomic */
};

static void on_message(void *arg, const char *text)
{
	(void)arg;
	fprintf(stderr, "%s\n", text);
}

static void *copy(void *arg)
{
	struct job *job = arg;
	uint64_t size = job->src->identity.size;
	struct error err;

	for (;;) {
		uint64_t off = __atomic_fetch_add(&job->next, PIECE, __ATOMIC_RELAXED);

		if (off >= size)
			return NULL;
		if (source_read(job->src, job->data + off, min_u64(PIECE, size - off), off, NULL,
		                &err) < 0) {
			fprintf(stderr, "source-cat: %s\n", err.text);
			__atomic_store_n(&job->result, 1, __ATOMIC_RELAXED);
			return NULL;
		}
	}
}

static int cat(struct source *src)
{
	struct job job = { .src = src, .data = malloc(src->identity.size + 1) };
	pthread_t threads[THREADS];
	int n = 0;

	if (!job.data)
		return 1;
	while (n < THREADS && pthread_create(&threads[n], NULL, copy, &job) == 0)
		n++;
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	if (n == 0 || (job.result == 0 &&
	               fwrite(job.data, 1, src->identity.size, stdout) != src->identity.size))
		job.result = 1;
	free(job.data);
	return job.result;
}

int main(int argc, char **argv)
{
	static const struct option names[] = { { "ca", required_argument, NULL, 'a' },
		                               { "credentials", required_argument, NULL, 'c' },
		                               { 0 } };
	struct chain_options options = { .source = { .deadline_ms = 20000 },
		                         .message = on_message };
	struct source_place sources[URLS] = { 0 };
	struct source *chain = NULL;
	struct error err;
	size_t n = 0;
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (c == 'a')
			options.source.ca_file = optarg;
		else if (c == 'c')
			options.source.credentials_file = optarg;
		else
			return 2;
	}
	for (; optind < argc && n < URLS; n++)
		sources[n] = (struct source_place){ .url = argv[optind++], .priority = (int)n };
	if (chain_open(sources, n, &options, NULL, &chain, &err) < 0) {
		fprintf(stderr, "source-cat: %s\n", err.text);
		return 1;
	}
	c = cat(chain);
	source_close(chain);
	return fflush(stdout) == 0 ? c : 1;
}
