/* SPDX-License-Identifier: MIT */
/* Reading ahead on threads gives what source_read gives, and ends when it is told to. */
#include "tap.h"
#include "source/ahead.h"
#include "base/quick.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORDS 3000

struct taken {
    struct sha256 *h;
    int records, rejects, bad_digests, stop_at;
};

static void add(struct sha256 *h, const char *s)
{
    sha256_add_field(h, s ? s : "-", strlen(s ? s : "-"));
}

static int record(void *ctx, const struct source_record *r)
{
    struct taken *t = ctx;
    add(t->h, r->user_key);
    add(t->h, r->business_key);
    add(t->h, r->review_key);
    add(t->h, r->split);
    add(t->h, r->text);
    for (int i = 0; i < r->n_pics; i++)
        add(t->h, r->pics[i]);
    t->records++;
    return t->stop_at && t->records == t->stop_at ? -1 : 0;
}

static int hashed_record(void *ctx, const struct source_record *r, const unsigned char *digest)
{
    struct taken *t = ctx;
    unsigned char want[SHA256_BYTES];
    sha256_of(want, r->text, r->text_bytes);
    t->bad_digests += r->text_bytes ? !digest || memcmp(want, digest, sizeof want) != 0
                                    : digest != NULL;
    return record(ctx, r);
}

static int reject(void *ctx, const struct source_reject *r)
{
    struct taken *t = ctx;
    add(t->h, r->reason);
    t->rejects++;
    return 0;
}

/* Records with texts of 0 bytes to 100 KB, photos, and a bad one now and then. */
static void write_file(const char *path)
{
    FILE *f = fopen(path, "w");
    for (int i = 0; f && i < RECORDS; i++) {
        int bytes = i % 500 == 499 ? 100000 : i % 7 * 30;
        fprintf(f, "{\"business_id\":\"b%d\",\"user_id\":\"u%d\",\"rating\":%s,\"pics\":[", i % 9, i,
                i % 100 == 50 ? "\"x\"" : "4");
        for (int k = 0; k < i % 4; k++)
            fprintf(f, "%s\"p%d-%d\"", k ? "," : "", i, k);
        fprintf(f, "],\"history_reviews\":[],\"review_text\":\"");
        for (int k = 0; k < bytes; k++)
            fputc('a' + (i + k) % 26, f);
        fprintf(f, "\"}\n");
    }
    if (f)
        fclose(f);
}

int main(void)
{
    char path[] = "/tmp/mm-ahead-XXXXXX";
    int fd = mkstemp(path);
    write_file(path);
    struct source_file file = {.path = path, .format = "google-restaurants", .labelled = true};
    struct source_options o = {0};
    struct source_stats one = {0}, two = {0};
    struct err e = {""};
    unsigned char want[SHA256_BYTES], got[SHA256_BYTES];
    unsigned char file_want[SHA256_BYTES];
    struct ahead_digests digests;
    int64_t quick;
    struct taken a = {.h = sha256_new()}, b = {.h = sha256_new()}, c = {.h = sha256_new()};

    struct source_sink plain = {record, reject, &a};
    ok(source_read(&file, &o, &plain, &one, &e) == 0 && a.records > 2900, "the file is read");
    struct ahead_sink sink = {hashed_record, reject, &b};
    ok(ahead_read(&file, &o, &sink, &two, &digests, &e) == 0, "and read ahead");
    sha256_end(want, a.h);
    sha256_end(got, b.h);
    ok(memcmp(want, got, sizeof want) == 0, "the same records in the same order");
    ok(a.records == b.records && a.rejects == b.rejects && a.rejects == RECORDS / 100,
       "as many records and rejects");
    ok(memcmp(&one, &two, sizeof one) == 0, "the same statistics");
    ok(b.bad_digests == 0, "every text has its digest");
    ok(quick_fd(&quick, fd, &e) == 0 && quick == digests.quick, "the quick digest of the file");
    ok(sha256_fd(file_want, fd, &e) == 0 && memcmp(file_want, digests.sha256, SHA256_BYTES) == 0,
       "the file has its digest");

    c.stop_at = 700;
    sink.ctx = &c;
    ok(ahead_read(&file, &o, &sink, &two, &digests, &e) < 0 && two.stopped && c.records == 700,
       "a sink that stops is given no more");
    close(fd);
    unlink(path);
    c.stop_at = 0;
    ok(ahead_read(&file, &o, &sink, &two, &digests, &e) < 0 && !two.stopped && strstr(e.text, path),
       "a missing file is an error that names it");
    sha256_free(a.h);
    sha256_free(b.h);
    sha256_free(c.h);
    return done();
}
