// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/source/curl-common.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

static void global_init(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

void curl_common_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, global_init);
}

void curl_common_options(CURL *easy, const char *ca_file)
{
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* not to wait for a name server */
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "sill");
	if (ca_file)
		curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file);
}

void curl_common_credential(CURL *easy, const struct credential *who)
{
	if (!who)
		return;
	if (who->kind == CREDENTIAL_BEARER) {
		curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
		curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, who->secret);
	} else if (who->kind == CREDENTIAL_BASIC) {
		curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
		curl_easy_setopt(easy, CURLOPT_USERNAME, who->user);
		curl_easy_setopt(easy, CURLOPT_PASSWORD, who->secret);
	}
}

/* What the system said about a connection, when it said something. */
static int explain_connect(CURL *easy, const char *said, struct error *err)
{
	char system[128];
	long code = 0;

	curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &code);
	if (code == 0)
		return error_set(err, ECONNREFUSED, "cannot connect: %s", said);
	return error_set(err, (int)code, "cannot connect: %s",
	                 strerror_r((int)code, system, sizeof(system)));
}

int curl_common_error(CURL *easy, CURLcode code, const char *said, const char *ca_file,
                      struct error *err)
{
	long refused = 0;

	/* A proxy that did not make the tunnel for https has said why. */
	curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &refused);
	if (refused == 407)
		return error_set(err, EACCES, "the proxy wants credentials (407)");
	if (refused >= 300)
		return error_set(err, EIO, "the proxy does not connect to the server (%ld)",
		                 refused);
	if (!*said)
		said = curl_easy_strerror(code);
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
		return error_set(err, EHOSTUNREACH, "the name of the server is not known: %s",
		                 said);
	case CURLE_COULDNT_RESOLVE_PROXY:
		return error_set(err, EHOSTUNREACH, "the name of the proxy is not known: %s", said);
	case CURLE_COULDNT_CONNECT:
		return explain_connect(easy, said, err);
	case CURLE_OPERATION_TIMEDOUT:
		return error_set(err, ETIMEDOUT, "cannot connect: %s", said);
	case CURLE_GOT_NOTHING:
		return error_set(err, ECONNRESET, "the connection was closed without an answer");
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
		return error_set(err, ECONNRESET, "the connection was lost: %s", said);
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_ISSUER_ERROR:
		return error_set(err, EKEYREJECTED, "its certificate is not trusted: %s", said);
	case CURLE_SSL_CACERT_BADFILE:
		return error_set(err, EINVAL, "the CA file %s cannot be used: %s",
		                 ca_file ? ca_file : "of the system", said);
	case CURLE_SSL_CONNECT_ERROR:
		return error_set(err, EPROTO, "no TLS connection: %s", said);
	default:
		return error_set(err, EIO, "%s", said);
	}
}
