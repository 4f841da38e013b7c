/* SPDX-License-Identifier: MIT */
/* The words of the chat completions protocol, without any network: the body of a request, the
 * parts of an answer, and what an error means. OpenAI's form, with what llama.cpp, vLLM,
 * Ollama and Hugging Face's servers do otherwise.
 *
 *     chat_write_request(&body, "some-model", &r, quirks);
 *     if (chat_parse_answer(&a, &got, &e) < 0)
 *         ... no completion: e says why ...
 *     chat_parse_error(&x, &got, key);
 *
 * Text from a service is made safe before it is handed out: what is not UTF-8, a lone
 * surrogate and NUL become U+FFFD; CR LF and CR become LF; other control characters but LF
 * and TAB become a space.
 */
#ifndef MM_LLM_CHAT_H
#define MM_LLM_CHAT_H
#include "base/buf.h"
#include "llm/service.h"
#include "source/jsonval.h"
#include <stdbool.h>

/* What a service does not take. Each is learnt once and never forgotten, so that no two of
 * them can chase each other. */
enum {
    CHAT_NO_TEMPERATURE = 1,
    CHAT_NEW_TOKENS = 2,  /* max_completion_tokens instead of max_tokens */
    CHAT_OLD_TOKENS = 4,  /* max_tokens after all */
    CHAT_NO_FORMAT = 8,   /* no response_format with a JSON schema */
    CHAT_NO_SYSTEM = 16,  /* no system role: its text goes before the user's */
    CHAT_OBJECT_FORMAT = 32, /* json_object with the schema beside it, not json_schema */
};

/* Appends the body of the request. Equal requests give equal bytes. A photo becomes a data
 * URI behind the text. */
void chat_write_request(struct buf *out, const char *model, const struct service_request *r,
                        unsigned quirks);

/* Appends s (n bytes, repaired where it is no UTF-8) as a JSON string with its quotes. */
void chat_write_string(struct buf *out, const char *s, size_t n);

/* Pointers lead into the body that was parsed. */
struct chat_answer {
    char *text, *refusal, *finish_reason, *model, *fingerprint; /* NULL: absent or null */
    size_t text_bytes;
    int64_t tokens_in, tokens_cached, tokens_out; /* -1: not said */
};

/* body is rewritten in place. -1: no completion with a choice and its message. */
int chat_parse_answer(struct chat_answer *a, struct buf *body, struct err *e) MM_MUST_CHECK;
/* {"generated_text": "..."} or a list of one. */
int chat_parse_caption(struct chat_answer *a, struct buf *body, struct err *e) MM_MUST_CHECK;

struct chat_error {
    char message[201]; /* of the service, or its page without tags; printable, one line */
    bool too_long;     /* more than the model's context */
    bool quota;        /* money or quota used up: waiting does not help */
    bool policy;       /* about the content of this request */
    unsigned quirk;    /* CHAT_NO_...: the parameter the service says it does not take */
};

/* Any body: OpenAI's {"error": {...}} with a code that is a string or a number, {"error":
 * "..."}, {"message": ...}, {"detail": ...}, HTML, nothing. body is rewritten in place; the
 * key (NULL: none) does not survive in the message. */
void chat_parse_error(struct chat_error *x, struct buf *body, const char *key);

/* Whether leaving out or renaming what quirk names changes the request r as it was sent. */
bool chat_quirk_applies(unsigned quirk, const struct service_request *r, unsigned sent);
/* What is to be learnt from quirk after it was sent with those of `sent`: before there is no
 * response_format at all, that of older llama.cpp servers is tried. */
unsigned chat_quirk_next(unsigned quirk, unsigned sent);
/* "no response_format, no temperature"; adds nothing for 0. */
void chat_note_quirks(struct buf *out, unsigned quirks);

/* Begins to read body as JSON, repaired first where it is no UTF-8. */
void chat_json_begin(struct jsonval *j, struct buf *body);
/* Control characters out of s in place (see above). Returns the new length. */
size_t chat_clean_text(char *s, size_t n);
/* The same, white space runs made one space, cut to out (size bytes) between characters. */
void chat_one_line(char *out, size_t size, const char *s);

#endif
