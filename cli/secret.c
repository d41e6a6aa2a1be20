// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "util/cleanup.h"

int cli_ask_secret(const char *prompt, bool twice, char ret[SECRET_ROOM], struct error *err)
{
	/* Without a terminal the library would take standard input, whatever that is. */
	cleanup_close int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

	if (terminal < 0)
		return error_set(err, ENOTTY, "there is no terminal to ask for it on");
	memset(ret, 0, SECRET_ROOM);
	if (EVP_read_pw_string_min(ret, 1, SECRET_ROOM - 1, prompt, twice) != 0) {
		OPENSSL_cleanse(ret, SECRET_ROOM);
		return error_set(err, ECANCELED,
		                 twice ? "nothing was typed, or not the same twice"
		                       : "nothing was typed");
	}
	return (int)strlen(ret);
}

/* What a read() gives, up to the end of the line, of the file or of the room. */
static int read_line(int fd, char ret[SECRET_ROOM])
{
	size_t used = 0;
	ssize_t n;

	do {
		n = read(fd, ret + used, SECRET_ROOM - used);
		if (n < 0 && errno != EINTR)
			return -errno;
		used += n > 0 ? (size_t)n : 0;
	} while (n != 0 && used < SECRET_ROOM && !memchr(ret, '\n', used));
	for (size_t i = 0; i < used; i++) {
		if (ret[i] == '\0')
			return -EILSEQ;
		if (ret[i] == '\n')
			used = i;
	}
	if (used > 0 && used < SECRET_ROOM && ret[used - 1] == '\r')
		used--;
	return (int)used;
}

int cli_read_secret(const char *path, char ret[SECRET_ROOM], struct error *err)
{
	cleanup_close int file = -1;
	int fd = STDIN_FILENO, r;
	struct stat st;

	if (strcmp(path, "-") != 0) {
		fd = file = open(path, O_RDONLY | O_CLOEXEC);
		if (file < 0 || fstat(file, &st) < 0)
			return error_sys(err, errno, "%s", path);
		if (S_ISREG(st.st_mode) && (st.st_mode & 077))
			return error_set(err, EPERM, "%s: other people may read it: chmod 600 %s",
			                 path, path);
	}
	r = read_line(fd, ret);
	if (r > 0 && r < SECRET_ROOM) {
		OPENSSL_cleanse(ret + r, (size_t)(SECRET_ROOM - r));
		return r;
	}
	OPENSSL_cleanse(ret, SECRET_ROOM);
	if (r == 0)
		return error_set(err, ENODATA, "%s: its first line is empty", path);
	if (r == -EILSEQ)
		return error_set(err, EILSEQ, "%s: has a zero byte in its first line", path);
	if (r < 0)
		return error_sys(err, -r, "%s", path);
	return error_set(err, EFBIG, "%s: its first line has more than %d characters", path,
	                 SECRET_ROOM - 1);
}
