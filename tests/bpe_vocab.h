/* SPDX-License-Identifier: MIT */
/* Vocabularies for tests of nn/bpe: a temporary folder, and all bytes as pieces.
 *
 *     make_temp();
 *     start_vocab(&v, ",\"ab\":260}");
 *     put_file("vocab.json", v.data, v.len);
 *     b = bpe_open(temp, 300, &e);
 *     drop_file("vocab.json"), rmdir(temp);
 */
#ifndef BPE_VOCAB_H
#define BPE_VOCAB_H
#include "base/buf.h"
#include "base/util.h"
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

static char temp[] = "/tmp/mm_test_bpe.XXXXXX";

UNUSED static void make_temp(void)
{
    if (!mkdtemp(temp))
        die("no temporary folder");
}

UNUSED static void add_utf8(struct buf *b, uint32_t c)
{
    if (c < 0x80)
        buf_addc(b, (int)c);
    else if (c < 0x800)
        buf_addc(b, (int)(0xc0 | c >> 6));
    else if (c < 0x10000)
        buf_addc(b, (int)(0xe0 | c >> 12));
    else
        buf_addc(b, (int)(0xf0 | c >> 18)), buf_addc(b, (int)(0x80 | (c >> 12 & 0x3f)));
    if (c >= 0x800)
        buf_addc(b, (int)(0x80 | (c >> 6 & 0x3f)));
    if (c >= 0x80)
        buf_addc(b, (int)(0x80 | (c & 0x3f)));
}

UNUSED static void put_file(const char *name, const char *s, size_t n)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", temp, name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(s, 1, n, f) != n || fclose(f) != 0)
        die("cannot write %s", path);
}

UNUSED static void drop_file(const char *name)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", temp, name);
    unlink(path);
}

/* The character that stands for a byte in GPT-2's alphabet. */
UNUSED static uint32_t letter(int byte)
{
    uint32_t next = 256;
    for (int i = 0;; i++) {
        bool prints = (i >= 33 && i <= 126) || (i >= 161 && i <= 172) || i >= 174;
        if (i == byte)
            return prints ? (uint32_t)i : next;
        next += !prints;
    }
}

UNUSED static void add_letter(struct buf *b, int byte)
{
    if (byte == '"' || byte == '\\')
        buf_addc(b, '\\');
    add_utf8(b, letter(byte));
}

/* {"<s>":0,"<pad>":1,"</s>":2,"<unk>":3, 256 bytes from 4 on, and `more`, without the brace. */
UNUSED static void start_vocab(struct buf *b, const char *more)
{
    buf_clear(b);
    buf_adds(b, "{\"<s>\":0,\"<pad>\":1,\"</s>\":2,\"<unk>\":3");
    for (int byte = 0; byte < 256; byte++) {
        buf_adds(b, ",\"");
        add_letter(b, byte);
        buf_addf(b, "\":%d", 4 + byte);
    }
    buf_adds(b, more);
}

#endif
