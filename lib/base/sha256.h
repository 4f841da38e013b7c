/* SPDX-License-Identifier: MIT */
/* SHA-256, the identity of texts, photos, prompts and weights (OpenSSL's libcrypto does
 * the work; it uses the CPU's SHA instructions).
 *
 *     struct sha256 *h = sha256_new();
 *     sha256_add(h, text, n);
 *     sha256_end(digest, h);          // h is empty and can be used again
 *     sha256_free(h);
 */
#ifndef MM_BASE_SHA256_H
#define MM_BASE_SHA256_H
#include "base/err.h"
#include <stddef.h>

#define SHA256_BYTES 32
#define SHA256_HEX 65 /* with the NUL */

struct sha256;

struct sha256 *sha256_new(void);
void sha256_free(struct sha256 *h); /* NULL is accepted */
void sha256_add(struct sha256 *h, const void *p, size_t n);
/* Length before bytes, so that ("ab","c") and ("a","bc") differ. */
void sha256_add_field(struct sha256 *h, const void *p, size_t n);
void sha256_end(unsigned char digest[SHA256_BYTES], struct sha256 *h);

void sha256_of(unsigned char digest[SHA256_BYTES], const void *p, size_t n);
/* Digest of an open file from offset 0; the position is not moved. */
int sha256_fd(unsigned char digest[SHA256_BYTES], int fd, struct err *e) MM_MUST_CHECK;
void sha256_hex(char hex[SHA256_HEX], const unsigned char digest[SHA256_BYTES]);

#endif
