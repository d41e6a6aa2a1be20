// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/source/source.h"

void source_cancel_init(struct source_cancel *cancel)
{
	pthread_mutex_init(&cancel->lock, NULL);
	cancel->fired = cancel->hurried = false;
	cancel->wake = NULL;
	cancel->arg = NULL;
}

void source_cancel_destroy(struct source_cancel *cancel)
{
	pthread_mutex_destroy(&cancel->lock);
}

void source_cancel_fire(struct source_cancel *cancel)
{
	pthread_mutex_lock(&cancel->lock);
	cancel->fired = true;
	if (cancel->wake)
		cancel->wake(cancel->arg, true);
	pthread_mutex_unlock(&cancel->lock);
}

void source_cancel_hurry(struct source_cancel *cancel)
{
	pthread_mutex_lock(&cancel->lock);
	if (!cancel->hurried && cancel->wake)
		cancel->wake(cancel->arg, false);
	cancel->hurried = true;
	pthread_mutex_unlock(&cancel->lock);
}

bool source_cancel_arm(struct source_cancel *cancel, void (*wake)(void *arg, bool fired), void *arg)
{
	bool armed;

	pthread_mutex_lock(&cancel->lock);
	armed = !cancel->fired;
	if (armed) {
		cancel->wake = wake;
		cancel->arg = arg;
		if (cancel->hurried)
			wake(arg, false);
	}
	pthread_mutex_unlock(&cancel->lock);
	return armed;
}

void source_cancel_disarm(struct source_cancel *cancel)
{
	pthread_mutex_lock(&cancel->lock);
	cancel->wake = NULL;
	pthread_mutex_unlock(&cancel->lock);
}
