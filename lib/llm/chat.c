/* SPDX-License-Identifier: MIT */
#include "llm/chat.h"
#include "source/utf8.h"
#include <openssl/evp.h>
#include <string.h>

/* ---- writing ---- */

static void write_escaped(struct buf *out, const char *s, size_t n)
{
    static const char hex[] = "0123456789abcdef";
    size_t from = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        buf_add(out, s + from, i - from);
        from = i + 1;
        if (c == '"' || c == '\\')
            buf_add(out, (char[]){'\\', (char)c}, 2);
        else if (c == '\n')
            buf_add(out, "\\n", 2);
        else
            buf_add(out, (char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
    }
    buf_add(out, s + from, n - from);
}

/* A string without its quotes. */
static void write_text(struct buf *out, const char *s, size_t n)
{
    struct buf repaired = {0};
    if (!utf8_clean(s, n)) {
        utf8_repair(&repaired, s, n);
        s = buf_str(&repaired);
        n = repaired.len;
    }
    buf_reserve(out, n + n / 16);
    write_escaped(out, s, n);
    buf_release(&repaired);
}

void chat_write_string(struct buf *out, const char *s, size_t n)
{
    buf_addc(out, '"');
    write_text(out, s, n);
    buf_addc(out, '"');
}

static void write_image(struct buf *out, const struct service_request *r)
{
    buf_adds(out, "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:");
    write_text(out, r->image_type, strlen(r->image_type));
    buf_adds(out, ";base64,");
    buf_reserve(out, (r->image_bytes + 2) / 3 * 4);
    /* In parts that fit the int of OpenSSL's interface, each without padding but the last. */
    const unsigned char *p = r->image;
    for (size_t left = r->image_bytes; left > 0;) {
        size_t take = left < (3 << 20) ? left : 3 << 20;
        out->len += (size_t)EVP_EncodeBlock((unsigned char *)out->data + out->len, p, (int)take);
        p += take;
        left -= take;
    }
    buf_adds(out, "\"}}");
}

static void write_messages(struct buf *out, const struct service_request *r, unsigned quirks)
{
    bool system = r->system && *r->system, apart = system && !(quirks & CHAT_NO_SYSTEM);
    buf_adds(out, ",\"messages\":[");
    if (apart) {
        buf_adds(out, "{\"role\":\"system\",\"content\":");
        chat_write_string(out, r->system, strlen(r->system));
        buf_adds(out, "},");
    }
    buf_adds(out, "{\"role\":\"user\",\"content\":");
    if (r->image)
        buf_adds(out, "[{\"type\":\"text\",\"text\":");
    buf_addc(out, '"');
    if (system && !apart) {
        write_text(out, r->system, strlen(r->system));
        buf_adds(out, "\\n\\n");
    }
    write_text(out, r->user, strlen(r->user));
    buf_addc(out, '"');
    if (r->image) {
        buf_adds(out, "},");
        write_image(out, r);
        buf_addc(out, ']');
    }
    buf_adds(out, "}]");
}

/* Whatever the locale, a number with a point. */
static void write_number(struct buf *out, double v)
{
    size_t at = out->len;
    buf_addf(out, "%.6g", v);
    for (; at < out->len; at++)
        if (out->data[at] == ',')
            out->data[at] = '.';
}

static bool new_tokens(unsigned quirks)
{
    return (quirks & CHAT_NEW_TOKENS) && !(quirks & CHAT_OLD_TOKENS);
}

static void write_format(struct buf *out, const struct service_request *r, unsigned quirks)
{
    const char *name = r->schema_name ? r->schema_name : "answer";
    buf_adds(out, ",\"response_format\":{\"type\":");
    if (quirks & CHAT_OBJECT_FORMAT) {
        buf_adds(out, "\"json_object\",\"schema\":");
        buf_adds(out, r->schema);
        buf_adds(out, "}");
        return;
    }
    buf_adds(out, "\"json_schema\",\"json_schema\":{\"name\":");
    chat_write_string(out, name, strlen(name));
    buf_adds(out, ",\"strict\":true,\"schema\":");
    buf_adds(out, r->schema);
    buf_adds(out, "}}");
}

void chat_write_request(struct buf *out, const char *model, const struct service_request *r,
                        unsigned quirks)
{
    buf_adds(out, "{\"model\":");
    chat_write_string(out, model, strlen(model));
    write_messages(out, r, quirks);
    if (r->max_tokens > 0)
        buf_addf(out, ",\"max_%stokens\":%d", new_tokens(quirks) ? "completion_" : "",
                 r->max_tokens);
    if (r->temperature >= 0 && !(quirks & CHAT_NO_TEMPERATURE)) {
        buf_adds(out, ",\"temperature\":");
        write_number(out, r->temperature);
    }
    if (r->schema && !(quirks & CHAT_NO_FORMAT))
        write_format(out, r, quirks);
    buf_addc(out, '}');
}

/* ---- quirks ---- */

bool chat_quirk_applies(unsigned quirk, const struct service_request *r, unsigned sent)
{
    if (quirk == 0 || (sent & quirk))
        return false;
    switch (quirk) {
    case CHAT_NO_TEMPERATURE: return r->temperature >= 0;
    case CHAT_NEW_TOKENS: return r->max_tokens > 0 && !(sent & CHAT_OLD_TOKENS);
    case CHAT_OLD_TOKENS: return r->max_tokens > 0 && new_tokens(sent);
    case CHAT_OBJECT_FORMAT:
    case CHAT_NO_FORMAT: return r->schema != NULL;
    case CHAT_NO_SYSTEM: return r->system && *r->system;
    default: return false;
    }
}

unsigned chat_quirk_next(unsigned quirk, unsigned sent)
{
    return quirk == CHAT_NO_FORMAT && !(sent & CHAT_OBJECT_FORMAT) ? CHAT_OBJECT_FORMAT : quirk;
}

void chat_note_quirks(struct buf *out, unsigned quirks)
{
    const char *notes[] = {
        quirks & CHAT_NO_TEMPERATURE ? "no temperature" : NULL,
        new_tokens(quirks) ? "max_completion_tokens for max_tokens" : NULL,
        quirks & CHAT_NO_FORMAT       ? "no response_format"
        : quirks & CHAT_OBJECT_FORMAT ? "json_object for json_schema" : NULL,
        quirks & CHAT_NO_SYSTEM ? "no system role" : NULL,
    };
    const char *comma = "";
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++)
        if (notes[i]) {
            buf_addf(out, "%s%s", comma, notes[i]);
            comma = ", ";
        }
}
