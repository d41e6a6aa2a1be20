// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/far.h"

#include <pthread.h>
#include <stdlib.h>

struct far {
	far_opener open;
	void *arg;
	struct image *image;  /* set once; read with acquire */
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t tried;
	bool trying;
	uint64_t attempts; /* that have ended */
	struct error err;  /* of the last one */
};

struct far *far_new(far_opener open, void *arg)
{
	struct far *far = calloc(1, sizeof(*far));

	if (!far)
		return NULL;
	far->open = open;
	far->arg = arg;
	pthread_mutex_init(&far->lock, NULL);
	pthread_cond_init(&far->tried, NULL);
	return far;
}

void far_free(struct far *far)
{
	if (!far)
		return;
	image_close(far->image);
	pthread_cond_destroy(&far->tried);
	pthread_mutex_destroy(&far->lock);
	free(far);
}

struct image *far_peek(struct far *far)
{
	return __atomic_load_n(&far->image, __ATOMIC_ACQUIRE);
}

/* With the lock, which is let go meanwhile. */
static void attempt(struct far *far)
{
	struct error err = { 0 };
	struct image *image = NULL;
	int r;

	far->trying = true;
	pthread_mutex_unlock(&far->lock);
	r = far->open(far->arg, &image, &err);
	pthread_mutex_lock(&far->lock);
	far->trying = false;
	far->attempts++;
	far->err = err;
	if (r == 0)
		__atomic_store_n(&far->image, image, __ATOMIC_RELEASE);
	pthread_cond_broadcast(&far->tried);
}

int far_image(struct far *far, struct image **ret, struct error *err)
{
	struct image *image = far_peek(far);
	int r = 0;

	if (image) {
		*ret = image;
		return 0;
	}
	pthread_mutex_lock(&far->lock);
	if (far->trying) {
		uint64_t before = far->attempts;

		while (far->attempts == before)
			pthread_cond_wait(&far->tried, &far->lock);
	} else if (!far->image) {
		attempt(far);
	}
	if (far->image) {
		*ret = far->image;
	} else {
		if (err)
			*err = far->err;
		r = -far->err.code;
	}
	pthread_mutex_unlock(&far->lock);
	return r;
}
