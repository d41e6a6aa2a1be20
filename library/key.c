// SPDX-License-Identifier: GPL-2.0-or-later
#include "library/key.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>

#include "util/io.h"

/* What openssl's own tools take for scrypt: 16 MiB and a twentieth of a second. */
#define SCRYPT_N 16384u
#define SCRYPT_R 8u
#define SCRYPT_P 1u

struct key {
	EVP_PKEY *pkey;
	uint8_t public[KEY_BYTES];
};

/* Takes `pkey` over. */
static int wrap(EVP_PKEY *pkey, struct key **ret, struct error *err)
{
	cleanup(key_free) struct key *key = calloc(1, sizeof(*key));
	size_t n = KEY_BYTES;

	if (!key) {
		EVP_PKEY_free(pkey);
		return error_sys(err, ENOMEM, "key");
	}
	key->pkey = pkey;
	if (EVP_PKEY_get_raw_public_key(pkey, key->public, &n) != 1 || n != KEY_BYTES)
		return error_set(err, EINVAL, "is an ed25519 key without its public part");
	*ret = take_ptr(key);
	return 0;
}

int key_new(struct key **ret, struct error *err)
{
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

	if (!pkey)
		return error_set(err, EIO, "no key could be made: the system gave no randomness");
	return wrap(pkey, ret, err);
}

void key_free(struct key *key)
{
	if (!key)
		return;
	EVP_PKEY_free(key->pkey);
	free(key);
}

struct asking {
	key_passphrase *ask;
	void *arg;
	struct error *err;
	bool asked;
	int r; /* of asking */
};

static int ask_passphrase(char *buf, int room, int writing, void *arg)
{
	struct asking *asking = arg;
	char words[KEY_PASSPHRASE_ROOM];

	(void)writing;
	/* The library asks again where one PEM could be read in two ways. */
	if (asking->asked || !asking->ask) {
		asking->asked = true;
		return -1;
	}
	asking->asked = true;
	asking->r = asking->ask(asking->arg, words, asking->err);
	if (asking->r > room)
		asking->r = error_set(asking->err, EFBIG, "the passphrase is too long");
	if (asking->r > 0)
		memcpy(buf, words, (size_t)asking->r);
	OPENSSL_cleanse(words, sizeof(words));
	return asking->r > 0 ? asking->r : -1;
}

int key_parse(const char *text, size_t len, key_passphrase *ask, void *arg, struct key **ret,
              struct error *err)
{
	struct asking asking = { .ask = ask, .arg = arg, .err = err };
	BIO *in = len <= KEY_FILE_MAX ? BIO_new_mem_buf(text, (int)len) : NULL;
	EVP_PKEY *pkey = in ? PEM_read_bio_PrivateKey(in, NULL, ask_passphrase, &asking) : NULL;

	BIO_free(in);
	ERR_clear_error();
	if (pkey && EVP_PKEY_get_id(pkey) != EVP_PKEY_ED25519) {
		EVP_PKEY_free(pkey);
		return error_set(err, EINVAL, "is a key of another kind than ed25519");
	}
	if (pkey)
		return wrap(pkey, ret, err);
	if (asking.r < 0)
		return asking.r;
	if (asking.asked && !ask)
		return error_set(err, ENOKEY, "has a passphrase, and none was given");
	if (asking.asked)
		return error_set(err, EKEYREJECTED, "has another passphrase, or is damaged");
	return error_set(err, EINVAL, "is no private key in PEM");
}

int key_load(const char *path, key_passphrase *ask, void *arg, struct key **ret, struct error *err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	char *text = NULL;
	struct stat st;
	size_t len = 0;
	int r = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_sys(err, errno, "%s", path);
	if (!S_ISREG(st.st_mode) || st.st_size > KEY_FILE_MAX)
		return error_set(err, EINVAL, "%s: is no file of a private key", path);
	if (st.st_mode & 077)
		return error_set(err, EPERM,
		                 "%s: other people may read this private key: chmod 600 %s", path,
		                 path);
	len = (size_t)st.st_size;
	text = malloc(len + 1);
	if (!text)
		return error_sys(err, ENOMEM, "%s", path);
	r = pread_all(fd, text, len, 0);
	if (r < 0)
		r = error_sys(err, -r, "%s", path);
	if (r == 0 && (r = key_parse(text, len, ask, arg, ret, err)) < 0)
		error_prefix(err, "%s", path);
	OPENSSL_cleanse(text, len);
	free(text);
	return r;
}

/* PKCS #8 with PBES2; NULL when the library has no memory. */
static X509_SIG *lock_up(PKCS8_PRIV_KEY_INFO *info, const char *passphrase, size_t len)
{
	X509_ALGOR *how = PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), NULL, 0, NULL, SCRYPT_N,
	                                        SCRYPT_R, SCRYPT_P);
	X509_SIG *locked = NULL;

	if (how)
		locked = PKCS8_set0_pbe(passphrase, (int)len, info, how);
	if (!locked)
		X509_ALGOR_free(how);
	return locked;
}

static int write_pem(const struct key *key, const char *passphrase, size_t len, BIO *out)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key->pkey);
	X509_SIG *locked = info && passphrase ? lock_up(info, passphrase, len) : NULL;
	int done = 0;

	if (locked)
		done = PEM_write_bio_PKCS8(out, locked);
	else if (info && !passphrase)
		done = PEM_write_bio_PKCS8_PRIV_KEY_INFO(out, info);
	X509_SIG_free(locked);
	PKCS8_PRIV_KEY_INFO_free(info);
	return done == 1 ? 0 : -ENOMEM;
}

/* A file that was not there before, or nothing. */
static int write_new(const char *path, const void *data, size_t len, mode_t mode, struct error *err)
{
	char fresh[PATH_MAX];
	cleanup_close int fd = -1;
	int r;

	if (snprintf(fresh, sizeof(fresh), "%s.XXXXXX", path) >= (int)sizeof(fresh))
		return error_sys(err, ENAMETOOLONG, "%s", path);
	fd = mkostemp(fresh, O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, errno, "%s", path);
	r = fchmod(fd, mode) < 0 ? -errno : write_all(fd, data, len);
	if (r == 0 &&
	    (fsync(fd) < 0 || renameat2(AT_FDCWD, fresh, AT_FDCWD, path, RENAME_NOREPLACE) < 0))
		r = -errno;
	if (r < 0) {
		unlink(fresh);
		return error_sys(err, -r, "%s", path);
	}
	return 0;
}

static int sync_folder(const char *dir, struct error *err)
{
	cleanup_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno : sync_dir(fd);

	return r < 0 ? error_sys(err, -r, "%s", dir) : 0;
}

static int save_both(const struct key *key, const char *dir, const char *name, BIO *pem,
                     struct error *err)
{
	struct public_key public = { .name = "" };
	char path[PATH_MAX], line[KEY_LINE_ROOM], *data = NULL;
	long len = BIO_get_mem_data(pem, &data);
	int r;

	if (snprintf(path, sizeof(path), "%s/%s.key", dir, name) >= (int)sizeof(path))
		return error_sys(err, ENAMETOOLONG, "%s", dir);
	r = write_new(path, data, (size_t)len, 0600, err);
	if (r < 0)
		return r;
	snprintf(public.name, sizeof(public.name), "%s", name);
	memcpy(public.bytes, key->public, KEY_BYTES);
	public_key_line(&public, line);
	snprintf(path, sizeof(path), "%s/%s.pub", dir, name);
	r = write_new(path, line, strlen(line), 0644, err);
	return r < 0 ? r : sync_folder(dir, err);
}

int key_save(const struct key *key, const char *dir, const char *name, const char *passphrase,
             size_t len, struct error *err)
{
	char path[PATH_MAX];
	BIO *pem;
	int r = key_name_check(name, err);

	if (r == 0)
		r = make_dirs(dir, 0755, err);
	if (r < 0)
		return r;
	/* What it stands in may be for everybody, but not this. */
	if (chmod(dir, 0700) < 0)
		return error_sys(err, errno, "%s", dir);
	snprintf(path, sizeof(path), "%s/%s.pub", dir, name);
	if (access(path, F_OK) == 0)
		return error_sys(err, EEXIST, "%s", path);
	/* The kind that is wiped when it is let go. */
	pem = BIO_new(BIO_s_secmem());
	r = pem ? write_pem(key, passphrase, len, pem) : -ENOMEM;
	r = r < 0 ? error_sys(err, -r, "key") : save_both(key, dir, name, pem, err);
	BIO_free(pem);
	return r;
}

void key_public(const struct key *key, uint8_t ret[KEY_BYTES])
{
	memcpy(ret, key->public, KEY_BYTES);
}

int key_sign(const struct key *key, const void *data, size_t len, uint8_t ret[KEY_SIGNATURE_BYTES],
             struct error *err)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t n = KEY_SIGNATURE_BYTES;
	bool done = ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key->pkey) == 1 &&
	            EVP_DigestSign(ctx, ret, &n, data, len) == 1;

	EVP_MD_CTX_free(ctx);
	return done ? 0 : error_sys(err, ENOMEM, "signing");
}
