/* SPDX-License-Identifier: MIT */
#include "llm/answer.h"
#include "llm/answer_fields.h"
#include "llm/answer_price.h"
#include "llm/answer_summary.h"
#include "llm/category_list.h"
#include "llm/prompt.h"
#include "source/utf8.h"
#include <string.h>

enum { SUMMARY, PRICE, CATEGORIES, CAPTION }; /* fields; bit 1 << i of wants */

static int refuse(struct buf *reason, const char *why)
{
    buf_clear(reason);
    buf_adds(reason, why);
    return -1;
}

/* What the service said of the answer. */
static int check_service(const struct answer_given *a, struct buf *reason)
{
    const char *end = a->finish_reason ? a->finish_reason : "";
    if (a->refusal && *a->refusal)
        return refuse(reason, "the answer is a refusal");
    if (strcmp(end, "length") == 0)
        return refuse(reason, "the answer was cut off at the largest number of tokens");
    if (strcmp(end, "content_filter") == 0)
        return refuse(reason, "the answer was stopped by the content filter of the service");
    if (a->bytes > ANSWER_BYTES)
        return refuse(reason, "the answer is longer than 65536 bytes");
    return 0;
}

/* What follows the thoughts of a reasoning model. NULL: nothing but thoughts. */
static const char *after_thoughts(const char *s)
{
    static const char end[] = "</think>";
    const char *p = s, *last = NULL;
    while ((p = strstr(p, end)))
        last = p += strlen(end);
    if (last)
        return last;
    return strncmp(s + strspn(s, " \r\n\t"), "<think>", 7) == 0 ? NULL : s;
}

/* Small models go on with the pattern of the fences, with a tag that they garble. */
static int repeats_tag(const char *text, const char *asked)
{
    char tag[PROMPT_TAG + 1];
    size_t from, to;
    if (strstr(text, "<<<text ") || strstr(text, "<<<end "))
        return 1;
    return asked && prompt_fenced(asked, tag, &from, &to) && strstr(text, tag);
}

static int missing(struct buf *reason, int wants)
{
    int several = wants & (wants - 1);
    return refuse(reason, several ? "there is no JSON object with the keys that were asked for"
                                  : "the answer is empty");
}

static int read_fields(struct llm_result *out, int wants, const struct answer_fields *f,
                       const char *asked, struct buf *reason)
{
    static const char *const absent[] = {"the summary is missing", "the price is missing",
                                         "the categories are missing", "the caption is missing"};
    for (int i = SUMMARY; i <= CAPTION; i++) {
        const char *s = buf_str(&f->value[i]);
        size_t n = f->value[i].len;
        if (!(wants >> i & 1))
            continue;
        if (!(f->found >> i & 1))
            return refuse(reason, absent[i]);
        if (f->odd >> i & 1)
            return refuse(reason, i == CATEGORIES ? "the categories are not a list of texts"
                                  : i == PRICE    ? "the price is not a text"
                                                  : "the summary is not a text");
        if (i == PRICE && !(out->price = answer_price(s, n, reason)))
            return -1;
        if (i == CATEGORIES && !f->json && answer_refuses(s, n))
            return refuse(reason, "the answer is an apology or a question, not categories");
        if (i == CATEGORIES && category_list(out, s, n) < 0)
            return refuse(reason, "none of the categories is a name of one to three words");
        if (i == SUMMARY &&
            answer_summary(&out->summary, "summary", s, n, ANSWER_SUMMARY, asked, reason) < 0)
            return -1;
        if (i == CAPTION &&
            answer_summary(&out->summary, "caption", s, n, ANSWER_CAPTION, asked, reason) < 0)
            return -1;
    }
    return 0;
}

/* One thing was asked for: unless it is marked as such, the whole text is it. */
static void whole_text(struct answer_fields *f, int wants, const char *text)
{
    for (int i = SUMMARY; i <= CAPTION; i++)
        if (wants == 1 << i) {
            f->found = wants;
            buf_clear(&f->value[i]);
            buf_adds(&f->value[i], text);
        }
}

static int blank(const char *s)
{
    return s[strspn(s, " \t\r\n")] == 0;
}

static int read_text(struct llm_result *out, int wants, const char *text, const char *asked,
                     struct buf *reason)
{
    struct answer_fields f = {0};
    int prose = wants == PROMPT_SUMMARY || wants == PROMPT_CAPTION, rc;
    text = after_thoughts(text);
    if (!text)
        return refuse(reason, "the answer holds thoughts and no answer");
    if (blank(text))
        return refuse(reason, "the answer is empty");
    if (repeats_tag(text, asked))
        return refuse(reason, "the answer repeats the marks around the texts");
    answer_fields_find(&f, wants, text, strlen(text));
    if (!(wants & (wants - 1)) && !f.json && (prose || !f.found))
        whole_text(&f, wants, text);
    if (!f.found && answer_refuses(text, strlen(text)))
        rc = refuse(reason, "the answer is an apology or a question");
    else
        rc = f.found ? read_fields(out, wants, &f, asked, reason) : missing(reason, wants);
    answer_fields_release(&f);
    return rc;
}

int answer_read(struct llm_result *out, int wants, const struct answer_given *a,
                struct buf *reason)
{
    struct buf text = {0};
    buf_clear(reason);
    *out = (struct llm_result){0};
    int rc = check_service(a, reason);
    if (rc == 0) {
        utf8_repair(&text, a->text ? a->text : "", a->text ? a->bytes : 0);
        rc = read_text(out, wants, buf_str(&text), a->asked, reason);
    }
    if (rc < 0)
        llm_result_release(out);
    buf_release(&text);
    return rc;
}

void answer_part(struct buf *out, int wants, const struct llm_result *r)
{
    if (wants & (PROMPT_SUMMARY | PROMPT_CAPTION))
        buf_addf(out, "%s: %s\n", wants & PROMPT_SUMMARY ? "Summary" : "Caption",
                 buf_str(&r->summary));
    if (wants & PROMPT_PRICE)
        buf_addf(out, "Price: %s\n", r->price);
    if (wants & PROMPT_CATEGORIES) {
        buf_adds(out, "Categories: ");
        for (int i = 0; i < r->n_categories; i++)
            buf_addf(out, "%s%s", i ? ", " : "", r->category[i]);
        buf_adds(out, r->n_categories ? "\n" : "none\n");
    }
}
