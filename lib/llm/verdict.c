/* SPDX-License-Identifier: MIT */
#include "llm/verdict.h"
#include "llm/key.h"
#include "llm/ratelimit.h"
#include <string.h>
#include <strings.h>
#include <time.h>

#define KEY_SHORT 16 /* a shorter key may be a word of an honest answer */
#define SHOWN 201    /* bytes of the service's text in a sentence, with NUL */

/* Text from outside, as it may stand in a sentence. */
static void shown(char out[SHOWN], const char *s, const char *key)
{
    struct buf b = {0};
    buf_adds(&b, s);
    key_mask(b.data, b.len, key);
    chat_one_line(out, SHOWN, b.data);
    buf_release(&b);
}

/* ---- no whole answer ---- */

static void judge_fault(struct verdict *v, const struct http_result *r, const char *url,
                        const char *key)
{
    char text[SHOWN];
    shown(text, r->err.text, key);
    v->what = VERDICT_AGAIN;
    switch (r->fault) {
    case HTTP_TOO_LARGE: err_set(&v->err, "HTTP %d with %s", r->status, text); break;
    case HTTP_ENCODING:
        err_set(&v->err, "HTTP %d with a packed body that is broken: %s", r->status, text);
        break;
    case HTTP_TLS:
        v->what = VERDICT_STOP;
        err_set(&v->err, "%.120s: %s; a certificate that the system does not know is named "
                         "with --ca-file", url, text);
        break;
    default:
        v->what = VERDICT_BROKEN;
        err_set(&v->err, "no answer from %.120s: %s", url, text);
    }
}

/* ---- 2xx ---- */

static void mask_answer(struct chat_answer *a, const char *key)
{
    char *texts[] = {a->text, a->refusal, a->finish_reason, a->model, a->fingerprint};
    if (key && strlen(key) >= KEY_SHORT)
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
            if (texts[i])
                key_mask(texts[i], strlen(texts[i]), key);
}

static void judge_success(struct verdict *v, struct http_result *r, enum service_kind kind,
                          const char *key)
{
    struct err why;
    int rc = kind == SERVICE_CHAT ? chat_parse_answer(&v->answer, r->body, &why)
                                  : chat_parse_caption(&v->answer, r->body, &why);
    v->what = rc == 0 ? VERDICT_ANSWER : VERDICT_AGAIN;
    if (rc == 0)
        mask_answer(&v->answer, key);
    else
        err_set(&v->err, "HTTP %d, but %.200s", r->status, why.text);
}

/* ---- everything else ---- */

static void judge_redirect(struct verdict *v, const struct http_result *r, const char *url,
                           const char *key)
{
    char to[SHOWN];
    const char *location = http_header(r, "location");
    shown(to, location ? location : "another address", key);
    v->what = VERDICT_STOP;
    err_set(&v->err, "%.120s answers HTTP %d and points to %s: redirects are not followed, the "
                     "key belongs to one address; give the right one with --url",
            url, r->status, to);
}

static bool may_pass(const struct http_result *r)
{
    const char *said = http_header(r, "x-should-retry");
    if (said && strcasecmp(said, "true") == 0)
        return true;
    if (said && strcasecmp(said, "false") == 0)
        return false;
    return r->status == 408 || r->status == 409 || r->status == 425 || r->status == 429 ||
           r->status >= 500;
}

/* Of what makes every request fail: the end of a sentence that says what to do. */
static const char *remedy(int status, const struct chat_error *x, bool key)
{
    if (x->quota || status == 402)
        return "the quota or the money of the account is used up; run again when there is more";
    if ((status == 401 || status == 403) && !x->policy)
        return key ? "the key of --key-file or LLM_API_KEY is not accepted"
                   : "a key is needed: put it into LLM_API_KEY or name its file with --key-file";
    if (status == 404 || status == 405)
        return "check --url and --model";
    return NULL;
}

static void judge_error(struct verdict *v, struct http_result *r, const char *url,
                        const char *key)
{
    struct chat_error x;
    chat_parse_error(&x, r->body, key);
    const char *stop = remedy(r->status, &x, key != NULL);
    const char *said = *x.message ? x.message : "no message";
    err_set(&v->err, "HTTP %d: %s", r->status, said);
    if (x.too_long && r->status != 401 && r->status != 403 && r->status != 429) {
        v->what = VERDICT_TOO_LONG;
    } else if (stop) {
        v->what = VERDICT_STOP;
        err_set(&v->err, "%.120s: HTTP %d: %s; %s", url, r->status, said, stop);
    } else if (may_pass(r)) {
        v->what = VERDICT_AGAIN;
        v->hold = r->status == 429;
        v->wait_s = ratelimit_retry_after(http_header(r, "retry-after-ms"),
                                          http_header(r, "retry-after"), http_header(r, "date"),
                                          time(NULL));
        if (v->wait_s > RATELIMIT_RETRY_MAX) {
            v->what = VERDICT_FAILED;
            err_set(&v->err, "HTTP %d: %s; the service asks to wait %.0f s, more than %.0f",
                    r->status, said, v->wait_s, RATELIMIT_RETRY_MAX);
        }
    } else {
        v->what = r->status == 429 || r->status >= 500 ? VERDICT_FAILED : VERDICT_REJECTED;
    }
    bool asked = v->what == VERDICT_REJECTED || v->what == VERDICT_AGAIN;
    if (asked && (r->status == 400 || r->status == 422 || r->status == 500))
        v->quirk = x.quirk; /* 500: how llama.cpp says that a template has no system role */
}

void verdict_of(struct verdict *v, struct http_result *r, enum service_kind kind,
                const char *url, const char *key)
{
    *v = (struct verdict){.wait_s = -1};
    if (r->fault != HTTP_WHOLE)
        judge_fault(v, r, url, key);
    else if (r->status >= 200 && r->status < 300)
        judge_success(v, r, kind, key);
    else if (r->status >= 300 && r->status < 400)
        judge_redirect(v, r, url, key);
    else
        judge_error(v, r, url, key);
}
