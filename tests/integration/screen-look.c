// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is on a machine's screen, as a person in front of it would see it.
 *
 *   screen-look vnc SOCKET   by the RFB protocol (RFC 6143), as a VNC client
 *   screen-look xwd FILE     in the memory of an X server (Xvfb -fbdir)
 *
 * Prints "WIDTH HEIGHT LIT": the size of the machine's screen, which is black but for text, and how
 * many pixels of its upper third are not black.  QEMU itself writes in the middle of a screen that
 * the machine has not switched on.  In an X server's memory the screen is a window among other
 * things: what counts are rows with a good many black pixels, between the first and the last one.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/endian.h"

#define MOST_SIDE 4096u
#define MANY      400u /* black pixels make a row one of a machine's screen */

struct screen {
	uint32_t width, height;
	uint32_t pixels[MOST_SIDE * MOST_SIDE];
};

static struct screen screen;

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *fmt, ...)
{
	va_list ap;

	fputs("screen-look: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static void get(int fd, void *buf, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = read(fd, (char *)buf + done, len - done);

		if (n <= 0)
			die("the other side ends early");
		done += (size_t)n;
	}
}

static void put(int fd, const void *buf, size_t len)
{
	if (write(fd, buf, len) != (ssize_t)len)
		die("cannot send");
}

static void skip(int fd, size_t len)
{
	char buf[512];

	for (; len > 0; len -= len < sizeof(buf) ? len : sizeof(buf))
		get(fd, buf, len < sizeof(buf) ? len : sizeof(buf));
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die("%s: cannot connect", path);
	return fd;
}

/* Version, security, initialisation; 32-bit pixels, in the order of this processor. */
static void shake_hands(int fd, uint32_t *width, uint32_t *height)
{
	static const uint8_t pixels[20] = {
		0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8
	};
	/* Raw, and told when the screen has another size. */
	static const uint8_t encodings[12] = { 2, 0, 0, 2, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x21 };
	uint8_t buf[256];

	get(fd, buf, 12);
	if (memcmp(buf, "RFB 003.008\n", 12) != 0)
		die("no VNC server speaks here");
	put(fd, buf, 12);
	get(fd, buf, 1);
	get(fd, buf + 1, buf[0]);
	if (!memchr(buf + 1, 1, buf[0]))
		die("it wants a password");
	put(fd, "\1", 1);
	get(fd, buf, 4);
	if (load_be32(buf) != 0)
		die("it turns us away");
	put(fd, "\1", 1);
	get(fd, buf, 24);
	*width = load_be16(buf);
	*height = load_be16(buf + 2);
	skip(fd, load_be32(buf + 20) & 0xfff);
	put(fd, pixels, sizeof(pixels));
	put(fd, encodings, sizeof(encodings));
}

/* One rectangle of an update; how many pixels of the screen have come with it. */
static size_t take_rectangle(int fd, const uint8_t head[12])
{
	uint32_t x = load_be16(head), y = load_be16(head + 2);
	uint32_t w = load_be16(head + 4), h = load_be16(head + 6);

	/* Not pixels: another size. */
	if (load_be32(head + 8) != 0) {
		x = y = 0;
		screen.width = w;
		screen.height = h;
	}
	if (x + w > screen.width || y + h > screen.height)
		die("a rectangle is outside of the screen");
	if (load_be32(head + 8) != 0)
		return 0;
	for (uint32_t row = y; row < y + h; row++)
		get(fd, screen.pixels + (size_t)row * screen.width + x, (size_t)w * 4);
	return (size_t)w * h;
}

static void ask_for_all(int fd)
{
	uint8_t request[10] = { 3 };

	if (screen.width > MOST_SIDE || screen.height > MOST_SIDE)
		die("the screen has %u by %u pixels", screen.width, screen.height);
	store_be16(request + 6, (uint16_t)screen.width);
	store_be16(request + 8, (uint16_t)screen.height);
	put(fd, request, sizeof(request));
}

static void take_from_vnc(const char *path)
{
	int fd = connect_to(path);
	uint8_t buf[12];
	size_t seen = 0;

	shake_hands(fd, &screen.width, &screen.height);
	ask_for_all(fd);
	while (seen < (size_t)screen.width * screen.height) {
		get(fd, buf, 1);
		if (buf[0] == 3) {
			get(fd, buf, 7);
			skip(fd, load_be32(buf + 3) & 0xfffff);
		} else if (buf[0] == 0) {
			uint32_t width = screen.width, height = screen.height;

			get(fd, buf, 3);
			for (uint32_t n = load_be16(buf + 1); n > 0; n--) {
				get(fd, buf, sizeof(buf));
				seen += take_rectangle(fd, buf);
			}
			if (width != screen.width || height != screen.height) {
				seen = 0;
				ask_for_all(fd);
			}
		}
	}
	close(fd);
}

static void take_from_x(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t head[100];

	if (fd < 0)
		die("%s: cannot open", path);
	get(fd, head, sizeof(head));
	screen.width = load_be32(head + 16);
	screen.height = load_be32(head + 20);
	if (screen.width > MOST_SIDE || screen.height > MOST_SIDE || load_be32(head + 44) != 32 ||
	    load_be32(head + 48) != screen.width * 4)
		die("%s: the X server's pixels are of an unknown kind", path);
	/* After the header a table of colours, 12 bytes each. */
	if (lseek(fd, load_be32(head) + load_be32(head + 76) * 12, SEEK_SET) < 0)
		die("%s: cannot seek", path);
	get(fd, screen.pixels, (size_t)screen.width * screen.height * 4);
	close(fd);
}

/* Of one row: how wide it is black, and how much in that is not. */
static void look_at_row(const uint32_t *row, uint32_t *ret_width, uint32_t *ret_lit)
{
	uint32_t first = screen.width, last = 0, black = 0;

	for (uint32_t x = 0; x < screen.width; x++) {
		if (row[x] & 0xffffff)
			continue;
		first = first < x ? first : x;
		last = x;
		black++;
	}
	*ret_width = black < MANY ? 0 : last + 1 - first;
	*ret_lit = *ret_width - black;
}

static void say_what_is_there(void)
{
	static uint32_t lit[MOST_SIDE];
	uint32_t width = 0, height = 0, sum = 0;

	for (uint32_t y = 0; y < screen.height; y++) {
		uint32_t wide, n;

		look_at_row(screen.pixels + (size_t)y * screen.width, &wide, &n);
		if (wide > 0)
			lit[height++] = n;
		width = wide > width ? wide : width;
	}
	for (uint32_t y = 0; y < height / 3; y++)
		sum += lit[y];
	printf("%u %u %u\n", width, height, sum);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "vnc"))
		take_from_vnc(argv[2]);
	else if (argc == 3 && !strcmp(argv[1], "xwd"))
		take_from_x(argv[2]);
	else
		return fputs("usage: screen-look vnc SOCKET | xwd FILE\n", stderr), 2;
	say_what_is_there();
	return 0;
}
