/* SPDX-License-Identifier: MIT */
#include "base/sha256.h"
#include "base/util.h"
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct sha256 {
    EVP_MD_CTX *ctx;
};

static const EVP_MD *sha256_md(void)
{
    /* Fetched once: EVP_sha256() looks the algorithm up again at every digest (OpenSSL 3). */
    static EVP_MD *md;
    EVP_MD *have = __atomic_load_n(&md, __ATOMIC_ACQUIRE);
    if (!have) {
        have = EVP_MD_fetch(NULL, "SHA256", NULL);
        if (!have)
            die("libcrypto has no SHA-256");
        EVP_MD *none = NULL;
        if (!__atomic_compare_exchange_n(&md, &none, have, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
            EVP_MD_free(have);
            have = none;
        }
    }
    return have;
}

static void restart(struct sha256 *h)
{
    if (EVP_DigestInit_ex2(h->ctx, sha256_md(), NULL) != 1)
        die("SHA-256 cannot be started");
}

struct sha256 *sha256_new(void)
{
    struct sha256 *h = xmalloc(sizeof *h);
    h->ctx = EVP_MD_CTX_new();
    if (!h->ctx)
        die("out of memory");
    restart(h);
    return h;
}

void sha256_free(struct sha256 *h)
{
    if (h)
        EVP_MD_CTX_free(h->ctx);
    free(h);
}

void sha256_add(struct sha256 *h, const void *p, size_t n)
{
    if (n && EVP_DigestUpdate(h->ctx, p, n) != 1)
        die("SHA-256 failed");
}

void sha256_add_field(struct sha256 *h, const void *p, size_t n)
{
    unsigned char len[8];
    for (int i = 0; i < 8; i++)
        len[i] = (unsigned char)((uint64_t)n >> (8 * i));
    sha256_add(h, len, sizeof len);
    sha256_add(h, p, n);
}

void sha256_end(unsigned char digest[SHA256_BYTES], struct sha256 *h)
{
    if (EVP_DigestFinal_ex(h->ctx, digest, NULL) != 1)
        die("SHA-256 failed");
    restart(h);
}

void sha256_of(unsigned char digest[SHA256_BYTES], const void *p, size_t n)
{
    if (EVP_Digest(p, n, digest, NULL, sha256_md(), NULL) != 1)
        die("SHA-256 failed");
}

int sha256_fd(unsigned char digest[SHA256_BYTES], int fd, struct err *e)
{
    struct sha256 *h = sha256_new();
    size_t cap = 1 << 18;
    char *block = xmalloc(cap);
    off_t at = 0;
    int rc = 0;
    for (;;) {
        ssize_t n = pread(fd, block, cap, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            rc = err_set(e, "read: %s", strerror(errno));
        if (n <= 0)
            break;
        sha256_add(h, block, (size_t)n);
        at += n;
    }
    sha256_end(digest, h);
    sha256_free(h);
    free(block);
    return rc;
}

void sha256_hex(char hex[SHA256_HEX], const unsigned char digest[SHA256_BYTES])
{
    static const char digit[] = "0123456789abcdef";
    for (int i = 0; i < SHA256_BYTES; i++) {
        hex[2 * i] = digit[digest[i] >> 4];
        hex[2 * i + 1] = digit[digest[i] & 15];
    }
    hex[2 * SHA256_BYTES] = 0;
}
