/* SPDX-License-Identifier: MIT */
/* What one HTTP result means for its request: an answer, ask again, give it up, or stop the
 * run. A function of the result alone; what was tried before is the service's affair.
 *
 *     verdict_of(&v, &result, SERVICE_CHAT, url, key);
 *     if (v.what == VERDICT_ANSWER)
 *         use(v.answer.text);
 */
#ifndef MM_LLM_VERDICT_H
#define MM_LLM_VERDICT_H
#include "llm/chat.h"
#include "llm/http.h"

enum verdict_what {
    VERDICT_ANSWER,
    VERDICT_AGAIN,    /* an error of the service that may pass */
    VERDICT_BROKEN,   /* no HTTP answer */
    VERDICT_TOO_LONG,
    VERDICT_REJECTED, /* the same request fails again */
    VERDICT_FAILED,   /* not worth asking again in this run */
    VERDICT_STOP,     /* no request can succeed */
};

struct verdict {
    enum verdict_what what;
    struct chat_answer answer; /* of VERDICT_ANSWER; pointers into the result's body */
    struct err err;            /* otherwise: one sentence, without the key */
    double wait_s;             /* before asking again; < 0: the service did not say */
    bool hold;                 /* 429: nothing may be sent before that */
    unsigned quirk;            /* CHAT_NO_...: left out, the request may pass; 0: none */
};

/* url appears in sentences; key (NULL: none) is masked in every text. */
void verdict_of(struct verdict *v, struct http_result *r, enum service_kind kind,
                const char *url, const char *key);

#endif
