/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A doubly linked ring: the head is a link too, an empty list points at itself.  No libc.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include "base/bits.h"

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *head)
{
	head->next = head->prev = head;
}

static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

/* Put `link` in front of `at`: before the head means at the end of the list. */
static inline void list_insert(struct list *at, struct list *link)
{
	link->next = at;
	link->prev = at->prev;
	at->prev->next = link;
	at->prev = link;
}

static inline void list_append(struct list *head, struct list *link)
{
	list_insert(head, link);
}

static inline void list_prepend(struct list *head, struct list *link)
{
	list_insert(head->next, link);
}

/* Take `link` out; it is then a list of its own, so that taking it out twice does no harm. */
static inline void list_remove(struct list *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	list_init(link);
}

#define list_for_each(it, head) for (struct list *it = (head)->next; it != (head); it = it->next)

/* The same, when the body may take `it` out. */
#define list_for_each_safe(it, tmp, head)                                   \
	for (struct list *it = (head)->next, *tmp = it->next; it != (head); \
	     it = tmp, tmp = it->next)

#endif
