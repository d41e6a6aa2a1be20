// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sending blobs to a registry.
 */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "tests/unit/registry-fixture.h"
#include "util/io.h"

static int begin(struct fixture *f, struct store_upload **ret, uint64_t *off)
{
	return f->store->ops->begin_upload(f->store, "lab/debian", f->digest, SIZE, ret, off,
	                                   &f->err);
}

/* Everything from `off` on, in odd pieces, and the end. */
static int send_rest(struct fixture *f, struct store_upload *upload, uint64_t off)
{
	int r = 0;

	for (size_t n; r == 0 && off < SIZE; off += n) {
		n = (size_t)min_u64(7777, SIZE - off);
		r = f->store->ops->write_upload(upload, f->data + off, n, &f->err);
	}
	return r == 0 ? f->store->ops->finish_upload(upload, &f->err) : r;
}

static int send_all(struct fixture *f)
{
	struct store_upload *upload = NULL;
	uint64_t off;
	int r = begin(f, &upload, &off);

	if (r == 0 && upload)
		r = send_rest(f, upload, off);
	f->store->ops->end_upload(upload);
	return r;
}

static void arrived(struct fixture *f)
{
	const struct model_item *blob = model_blob(&f->model, f->digest);

	assert_non_null(blob);
	assert_int_equal(blob->len, SIZE);
	assert_memory_equal(blob->data, f->data, SIZE);
	/* Nothing is left to be gone on with. */
	rmdir(f->uploads);
	assert_int_equal(access(f->uploads, F_OK), -1);
}

REGISTRY_TEST(a_blob_is_sent_in_pieces)
{
	struct fixture *f = *state;

	works(f, send_all(f));
	arrived(f);
	assert_int_equal(web_server_count(f->model.server, "PATCH "), (SIZE + CHUNK - 1) / CHUNK);
	assert_int_equal(web_server_count(f->model.server, "Content-Range: 16384-32767\r\n"), 1);
}

REGISTRY_TEST(a_small_blob_is_sent_at_once)
{
	struct fixture *f = *state;
	struct store_upload *upload;
	char digest[72];
	uint64_t off;

	for (size_t len = 0; len <= CHUNK; len += CHUNK / 2) {
		model_digest(f->data, len, digest);
		works(f, f->store->ops->begin_upload(f->store, "lab/debian", digest, len, &upload,
		                                     &off, &f->err));
		works(f, f->store->ops->write_upload(upload, f->data, len, &f->err));
		works(f, f->store->ops->finish_upload(upload, &f->err));
		f->store->ops->end_upload(upload);
		assert_int_equal(model_blob(&f->model, digest)->len, len);
	}
	assert_int_equal(web_server_count(f->model.server, "PATCH "), 0);
}

REGISTRY_TEST(addresses_may_be_paths)
{
	struct fixture *f = *state;

	f->model.relative = true;
	works(f, send_all(f));
	arrived(f);
}

REGISTRY_TEST(a_blob_that_is_there_is_not_sent)
{
	struct fixture *f = *state;

	model_add_blob(&f->model, f->data, SIZE);
	works(f, send_all(f));
	assert_int_equal(web_server_count(f->model.server, "POST "), 0);
}

REGISTRY_TEST(pieces_are_as_long_as_the_registry_wants)
{
	struct fixture *f = *state;

	f->model.least = "40000";
	works(f, send_all(f));
	arrived(f);
	assert_int_equal(web_server_count(f->model.server, "PATCH "), 3);
}

REGISTRY_TEST(a_connection_that_breaks_in_a_piece_is_mended)
{
	struct fixture *f = *state;
	struct store_upload *upload;
	uint64_t off;

	works(f, begin(f, &upload, &off));
	web_server_break_body(f->model.server, 10000);
	works(f, send_rest(f, upload, 0));
	f->store->ops->end_upload(upload);
	arrived(f);
	/* What had arrived was not sent again. */
	assert_int_equal(web_server_count(f->model.server, "Content-Range: 10000-16383\r\n"), 1);
}

REGISTRY_TEST(a_server_that_fails_in_a_piece_is_asked_how_far_it_is)
{
	struct fixture *f = *state;

	f->model.fault = (struct model_fault){
		.method = "PATCH", .path = "/uploads/", .after = 2, .times = 2, .status = 500
	};
	works(f, send_all(f));
	arrived(f);
	f->model.matched = 0;
}

REGISTRY_TEST(another_process_goes_on_with_an_upload)
{
	struct fixture *f = *state;
	struct store_upload *upload;
	uint64_t off;
	struct stat st;
	DIR *dir;

	works(f, begin(f, &upload, &off));
	assert_int_equal(off, 0);
	works(f, f->store->ops->write_upload(upload, f->data, 3 * CHUNK + 5, &f->err));
	f->store->ops->end_upload(upload);
	close_store(f);
	dir = opendir(f->uploads);
	assert_non_null(dir);
	for (struct dirent *it; (it = readdir(dir)) != NULL;)
		if (it->d_name[0] != '.') {
			assert_int_equal(fstatat(dirfd(dir), it->d_name, &st, 0), 0);
			assert_int_equal(st.st_mode & 0777, 0600);
		}
	closedir(dir);
	open_store(f);
	works(f, begin(f, &upload, &off));
	assert_int_equal(off, 3 * CHUNK);
	works(f, send_rest(f, upload, off));
	f->store->ops->end_upload(upload);
	arrived(f);
	assert_int_equal(web_server_count(f->model.server, "POST "), 1);
}

REGISTRY_TEST(an_upload_that_the_registry_has_forgotten_begins_anew)
{
	struct fixture *f = *state;
	struct store_upload *upload;
	uint64_t off;

	works(f, begin(f, &upload, &off));
	works(f, f->store->ops->write_upload(upload, f->data, 2 * CHUNK, &f->err));
	f->store->ops->end_upload(upload);
	free(f->model.uploads[0].data);
	f->model.uploads[0].data = NULL;
	works(f, begin(f, &upload, &off));
	assert_int_equal(off, 0);
	works(f, send_rest(f, upload, off));
	f->store->ops->end_upload(upload);
	arrived(f);
}

REGISTRY_TEST(bytes_with_another_digest_are_refused_and_forgotten)
{
	struct fixture *f = *state;

	f->data[SIZE / 2] ^= 1;
	assert_int_equal(send_all(f), -EBADMSG);
	says(f, "the registry refuses it (another digest, DIGEST_INVALID)");
	f->data[SIZE / 2] ^= 1;
	works(f, send_all(f));
	arrived(f);
}

REGISTRY_TEST(a_put_whose_answer_is_lost_has_worked)
{
	struct fixture *f = *state;

	/* The answer to the first is lost, and the session is over when it is sent again. */
	works(f, send_all(f));
	f->model.n_blobs = 0;
	f->model.fault = (struct model_fault){
		.method = "PUT", .path = "/uploads/", .times = 1, .status = 503
	};
	f->model.matched = 0;
	works(f, send_all(f));
	arrived(f);
}

REGISTRY_TEST(a_registry_that_has_another_part_than_was_sent_is_not_believed)
{
	struct fixture *f = *state;

	f->model.fault = (struct model_fault){ .method = "PATCH",
		                               .path = "/uploads/",
		                               .status = 202,
		                               .headers = "Location: /v2/x/blobs/uploads/1\r\n"
		                                          "Range: 0-99\r\n" };
	assert_int_equal(send_all(f), -EBADMSG);
	says(f, "has another part of an upload than was sent");
	f->model.fault.headers = "Range: 0-16383\r\n";
	assert_int_equal(send_all(f), -EBADMSG);
	says(f, "does not say where an upload goes on");
}

REGISTRY_TEST(a_blob_of_another_name_is_mounted)
{
	struct fixture *f = *state;

	model_add_blob(&f->model, f->data, SIZE);
	f->model.mountable = "lab/other";
	works(f,
	      f->store->ops->mount_blob(f->store, "lab/debian", f->digest, "lab/other", &f->err));
	assert_int_equal(
		f->store->ops->mount_blob(f->store, "lab/debian", f->digest, "lab/x", &f->err),
		-ENOENT);
	says(f, "lab/x does not have it for others");
	/* The upload that it began instead is ended. */
	assert_int_equal(web_server_count(f->model.server, "DELETE "), 1);
	assert_null(f->model.uploads[0].data);
}

REGISTRY_TEST(more_or_less_than_was_said_is_refused)
{
	struct fixture *f = *state;
	struct store_upload *upload;
	uint64_t off;

	works(f, begin(f, &upload, &off));
	works(f, f->store->ops->write_upload(upload, f->data, 10, &f->err));
	assert_int_equal(f->store->ops->finish_upload(upload, &f->err), -EINVAL);
	works(f, f->store->ops->write_upload(upload, f->data, 10, &f->err));
	assert_int_equal(f->store->ops->write_upload(upload, f->data, SIZE, &f->err), -EINVAL);
	f->store->ops->end_upload(upload);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		REGISTRY_CASE(a_blob_is_sent_in_pieces),
		REGISTRY_CASE(a_small_blob_is_sent_at_once),
		REGISTRY_CASE(addresses_may_be_paths),
		REGISTRY_CASE(a_blob_that_is_there_is_not_sent),
		REGISTRY_CASE(pieces_are_as_long_as_the_registry_wants),
		REGISTRY_CASE(a_connection_that_breaks_in_a_piece_is_mended),
		REGISTRY_CASE(a_server_that_fails_in_a_piece_is_asked_how_far_it_is),
		REGISTRY_CASE(another_process_goes_on_with_an_upload),
		REGISTRY_CASE(an_upload_that_the_registry_has_forgotten_begins_anew),
		REGISTRY_CASE(bytes_with_another_digest_are_refused_and_forgotten),
		REGISTRY_CASE(a_put_whose_answer_is_lost_has_worked),
		REGISTRY_CASE(a_registry_that_has_another_part_than_was_sent_is_not_believed),
		REGISTRY_CASE(a_blob_of_another_name_is_mounted),
		REGISTRY_CASE(more_or_less_than_was_said_is_refused),
	};

	return cmocka_run_group_tests_name("registry-upload", tests, NULL, NULL);
}
