/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What everything here that uses libcurl shares: who we are, and errors as sentences.
 */
#ifndef DISK_SOURCE_CURL_COMMON_H
#define DISK_SOURCE_CURL_COMMON_H

#include <curl/curl.h>

#include "disk/source/credentials.h"

/* Once a process, before the first handle.  Any thread. */
void curl_common_init(void);

/* What every request has: protocols, no signals, our name, the CA file when there is one. */
void curl_common_options(CURL *easy, const char *ca_file);

/* Send this with the request; NULL: nothing. */
void curl_common_credential(CURL *easy, const struct credential *who);

/*
 * Why a transfer ended without an answer; `said` is what curl put into its error buffer, which may
 * be empty.  Returns -errno: -EPROTO where the other side does not speak TLS.
 */
int curl_common_error(CURL *easy, CURLcode code, const char *said, const char *ca_file,
                      struct error *err);

#endif
