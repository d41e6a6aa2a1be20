// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who a registry may know us as: the files of docker and podman, helper programs, `sill login`'s
 * file.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "disk/source/credentials-files.h"
#include "disk/source/credentials.h"
#include "util/io.h"

/* A home of the test's own, with programs in $PATH. */
struct fixture {
	char home[64];
	char path[PATH_MAX];
	struct error err;
};

static void write_text(const char *path, mode_t mode, const char *text)
{
	char folder[PATH_MAX];

	snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(path, '/') - path), path);
	assert_int_equal(make_dirs(folder, 0700, NULL), 0);
	assert_int_equal(replace_file(AT_FDCWD, path, text, strlen(text), mode, NULL), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static const char *under(struct fixture *f, const char *name)
{
	snprintf(f->path, sizeof(f->path), "%s/%s", f->home, name);
	return f->path;
}

/* docker-credential-NAME, a shell script. */
static void write_helper(struct fixture *f, const char *name, const char *script)
{
	char text[1024], path[128];

	snprintf(path, sizeof(path), "bin/docker-credential-%s", name);
	snprintf(text, sizeof(text), "#!/bin/sh\n[ \"$1\" = get ] || exit 9\nserver=$(cat)\n%s\n",
	         script);
	write_text(under(f, path), 0700, text);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char path[PATH_MAX];

	snprintf(f->home, sizeof(f->home), "/tmp/test-creds-XXXXXX");
	assert_non_null(mkdtemp(f->home));
	setenv("HOME", f->home, 1);
	unsetenv("XDG_CONFIG_HOME");
	unsetenv("XDG_RUNTIME_DIR");
	unsetenv("REGISTRY_AUTH_FILE");
	unsetenv("DOCKER_CONFIG");
	snprintf(path, sizeof(path), "%s/bin:/usr/bin:/bin", f->home);
	setenv("PATH", path, 1);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char *words[] = { (char *)"rm", (char *)"-rf", f->home, NULL };
	pid_t pid = fork();

	if (pid == 0)
		execv("/bin/rm", words);
	waitpid(pid, NULL, 0);
	free(f);
	return 0;
}

#define FILES_TEST(name) static void name(void **state)
#define FILES_CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* "basic joe:pw", "bearer t", "identity t", or "none". */
static const char *asked(struct credentials *creds, const char *url, struct error *err)
{
	static char text[256];
	cleanup(credential_wipe) struct credential who = { 0 };
	int r = credentials_ask(creds, url, 0, NULL, &who, err);

	if (r == -ENOENT)
		return "none";
	if (r < 0)
		return "failed";
	snprintf(text, sizeof(text), "%s %s%s%s",
	         who.kind == CREDENTIAL_BASIC    ? "basic"
	         : who.kind == CREDENTIAL_BEARER ? "bearer"
	                                         : "identity",
	         who.user ? who.user : "", who.user ? ":" : "", who.secret);
	return text;
}

TEST(the_entry_of_a_registry_is_found_by_host_port_and_longest_path)
{
	/* joe:one, joe:two, … */
	static const char text[] =
		" \n{ \"auths\": {"
		"\"r.example\": {\"auth\": \"am9lOm9uZQ==\"},"
		"\"r.example/lab\": {\"auth\": \"am9lOnR3bw==\"},"
		"\"r.example:5000\": {\"username\": \"joe\", \"password\": \"three\"},"
		"\"https://old.example/v1/\": {\"auth\": \"am9lOmZvdXI=\"},"
		"\"http://plain.example:8080\": {\"auth\": \"am9lOmZpdmU=\"},"
		"\"https://index.docker.io/v1/\": {\"auth\": \"am9lOnNpeA==\", \"email\": \"x\"},"
		"\"id.example\": {\"auth\": \"am9lOg==\", \"identitytoken\": \"seven\"},"
		"\"token.example\": {\"registrytoken\": \"eight\"},"
		"\"127.0.0.1:5001\": {\"auth\": \"am9lOm5pbmU=\"},"
		"\"[::1]:5002\": {\"auth\": \"am9lOnRlbg==\"},"
		"\"empty.example\": {}"
		"}, \"HttpHeaders\": {\"User-Agent\": \"x\"} }";
	static const struct {
		const char *url, *found;
	} rows[] = {
		{ "https://r.example/v2/", "basic joe:one" },
		{ "https://R.Example:443/v2/debian/blobs/x", "basic joe:one" },
		{ "https://r.example/v2/lab/debian/blobs/x", "basic joe:two" },
		{ "https://r.example/v2/labels/x", "basic joe:one" },
		{ "http://r.example/v2/", "none" },
		{ "https://r.example:5000/v2/lab/x", "basic joe:three" },
		{ "https://r.example:5001/", "none" },
		{ "https://r.example.evil.example/", "none" },
		{ "https://old.example/v2/a/manifests/b", "basic joe:four" },
		{ "http://plain.example:8080/v2/", "basic joe:five" },
		{ "https://plain.example:8080/v2/", "none" },
		{ "https://registry-1.docker.io/v2/library/debian/x", "basic joe:six" },
		{ "https://id.example/v2/", "identity seven" },
		{ "https://token.example/v2/", "bearer eight" },
		{ "http://127.0.0.1:5001/v2/", "basic joe:nine" },
		{ "http://[::1]:5002/v2/", "basic joe:ten" },
		{ "https://empty.example/v2/", "none" },
		{ "nonsense", "none" },
	};
	cleanup(credentials_free) struct credentials *creds = NULL;
	struct error err;

	if (credentials_parse(text, strlen(text), "auth.json", &creds, &err) < 0)
		fail_msg("%s", err.text);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(asked(creds, rows[i].url, &err), rows[i].found) != 0)
			fail_msg("%s: %s", rows[i].url, asked(creds, rows[i].url, &err));
		/* Nothing of it is sent without being asked for. */
		assert_null(credentials_find(creds, rows[i].url));
	}
}

TEST(a_file_that_is_wrong_is_refused_and_not_repeated)
{
	static const struct {
		const char *text, *words;
	} rows[] = {
		{ "{\"auths\":\n{s3cret", "line 2: is not JSON as docker and podman write it" },
		{ "{\"auths\":[\"s3cret\"]}", "'auths' and 'credHelpers' are objects" },
		{ "{\"auths\":{\"r.example\":{\"auth\":\"s3cret!\"}}}",
		  "what it has for r.example is not a user name and a password" },
		{ "{\"auths\":{\"ftp://x\":{}}}", "'ftp://x' is not the name of a registry" },
		{ "{\"auths\":{\"\":{}}}", "'' is not the name of a registry" },
		{ "{\"credHelpers\":{\"r.example\":\"../s3cret\"}}",
		  "the name of a credential helper" },
		{ "{\"credsStore\":7}", "the name of a credential helper" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct credentials *creds;
		struct error err;

		assert_int_equal(credentials_parse(rows[i].text, strlen(rows[i].text), "auth.json",
		                                   &creds, &err),
		                 -EINVAL);
		if (!strstr(err.text, rows[i].words))
			fail_msg("%s", err.text);
		assert_null(strstr(err.text, "s3cret"));
	}
}

FILES_TEST(the_first_of_the_usual_files_that_knows_a_host_decides)
{
	struct fixture *f = *state;
	cleanup(credentials_free) struct credentials *creds = NULL;
	char path[PATH_MAX];

	write_text(under(f, ".docker/config.json"), 0600,
	           "{\"auths\":{\"r.example\":{\"auth\":\"am9lOm9uZQ==\"},"
	           "\"s.example\":{\"auth\":\"am9lOnR3bw==\"}}}");
	write_text(under(f, "config/containers/auth.json"), 0600,
	           "{\"auths\":{\"r.example\":{\"auth\":\"am9lOnRocmVl\"}}}");
	snprintf(path, sizeof(path), "%s/config", f->home);
	setenv("XDG_CONFIG_HOME", path, 1);
	assert_int_equal(credentials_load_default(&creds, &f->err), 0);
	assert_string_equal(asked(creds, "https://r.example/v2/", &f->err), "basic joe:three");
	assert_string_equal(asked(creds, "https://s.example/v2/", &f->err), "basic joe:two");
	assert_string_equal(asked(creds, "https://t.example/v2/", &f->err), "none");
}

FILES_TEST(secrets_that_others_can_read_are_refused)
{
	struct fixture *f = *state;
	cleanup(credentials_free) struct credentials *creds = NULL;
	const char *path = under(f, ".docker/config.json");

	write_text(path, 0644, "{\"auths\":{\"r.example\":{\"auth\":\"am9lOm9uZQ==\"}}}");
	assert_int_equal(credentials_load_default(&creds, &f->err), -EPERM);
	assert_non_null(strstr(f->err.text, "others can read it; do: chmod 600 "));
	/* One without any may be seen. */
	write_text(path, 0644, "{\"auths\":{\"r.example\":{}},\"credsStore\":\"x\"}");
	assert_int_equal(credentials_load_default(&creds, &f->err), 0);
}

FILES_TEST(a_helper_program_is_asked_once)
{
	struct fixture *f = *state;
	cleanup(credentials_free) struct credentials *creds = NULL;
	static const char text[] = "{\"auths\":{\"r.example\":{}},"
				   "\"credHelpers\":{\"other.example:5000\":\"other\"},"
				   "\"credsStore\":\"store\"}";
	cleanup_free char *calls = NULL;

	write_helper(f, "store",
	             "echo \"$server\" >>$HOME/calls\n"
	             "case $server in\n"
	             "r.example) echo '{\"ServerURL\":\"x\",\"Username\":\"joe\","
	             "\"Secret\":\"s3cret\"}' ;;\n"
	             "https://index.docker.io/v1/) echo '{\"Username\":\"<token>\","
	             "\"Secret\":\"t\"}' ;;\n"
	             "*) echo 'credentials not found in native keychain'; exit 1 ;;\n"
	             "esac");
	write_helper(f, "other",
	             "[ $server = other.example:5000 ] && echo "
	             "'{\"Username\":\"ann\",\"Secret\":\"pw\"}'");
	assert_int_equal(credentials_parse(text, strlen(text), "config.json", &creds, &f->err), 0);
	for (int i = 0; i < 2; i++) {
		assert_string_equal(asked(creds, "https://r.example/v2/", &f->err),
		                    "basic joe:s3cret");
		assert_string_equal(asked(creds, "https://docker.io/v2/", &f->err), "identity t");
		assert_string_equal(asked(creds, "https://s.example/v2/", &f->err), "none");
		assert_string_equal(asked(creds, "https://other.example:5000/", &f->err),
		                    "basic ann:pw");
	}
	assert_int_equal(read_file(AT_FDCWD, under(f, "calls"), 4096, &calls, NULL, NULL), 0);
	assert_string_equal(calls, "r.example\nhttps://index.docker.io/v1/\ns.example\n");
}

FILES_TEST(a_helper_program_that_fails_is_named)
{
	struct fixture *f = *state;
	static const struct {
		const char *script, *words;
	} rows[] = {
		{ "echo the store is locked; exit 1", "docker-credential-x: the store is locked" },
		{ "exit 3", "docker-credential-x: failed" },
		{ "echo '{\"Username\":\"s3cret\"}'", "does not answer with a user name" },
		{ "echo s3cret", "does not answer with a user name" },
		{ "exec yes s3cret", "docker-credential-x: File too large" },
		{ "kill -9 $$", "docker-credential-x: failed" },
		{ NULL, "docker-credential-missing: is named as" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cleanup(credentials_free) struct credentials *creds = NULL;
		char text[128];

		if (rows[i].script)
			write_helper(f, "x", rows[i].script);
		snprintf(text, sizeof(text), "{\"credsStore\":\"%s\"}",
		         rows[i].script ? "x" : "missing");
		assert_int_equal(
			credentials_parse(text, strlen(text), "config.json", &creds, &f->err), 0);
		assert_string_equal(asked(creds, "https://r.example/v2/", &f->err), "failed");
		if (!strstr(f->err.text, rows[i].words))
			fail_msg("%s", f->err.text);
		assert_null(strstr(f->err.text, "s3cret"));
	}
}

FILES_TEST(what_is_stored_is_found_and_forgotten_and_the_rest_stays)
{
	struct fixture *f = *state;
	cleanup(credentials_free) struct credentials *creds = NULL;
	cleanup_free char *text = NULL;
	char path[PATH_MAX];
	struct stat st;

	assert_int_equal(credentials_own_path(path, &f->err), 0);
	assert_string_equal(path, under(f, ".config/containers/auth.json"));
	assert_int_equal(credentials_forget(path, "r.example", &f->err), -ENOENT);
	write_text(path, 0600,
	           "{\"auths\":{\"s.example\":{\"auth\":\"am9lOm9uZQ==\",\"email\":\"x\"}},"
	           "\"credHelpers\":{\"t.example\":\"pass\"},\"unknown\":[1]}");
	assert_int_equal(credentials_store(path, "r.example", "joe", "pass: word", &f->err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(credentials_load_default(&creds, &f->err), 0);
	assert_string_equal(asked(creds, "https://r.example/v2/", &f->err), "basic joe:pass: word");
	assert_int_equal(read_file(AT_FDCWD, path, 4096, &text, NULL, NULL), 0);
	assert_non_null(strstr(text, "\"unknown\""));
	assert_non_null(strstr(text, "\"email\""));
	assert_non_null(strstr(text, "\"pass\""));
	assert_int_equal(credentials_forget(path, "r.example", &f->err), 0);
	assert_int_equal(credentials_forget(path, "r.example", &f->err), -ENOENT);
	credentials_free(take_ptr(creds));
	assert_int_equal(credentials_load_default(&creds, &f->err), 0);
	assert_string_equal(asked(creds, "https://r.example/v2/", &f->err), "none");
	assert_string_equal(asked(creds, "https://s.example/v2/", &f->err), "basic joe:one");
}

FILES_TEST(a_file_that_is_not_understood_is_not_written_over)
{
	struct fixture *f = *state;
	cleanup_free char *text = NULL;
	char path[PATH_MAX];

	assert_int_equal(credentials_own_path(path, &f->err), 0);
	write_text(path, 0600, "{\"auths\": oh");
	assert_int_equal(credentials_store(path, "r.example", "joe", "pw", &f->err), -EINVAL);
	assert_int_equal(read_file(AT_FDCWD, path, 4096, &text, NULL, NULL), 0);
	assert_string_equal(text, "{\"auths\": oh");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_entry_of_a_registry_is_found_by_host_port_and_longest_path),
		CASE(a_file_that_is_wrong_is_refused_and_not_repeated),
		FILES_CASE(the_first_of_the_usual_files_that_knows_a_host_decides),
		FILES_CASE(secrets_that_others_can_read_are_refused),
		FILES_CASE(a_helper_program_is_asked_once),
		FILES_CASE(a_helper_program_that_fails_is_named),
		FILES_CASE(what_is_stored_is_found_and_forgotten_and_the_rest_stays),
		FILES_CASE(a_file_that_is_not_understood_is_not_written_over),
	};

	return cmocka_run_group_tests_name("source-credentials", tests, NULL, NULL);
}
