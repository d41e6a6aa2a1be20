/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Linux's work before a guest is entered.
 */
#ifndef MODULE_WORK_H
#define MODULE_WORK_H

int work_setup(void);
void work_free(void);
/* 0, or -EINTR: a signal waits. */
int work_do(void);

#endif
