// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/workers.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/list.h"

struct worker {
	struct list link; /* in workers.idle while it waits */
	struct workers *workers;
	pthread_t thread;
	pthread_cond_t wake;
	void (*run)(void *arg); /* NULL: nothing to do */
	void *arg;
};

struct workers {
	pthread_mutex_t lock; /* guards everything here and in each worker */
	struct list idle;
	bool stopping;
	unsigned int n, most;
	struct worker workers[];
};

struct workers *workers_new(unsigned int most)
{
	struct workers *workers = calloc(1, sizeof(*workers) + most * sizeof(workers->workers[0]));

	if (!workers)
		return NULL;
	pthread_mutex_init(&workers->lock, NULL);
	list_init(&workers->idle);
	workers->most = most;
	return workers;
}

static void *worker_thread(void *arg)
{
	struct worker *worker = arg;
	struct workers *workers = worker->workers;

	pthread_mutex_lock(&workers->lock);
	for (;;) {
		if (worker->run) {
			void (*run)(void *arg) = worker->run;

			worker->run = NULL;
			pthread_mutex_unlock(&workers->lock);
			run(worker->arg);
			pthread_mutex_lock(&workers->lock);
		} else if (workers->stopping) {
			break;
		} else {
			/* At the front: the one whose stack is warm goes first. */
			list_prepend(&workers->idle, &worker->link);
			while (!worker->run && !workers->stopping)
				pthread_cond_wait(&worker->wake, &workers->lock);
			list_remove(&worker->link);
		}
	}
	pthread_mutex_unlock(&workers->lock);
	return NULL;
}

bool workers_run(struct workers *workers, void (*run)(void *arg), void *arg)
{
	struct worker *worker = NULL;
	bool found = false;

	pthread_mutex_lock(&workers->lock);
	if (!list_empty(&workers->idle)) {
		worker = container_of(workers->idle.next, struct worker, link);
		list_remove(&worker->link);
		worker->run = run;
		worker->arg = arg;
		pthread_cond_signal(&worker->wake);
		found = true;
	} else if (workers->n < workers->most && !workers->stopping) {
		worker = &workers->workers[workers->n];
		worker->workers = workers;
		worker->run = run;
		worker->arg = arg;
		list_init(&worker->link);
		pthread_cond_init(&worker->wake, NULL);
		found = pthread_create(&worker->thread, NULL, worker_thread, worker) == 0;
		if (found)
			workers->n++;
		else
			pthread_cond_destroy(&worker->wake);
	}
	pthread_mutex_unlock(&workers->lock);
	return found;
}

void workers_free(struct workers *workers)
{
	if (!workers)
		return;
	pthread_mutex_lock(&workers->lock);
	workers->stopping = true;
	for (unsigned int i = 0; i < workers->n; i++)
		pthread_cond_signal(&workers->workers[i].wake);
	pthread_mutex_unlock(&workers->lock);
	for (unsigned int i = 0; i < workers->n; i++) {
		pthread_join(workers->workers[i].thread, NULL);
		pthread_cond_destroy(&workers->workers[i].wake);
	}
	pthread_mutex_destroy(&workers->lock);
	free(workers);
}
