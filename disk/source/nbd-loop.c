// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The I/O thread of an NBD source.
 *
 * It connects when somebody wants something, keeps several commands under way, and when the
 * connection is lost asks once more over a new one.  A connection that completes nothing for the
 * stall time while commands are under way is lost too.  While it connects it still sees to the
 * deadlines of those who wait.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>

#include "disk/source/nbd.h"
#include "util/clock.h"

static struct nbd_request *request_of(struct queue_item *item)
{
	return container_of(item, struct nbd_request, item);
}

static struct nbd_command *command_of(struct list *link)
{
	return container_of(link, struct nbd_command, link);
}

/* `until` in the milliseconds of poll(), rounded up. */
static int wait_ms(uint64_t until, uint64_t now)
{
	if (until <= now)
		return 0;
	return (int)min_u64((until - now) / NS_PER_MS + 1, 3600 * 1000);
}

int nbd_turn(struct nbd *nbd, uint64_t until, struct error *err)
{
	struct pollfd fds[2] = { { .fd = nbd->wake_fd, .events = POLLIN }, { .fd = -1 } };
	uint64_t now = now_ns(), count;
	unsigned int direction;

	until = min_u64(until, queue_expire(&nbd->queue, now));
	if (nbd->handle) {
		direction = nbd_aio_get_direction(nbd->handle);
		fds[1].fd = nbd_aio_get_fd(nbd->handle);
		fds[1].events = (short)((direction & LIBNBD_AIO_DIRECTION_READ ? POLLIN : 0) |
		                        (direction & LIBNBD_AIO_DIRECTION_WRITE ? POLLOUT : 0));
	}
	if (poll(fds, 2, wait_ms(until, now)) < 0 && errno != EINTR)
		return error_sys(err, errno, "%s: poll", nbd->src.name);
	if (fds[0].revents && read(nbd->wake_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return error_sys(err, errno, "%s: eventfd", nbd->src.name);
	if (queue_stopping(&nbd->queue))
		return error_set(err, ECANCELED, "%s: no longer wanted", nbd->src.name);
	if (!nbd->handle || !fds[1].revents)
		return 0;
	/* The direction may have changed by a command of ours, but not by anybody else. */
	direction = nbd_aio_get_direction(nbd->handle);
	if ((fds[1].revents & (POLLIN | POLLHUP | POLLERR)) &&
	    (direction & LIBNBD_AIO_DIRECTION_READ))
		nbd_aio_notify_read(nbd->handle);
	else if ((fds[1].revents & (POLLOUT | POLLHUP | POLLERR)) &&
	         (direction & LIBNBD_AIO_DIRECTION_WRITE))
		nbd_aio_notify_write(nbd->handle);
	return 0;
}

/* Take it off the list; its reader, if there still is one, is left to the caller. */
static struct nbd_request *retire(struct nbd *nbd, struct nbd_command *cmd)
{
	struct nbd_request *req = cmd->req;

	list_remove(&cmd->link);
	nbd->n_commands--;
	free(cmd->buf);
	free(cmd);
	return req;
}

/* Hand on what has come, before the command goes. */
static void deliver(struct nbd *nbd, struct nbd_command *cmd)
{
	struct nbd_request *req = cmd->req;
	uint64_t inside;

	if (!req)
		return;
	inside = req->off - cmd->off;
	if (req->task == NBD_READ) {
		memcpy(req->buf, cmd->buf + inside, req->len);
		__atomic_add_fetch(&nbd->src.bytes_fetched, req->len, __ATOMIC_RELAXED);
	} else if (cmd->run > inside) {
		req->kind = cmd->kind;
		req->run = min_u64(cmd->run - inside, req->len);
	} else {
		req->kind = SOURCE_EXTENT_DATA; /* the server said nothing of that place */
		req->run = req->len;
	}
}

/* Finish what libnbd has completed. */
static void harvest(struct nbd *nbd)
{
	list_for_each_safe (it, tmp, &nbd->commands) {
		struct nbd_command *cmd = command_of(it);
		struct nbd_request *req = cmd->req;
		int error = cmd->error;

		if (!cmd->done || error == ENOTCONN)
			continue; /* the latter: the connection is lost, see drop() */
		nbd->progress_ns = now_ns();
		if (error == 0)
			deliver(nbd, cmd);
		retire(nbd, cmd);
		if (!req)
			continue;
		if (error)
			error_sys(&req->item.err, error, "%s: the server failed at %llu",
			          nbd->src.name, (unsigned long long)req->off);
		queue_finish(&req->item, -error);
	}
}

/* The connection is of no use any more: whose command was under way may ask once more. */
static void drop(struct nbd *nbd, const struct error *why, bool retry)
{
	nbd_close(take_ptr(nbd->handle));
	list_for_each_safe (it, tmp, &nbd->commands) {
		struct nbd_request *req = retire(nbd, command_of(it));

		if (!req)
			continue;
		if (retry && !req->retried) {
			req->retried = true;
			queue_put_back(&nbd->queue, &req->item);
		} else {
			req->item.err = *why;
			queue_finish(&req->item, -why->code);
		}
	}
}

static int on_complete(void *arg, int *error)
{
	struct nbd_command *cmd = arg;

	cmd->done = true;
	cmd->error = *error;
	return 1;
}

/* The first runs of one kind, joined. */
static int on_extents(void *arg, const char *context, uint64_t off, uint32_t *entries, size_t n,
                      int *error)
{
	struct nbd_command *cmd = arg;

	(void)error;
	if (strcmp(context, LIBNBD_CONTEXT_BASE_ALLOCATION) != 0 || off != cmd->off)
		return 0;
	for (size_t i = 0; i + 1 < n; i += 2) {
		enum source_extent kind = entries[i + 1] & LIBNBD_STATE_ZERO ? SOURCE_EXTENT_ZERO
		                                                             : SOURCE_EXTENT_DATA;

		if (i > 0 && kind != cmd->kind)
			break;
		cmd->kind = kind;
		cmd->run += entries[i];
	}
	return 0;
}

/* Give a request to libnbd. */
static void issue(struct nbd *nbd, struct nbd_request *req)
{
	struct nbd_command *cmd;
	int64_t cookie;

	if (req->task == NBD_CONNECT) {
		queue_finish(&req->item, 0);
		return;
	}
	if (req->task == NBD_EXTENT && !nbd->has_extents) {
		req->kind = SOURCE_EXTENT_DATA;
		req->run = req->len;
		queue_finish(&req->item, 0);
		return;
	}
	/* Rounding adds less than a block at either end. */
	if (req->task == NBD_READ)
		req->len =
			min_u64(req->len, nbd->largest - min_u64(nbd->largest / 2, 2 * nbd->block));
	cmd = calloc(1, sizeof(*cmd));
	if (cmd) {
		uint64_t end = req->off + req->len;

		cmd->off = round_down(req->off, nbd->block);
		cmd->len = min_u64(round_up(end, nbd->block), nbd->src.identity.size) - cmd->off;
		cmd->buf = req->task == NBD_READ ? malloc(cmd->len) : NULL;
	}
	if (!cmd || (req->task == NBD_READ && !cmd->buf)) {
		free(cmd);
		queue_finish(&req->item, error_sys(&req->item.err, ENOMEM, "%s", nbd->src.name));
		return;
	}
	cmd->req = req;
	cmd->issued_ns = now_ns();
	list_append(&nbd->commands, &cmd->link);
	nbd->n_commands++;
	__atomic_add_fetch(&nbd->src.requests, 1, __ATOMIC_RELAXED);
	if (req->task == NBD_READ)
		cookie = nbd_aio_pread(
			nbd->handle, cmd->buf, cmd->len, cmd->off,
			(nbd_completion_callback){ .callback = on_complete, .user_data = cmd }, 0);
	else
		cookie = nbd_aio_block_status(
			nbd->handle, cmd->len, cmd->off,
			(nbd_extent_callback){ .callback = on_extents, .user_data = cmd },
			(nbd_completion_callback){ .callback = on_complete, .user_data = cmd }, 0);
	if (cookie < 0 && !cmd->done) {
		cmd->done = true;
		cmd->error = nbd_get_errno() > 0 ? nbd_get_errno() : EIO;
		if (nbd_aio_is_dead(nbd->handle) || nbd_aio_is_closed(nbd->handle))
			cmd->error = ENOTCONN;
	}
}

/* What nobody waits for leaves room for who does. */
static bool may_start(struct queue_item *item)
{
	const struct nbd *nbd = container_of(item->queue, struct nbd, queue);
	unsigned int most = item->priority == SOURCE_DEMAND ? nbd->most : nbd->most / 2;

	return nbd->n_commands < max_u64(most, 1);
}

static bool is_lost(const struct nbd *nbd)
{
	return nbd->handle && (nbd_aio_is_dead(nbd->handle) || nbd_aio_is_closed(nbd->handle));
}

/* Readers that must leave, and a connection that says nothing; when to look again. */
static uint64_t expire(struct nbd *nbd)
{
	uint64_t now = now_ns(), stall_ns = nbd->stall_ms * NS_PER_MS, next = UINT64_MAX;
	bool stalled = false;
	struct error err;

	list_for_each (it, &nbd->commands) {
		struct nbd_command *cmd = command_of(it);
		uint64_t stalls = max_u64(cmd->issued_ns, nbd->progress_ns) + stall_ns;
		int r = cmd->req ? queue_expired(&cmd->req->item, now) : 0;

		if (r < 0)
			queue_finish(&take_ptr(cmd->req)->item, r);
		else if (cmd->req)
			next = min_u64(next, cmd->req->item.deadline_ns);
		stalled |= now >= stalls;
		next = min_u64(next, stalls);
	}
	if (stalled) {
		error_set(&err, ETIMEDOUT, "%s: no answer for %g s (stalled)", nbd->src.name,
		          nbd->stall_ms / 1000.0);
		drop(nbd, &err, false);
	}
	return next;
}

/* Take what waits; connect for it when there is no connection. */
static void admit(struct nbd *nbd)
{
	struct queue_item *item;

	while ((item = queue_take(&nbd->queue, may_start)) != NULL) {
		struct nbd_request *req = request_of(item);

		if (!nbd->handle) {
			int r = nbd_source_connect(nbd, &req->item.err);

			if (r < 0) {
				queue_finish(item, r);
				continue;
			}
		}
		issue(nbd, req);
		if (is_lost(nbd))
			return;
	}
}

static void *loop(void *arg)
{
	struct nbd *nbd = arg;
	sigset_t pipe_signal;
	struct error err;

	pthread_setname_np(pthread_self(), "source-nbd");
	/* TLS libraries write to sockets without MSG_NOSIGNAL. */
	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_signal, NULL);
	while (!queue_stopping(&nbd->queue)) {
		uint64_t next;

		admit(nbd);
		harvest(nbd);
		next = expire(nbd);
		if (is_lost(nbd)) {
			error_set(&err, ECONNRESET, "%s: the connection was lost", nbd->src.name);
			drop(nbd, &err, true);
			continue;
		}
		if (nbd_turn(nbd, next, &err) < 0 && !queue_stopping(&nbd->queue) && nbd->handle)
			drop(nbd, &err, false);
		harvest(nbd);
	}
	error_set(&err, ECANCELED, "%s: no longer wanted", nbd->src.name);
	if (nbd->handle)
		drop(nbd, &err, false);
	queue_expire(&nbd->queue, now_ns());
	return NULL;
}

void nbd_loop_wake(struct source_queue *queue)
{
	const struct nbd *nbd = container_of(queue, struct nbd, queue);
	uint64_t one = 1;

	/* Full means that it will wake anyway. */
	if (write(nbd->wake_fd, &one, sizeof(one)) < 0)
		return;
}

int nbd_loop_start(struct nbd *nbd, struct error *err)
{
	int r;

	nbd->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (nbd->wake_fd < 0)
		return error_sys(err, errno, "%s: eventfd", nbd->src.name);
	r = pthread_create(&nbd->thread, NULL, loop, nbd);
	if (r != 0) {
		close(take_fd(&nbd->wake_fd));
		return error_sys(err, r, "%s: no thread", nbd->src.name);
	}
	nbd->has_thread = true;
	return 0;
}

void nbd_loop_stop(struct nbd *nbd)
{
	queue_stop(&nbd->queue);
	pthread_join(nbd->thread, NULL);
	close(nbd->wake_fd);
}
