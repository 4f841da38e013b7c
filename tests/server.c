/* SPDX-License-Identifier: MIT */
/* A scriptable OpenAI-compatible service on the loopback, for tests and measurements.
 *
 *     server --port-file F --log F [--port N] [--latency MS] [--script F] [--tls CERT KEY]
 *            [--chaos SEED] [--batch-log F]
 *
 * It prints nothing, writes its port to the port file when it is ready and ends on SIGTERM.
 * An answer depends on the messages of the request alone, so that runs can be compared. It
 * knows /v1/chat/completions, /v1/models, /health, /v1/files, /v1/batches, and an image/...
 * body posted to any other path is captioned. --chaos breaks every sixth request or so, in a
 * way drawn from the seed and the request's number.
 *
 * Script: one rule a line, "#" comments; the first rule that matches acts:
 *     [nth N[-M]] [body "text"] [path "/v1/..."] [times K] ACTION
 * nth counts the requests that fit body and path, from 1; times K: no more than K times.
 * Strings know \" \\ \n; one that begins with @ names a file. Actions:
 *     status CODE ["text"] [header "K: V"]...      default      delay MS
 *     reset | reset-body | hang | slow [MS] | die  redirect "URL"
 *     truncated-json | bad-utf8 | no-choices | null-content | refusal | parts | surrogate
 *     finish REASON | content "text" | list | chunked | gzip | huge | gzip-bomb | echo-key
 *     batch fail|expire|errors|duplicate|stranger|truncate|cancel  (of a POST to /v1/batches)
 * A rule of path "/v1/batch-line" acts on the lines of a batch: status, content, no-choices.
 *
 * --batch-log F: "batch_ID custom_id", a line for each request of each batch that is made.
 * Log: "seq time path sha256(body) bytes action status", a line for each request.
 */
#include "base/buf.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "base/util.h"
#include "llm/chat.h"
#include "source/jsonspan.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#define BODY_MAX (256u << 20)
#define HUGE_BYTES ((uint64_t)1 << 30)
#define BOMB_BYTES ((size_t)64 << 20) /* unpacked */

/* ---- the script ---- */

struct rule {
    struct rule *next;
    long from, to, times;       /* 0: any */
    long seen, acted;
    char *body, *path;
    char *action, *text;        /* text: the argument that is a string or a word */
    int code;                   /* the argument that is a number */
    char *headers[8];
    int n_headers;
};

static struct {
    const char *port_file, *log, *script, *cert, *key, *batch_log;
    int port, latency_ms;
    int64_t chaos; /* < 0: none */
    int log_fd;
    struct rule *rules;
    long seq;
    pthread_mutex_t lock; /* of rules, seq and batches: MHD has one thread, resuming another */
} server = {.chaos = -1, .log_fd = -1, .lock = PTHREAD_MUTEX_INITIALIZER};

/* The next word or "string" of a line; NULL at its end. free() it. */
static char *take_word(char **at)
{
    struct buf b = {0};
    char *p = *at + strspn(*at, " \t");
    bool quoted = *p == '"';
    if (!*p || *p == '#')
        return NULL;
    buf_reserve(&b, 0);
    for (p += quoted; *p && (quoted ? *p != '"' : !strchr(" \t", *p)); p++) {
        if (*p == '\\' && p[1])
            p++, buf_addc(&b, *p == 'n' ? '\n' : *p);
        else
            buf_addc(&b, *p);
    }
    *at = p + (quoted && *p);
    if (quoted && b.data[0] == '@') {
        struct buf file = {0};
        struct err e;
        if (buf_read_file(&file, b.data + 1, BODY_MAX, &e) < 0)
            die("%s", e.text);
        buf_release(&b);
        b = file;
    }
    return b.data;
}

static long number(char **at)
{
    char *w = take_word(at);
    long v = w ? strtol(w, NULL, 10) : 0;
    free(w);
    return v;
}

static void parse_action(struct rule *r, char **at)
{
    if (strcmp(r->action, "status") == 0 || strcmp(r->action, "delay") == 0 ||
        strcmp(r->action, "slow") == 0)
        r->code = (int)number(at);
    for (char *w; (w = take_word(at)) != NULL;) {
        if (strcmp(w, "header") == 0 && r->n_headers < 8)
            r->headers[r->n_headers++] = take_word(at), free(w);
        else
            r->text = w;
    }
}

static void parse_rule(char *line, struct rule ***tail)
{
    struct rule *r = xcalloc(1, sizeof *r);
    for (char *w; (w = take_word(&line)) != NULL; free(w)) {
        if (strcmp(w, "nth") == 0) {
            char *range = take_word(&line), *dash;
            r->from = r->to = strtol(range, &dash, 10);
            if (*dash == '-')
                r->to = strtol(dash + 1, NULL, 10);
            free(range);
        } else if (strcmp(w, "body") == 0) {
            r->body = take_word(&line);
        } else if (strcmp(w, "path") == 0) {
            r->path = take_word(&line);
        } else if (strcmp(w, "times") == 0) {
            r->times = number(&line);
        } else {
            r->action = xstrdup(w);
            parse_action(r, &line);
        }
    }
    if (!r->action) {
        free(r);
        return;
    }
    **tail = r;
    *tail = &r->next;
}

static void load_script(void)
{
    struct buf b = {0};
    struct err e;
    struct rule **tail = &server.rules;
    if (buf_read_file(&b, server.script, BODY_MAX, &e) < 0)
        die("%s", e.text);
    for (char *save, *l = strtok_r(b.data, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
        parse_rule(l, &tail);
    buf_release(&b);
}

/* whole: a request; else a line of a batch, for which only rules that name it count. */
static struct rule *match(const char *path, const char *body, size_t n, bool whole)
{
    for (struct rule *r = server.rules; r; r = r->next) {
        if ((r->path ? strcmp(r->path, path) != 0 : !whole) ||
            (r->body && !memmem(body, n, r->body, strlen(r->body))))
            continue;
        r->seen++;
        if ((r->from && (r->seen < r->from || r->seen > r->to)) ||
            (r->times && r->acted >= r->times))
            continue;
        r->acted++;
        return r;
    }
    return NULL;
}

/* ---- a request ---- */

struct conn {
    struct MHD_Connection *mhd;
    struct buf body;
    struct buf out;
    const char *path, *method;
    const char *action; /* of its rule, or "default" */
    struct rule *rule;
    struct rule own;    /* of --chaos */
    int status;
    bool judged, woken;
    double due;         /* of its waking */
    uint64_t sent;      /* by a reader */
    struct conn *next;  /* among those that sleep */
};

/* ---- sleeping: a thread that wakes connections when their time has come ---- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct conn *head; /* by due */
} sleepers = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void sleep_until(struct conn *c, double due)
{
    struct conn **at = &sleepers.head;
    MHD_suspend_connection(c->mhd);
    pthread_mutex_lock(&sleepers.lock);
    c->due = due;
    while (*at && (*at)->due <= due)
        at = &(*at)->next;
    c->next = *at;
    bool first = *at == sleepers.head;
    *at = c;
    if (first)
        pthread_cond_signal(&sleepers.changed);
    pthread_mutex_unlock(&sleepers.lock);
}

static void *wake(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&sleepers.lock);
    for (;;) {
        double now = monotonic_s();
        struct conn *c = sleepers.head;
        if (!c) {
            pthread_cond_wait(&sleepers.changed, &sleepers.lock);
        } else if (c->due <= now) {
            sleepers.head = c->next;
            MHD_resume_connection(c->mhd);
        } else {
            double s = (double)(long)c->due, ns = (c->due - s) * 1e9;
            struct timespec t = {(time_t)s, (long)ns};
            pthread_cond_timedwait(&sleepers.changed, &sleepers.lock, &t);
        }
    }
    return NULL;
}

/* ---- what the model says ---- */

static const char *const words[] = {
    "guests", "praise", "the", "warm", "service", "and", "fresh", "noodles", "while", "some",
    "found", "prices", "high", "for", "small", "portions", "brunch", "tables", "fill", "early",
    "with", "quiet", "music", "staff", "remember", "regulars", "desserts", "taste", "homemade",
    "parking", "remains", "difficult", "on", "weekends", "coffee", "arrives", "quickly", "soups",
    "are", "hearty"};

/* The messages of a request, the rest of it does not matter. */
static const char *messages_of(const char *body, size_t n, size_t *bytes)
{
    static const char key[] = "\"messages\":";
    const char *p = memmem(body, n, key, sizeof key - 1);
    struct jsonspan span = {0};
    *bytes = n;
    if (!p)
        return body;
    p += sizeof key - 1;
    n -= (size_t)(p - body);
    *bytes = jsonspan_scan(&span, p, n) == 1 ? span.off : n;
    return p;
}

static uint64_t hash_of(const char *p, size_t n)
{
    unsigned char d[SHA256_BYTES];
    uint64_t h;
    sha256_of(d, p, n);
    memcpy(&h, d, sizeof h);
    return h;
}

static void add_sentence(struct buf *out, struct rng *r)
{
    int n = 8 + (int)rng_below(r, 23);
    for (int i = 0; i < n; i++) {
        const char *w = words[rng_below(r, ARRAY_LEN(words))];
        buf_addc(out, i == 0 ? w[0] - 32 : w[0]);
        buf_adds(out, w + 1);
        buf_addc(out, i == n - 1 ? '.' : ' ');
    }
}

static void add_verdict(struct buf *out, struct rng *r)
{
    static const char *const prices[] = {"fair", "cheap", "over-priced", "none"};
    static const char *const kinds[] = {"noodle house", "cafe", "bakery", "seafood", "diner",
                                        "pizza", "vegan", "brunch"};
    uint32_t first = rng_below(r, ARRAY_LEN(kinds));
    buf_adds(out, "{\"summary\": \"");
    add_sentence(out, r);
    buf_addf(out, "\", \"price\": \"%s\", \"categories\": [\"%s\", \"%s\"]}",
             prices[rng_below(r, ARRAY_LEN(prices))], kinds[first],
             kinds[(first + 1 + rng_below(r, ARRAY_LEN(kinds) - 1)) % ARRAY_LEN(kinds)]);
}

/* The text that the model would give to this request. */
static void think(struct buf *out, const char *body, size_t n)
{
    size_t bytes;
    const char *messages = messages_of(body, n, &bytes);
    struct rng r;
    rng_seed(&r, hash_of(messages, bytes), 0);
    bool json = memmem(body, n, "\"response_format\"", 17) || memmem(messages, bytes, "JSON", 4);
    if (json)
        add_verdict(out, &r);
    else
        add_sentence(out, &r);
}

/* What the body of the request was: the log has the same, so that a test can tell which of the
 * answers in a ledger were sent for. One thread answers. */
static char fingerprint[17];

static void take_fingerprint(const char *body, size_t n)
{
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    sha256_of(digest, body, n);
    sha256_hex(hex, digest);
    snprintf(fingerprint, sizeof fingerprint, "%.16s", hex);
}

static void add_completion(struct buf *out, const char *content, const char *more,
                           const char *finish, size_t request_bytes)
{
    buf_addf(out, "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1700000000,"
                  "\"model\":\"test-model-1\",\"system_fingerprint\":\"%s\",\"choices\":[{"
                  "\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":%s%s},"
                  "\"finish_reason\":\"%s\"}],\"usage\":{\"prompt_tokens\":%zu,"
                  "\"completion_tokens\":%zu,\"total_tokens\":%zu,\"prompt_tokens_details\":"
                  "{\"cached_tokens\":0}}}",
             fingerprint, content, more, finish, request_bytes / 4, strlen(content) / 4,
             request_bytes / 4 + strlen(content) / 4);
}

static void add_answer(struct buf *out, const char *text, const char *finish, size_t bytes)
{
    struct buf content = {0};
    chat_write_string(&content, text, strlen(text));
    add_completion(out, content.data, "", finish, bytes);
    buf_release(&content);
}

static void add_default(struct buf *out, const char *body, size_t n)
{
    take_fingerprint(body, n);
    struct buf text = {0};
    think(&text, body, n);
    add_answer(out, text.data, "stop", n);
    buf_release(&text);
}

static bool is_action(const struct conn *c, const char *name)
{
    return strcmp(c->action, name) == 0;
}

/* The 200 answers of a completion that have something about them. */
static void complete(struct conn *c)
{
    struct buf *out = &c->out;
    size_t n = c->body.len;
    if (is_action(c, "no-choices"))
        buf_adds(out, "{\"object\":\"chat.completion\",\"choices\":[]}");
    else if (is_action(c, "null-content"))
        add_completion(out, "null", "", "stop", n);
    else if (is_action(c, "refusal"))
        add_completion(out, "null", ",\"refusal\":\"I cannot help with that.\"", "stop", n);
    else if (is_action(c, "bad-utf8"))
        add_completion(out, "\"caf\xe9 \xf0\x9f and a bell \\u0007\"", "", "stop", n);
    else if (is_action(c, "surrogate"))
        add_completion(out, "\"half \\ud83d and NUL \\u0000 whole \\ud83d\\ude00\"", "", "stop", n);
    else if (is_action(c, "parts"))
        add_completion(out, "[{\"type\":\"text\",\"text\":\"one \"},{\"type\":\"x\"},"
                            "{\"type\":\"text\",\"text\":\"two\"}]", "", "stop", n);
    else if (is_action(c, "content"))
        add_answer(out, c->rule->text, "stop", n);
    else if (is_action(c, "finish"))
        add_answer(out, "cut off here", c->rule->text, n);
    else
        add_default(out, buf_str(&c->body), n);
    if (is_action(c, "truncated-json"))
        out->len /= 2;
}

/* ---- files and batches ---- */

struct file {
    struct file *next;
    int id;
    struct buf data;
};

struct batch {
    struct batch *next;
    int id, input, output, errors; /* files; 0: none */
    int polls, total, done, failed;
    bool cancelled;
    char *fate; /* of the script, or "" */
};

static struct file *files;
static struct batch *batches;
static int last_id;

static struct file *new_file(void)
{
    struct file *f = xcalloc(1, sizeof *f);
    f->id = ++last_id;
    f->next = files;
    return files = f;
}

static struct file *find_file(int id)
{
    struct file *f = files;
    while (f && f->id != id)
        f = f->next;
    return f;
}

static void add_file(struct buf *out, const struct file *f)
{
    buf_addf(out, "{\"id\":\"file-%d\",\"object\":\"file\",\"bytes\":%zu,\"created_at\":1700000000,"
                  "\"filename\":\"requests.jsonl\",\"purpose\":\"batch\",\"status\":\"processed\"}",
             f->id, f->data.len);
}

/* The part named "file" of a multipart body. */
static void post_file(struct conn *c)
{
    const char *b = buf_str(&c->body), *end = b + c->body.len;
    const char *line = memmem(b, c->body.len, "\r\n", 2);
    const char *part = memmem(b, c->body.len, "name=\"file\"", 11);
    const char *from = part ? memmem(part, (size_t)(end - part), "\r\n\r\n", 4) : NULL;
    char *boundary = line ? xasprintf("\r\n%.*s", (int)(line - b), b) : NULL;
    const char *to = from ? memmem(from, (size_t)(end - from), boundary, strlen(boundary)) : NULL;
    if (!to || !memmem(b, c->body.len, "batch", 5)) {
        c->status = 400;
        buf_adds(&c->out, "{\"error\":{\"message\":\"no file with purpose batch\"}}");
    } else {
        struct file *f = new_file();
        buf_add(&f->data, from + 4, (size_t)(to - from) - 4);
        add_file(&c->out, f);
    }
    free(boundary);
}

static const char *status_of(const struct batch *b)
{
    if (b->cancelled)
        return b->polls > 1 ? "cancelled" : "cancelling";
    if (b->polls <= 1)
        return "validating";
    if (strcmp(b->fate, "fail") == 0)
        return "failed";
    if (b->polls == 2)
        return "in_progress";
    return strcmp(b->fate, "expire") == 0   ? "expired"
           : strcmp(b->fate, "cancel") == 0 ? "cancelled"
                                            : "completed";
}

static void add_batch(struct buf *out, const struct batch *b)
{
    const char *status = status_of(b);
    buf_addf(out, "{\"id\":\"batch_%d\",\"object\":\"batch\",\"endpoint\":\"/v1/chat/completions\","
                  "\"input_file_id\":\"file-%d\",\"completion_window\":\"24h\",\"status\":\"%s\","
                  "\"created_at\":1700000000", b->id, b->input, status);
    if (b->output)
        buf_addf(out, ",\"output_file_id\":\"file-%d\"", b->output);
    if (b->errors)
        buf_addf(out, ",\"error_file_id\":\"file-%d\"", b->errors);
    if (strcmp(status, "failed") == 0)
        buf_adds(out, ",\"errors\":{\"object\":\"list\",\"data\":[{\"code\":\"invalid_json_line\","
                      "\"message\":\"This line is not parseable as valid JSON.\",\"param\":null,"
                      "\"line\":1}]}");
    buf_addf(out, ",\"request_counts\":{\"total\":%d,\"completed\":%d,\"failed\":%d}}", b->total,
             b->done, b->failed);
}

/* The custom_id of a request line, with its quotes. */
static void add_custom_id(struct buf *out, const char *line, size_t n)
{
    static const char key[] = "\"custom_id\":";
    struct jsonspan span = {0};
    const char *p = memmem(line, n, key, sizeof key - 1);
    if (!p)
        return;
    p += sizeof key - 1;
    if (jsonspan_scan(&span, p, n - (size_t)(p - line)) == 1)
        buf_add(out, p, span.off);
}

/* The body of the request in a line: the line's last member. */
static const char *body_of(const char *line, size_t n, size_t *bytes)
{
    static const char key[] = "\"body\":";
    const char *p = memmem(line, n, key, sizeof key - 1);
    p = p ? p + sizeof key - 1 : line;
    *bytes = n - (size_t)(p - line) - (p > line);
    return p;
}

/* What the script says of the line instead of an answer. Returns 1 for an error. */
static bool add_scripted(struct buf *out, const struct rule *r, const char *line, size_t n)
{
    bool error = strcmp(r->action, "status") == 0;
    buf_addf(out, ",\"response\":{\"status_code\":%d,\"request_id\":\"r\",\"body\":",
             error ? r->code : 200);
    if (error)
        buf_adds(out, r->text ? r->text : "null");
    else if (strcmp(r->action, "content") == 0)
        add_answer(out, r->text, "stop", n);
    else if (strcmp(r->action, "no-choices") == 0)
        buf_adds(out, "{\"object\":\"chat.completion\",\"choices\":[]}");
    else
        add_default(out, line, n);
    buf_adds(out, "},\"error\":null}\n");
    return error;
}

/* Returns whether it is an answer. */
static bool add_result(struct buf *good, struct buf *bad, const char *line, size_t n, bool ok,
                       int nth)
{
    struct buf head = {0}, tail = {0};
    pthread_mutex_lock(&server.lock);
    const struct rule *r = match("/v1/batch-line", line, n, false);
    pthread_mutex_unlock(&server.lock);
    buf_addf(&head, "{\"id\":\"batch_req_%d\",\"custom_id\":", nth);
    add_custom_id(&head, line, n);
    line = body_of(line, n, &n);
    if (r) {
        ok = !add_scripted(&tail, r, line, n);
    } else if (ok) {
        buf_addf(&tail, ",\"response\":{\"status_code\":200,\"request_id\":\"r%d\",\"body\":", nth);
        add_default(&tail, line, n);
        buf_adds(&tail, "},\"error\":null}\n");
    } else {
        buf_adds(&tail, ",\"response\":null,\"error\":{\"code\":\"batch_expired\",\"message\":"
                        "\"This request could not be executed before the completion window "
                        "expired.\"}}\n");
    }
    buf_adds(ok ? good : bad, buf_str(&head));
    buf_adds(ok ? good : bad, buf_str(&tail));
    buf_release(&head);
    buf_release(&tail);
    return ok;
}

/* Answers the lines of the input in reversed order, as far as the batch's fate lets it. */
static void run_batch(struct batch *b)
{
    const struct file *in = find_file(b->input);
    bool half = strcmp(b->fate, "expire") == 0 || strcmp(b->fate, "cancel") == 0 || b->cancelled;
    struct buf good = {0}, bad = {0};
    int nth = 0;
    for (size_t to = in->data.len; to > 0; nth++) {
        size_t n = to - (in->data.data[to - 1] == '\n'), from = n;
        while (from > 0 && in->data.data[from - 1] != '\n')
            from--;
        bool ok = half ? nth % 2 == 0 : strcmp(b->fate, "errors") != 0 || nth % 3 != 1;
        ok = add_result(&good, &bad, in->data.data + from, n - from, ok, nth);
        if (nth == 0 && strcmp(b->fate, "duplicate") == 0)
            add_result(&good, &bad, in->data.data + from, n - from, true, nth);
        if (nth == 0 && strcmp(b->fate, "stranger") == 0)
            buf_adds(&good, "{\"custom_id\":\"mine-1\",\"response\":{\"status_code\":200,"
                            "\"body\":{}},\"error\":null}\n[1,\n\n");
        ok ? b->done++ : b->failed++;
        b->total++;
        to = from;
    }
    if (strcmp(b->fate, "truncate") == 0 && good.len > 20)
        good.len -= 20;
    struct buf *outs[] = {&good, &bad};
    for (int i = 0; i < 2; i++)
        if (outs[i]->len > 0) {
            struct file *f = new_file();
            f->data = *outs[i];
            *(i == 0 ? &b->output : &b->errors) = f->id;
        }
}

static void not_found(struct conn *c)
{
    c->status = 404;
    buf_adds(&c->out, "{\"error\":{\"message\":\"no such path\",\"type\":\"not_found_error\","
                      "\"param\":null,\"code\":null}}");
}

/* "batch_ID custom_id" for each line of the input. */
static void log_batch(const struct batch *b)
{
    const struct file *in = find_file(b->input);
    FILE *f = server.batch_log ? fopen(server.batch_log, "ae") : NULL;
    struct buf id = {0};
    if (!f)
        return;
    for (size_t at = 0, n; at < in->data.len; at += n + 1) {
        const char *end = memchr(in->data.data + at, '\n', in->data.len - at);
        n = end ? (size_t)(end - in->data.data) - at : in->data.len - at;
        buf_clear(&id);
        add_custom_id(&id, in->data.data + at, n);
        fprintf(f, "batch_%d %s\n", b->id, buf_str(&id));
    }
    fclose(f);
    buf_release(&id);
}

/* The newest first. */
static void list_batches(struct conn *c)
{
    buf_adds(&c->out, "{\"object\":\"list\",\"data\":[");
    for (const struct batch *b = batches; b; b = b->next) {
        add_batch(&c->out, b);
        if (b->next)
            buf_addc(&c->out, ',');
    }
    buf_adds(&c->out, "],\"has_more\":false}");
}

static void post_batch(struct conn *c)
{
    const char *id = c->body.len ? strstr(c->body.data, "\"file-") : NULL;
    struct file *in = id ? find_file(atoi(id + 6)) : NULL;
    if (!in) {
        c->status = 400;
        buf_adds(&c->out, "{\"error\":{\"message\":\"no such input_file_id\"}}");
        return;
    }
    struct batch *b = xcalloc(1, sizeof *b);
    b->id = ++last_id;
    b->input = in->id;
    b->fate = xstrdup(is_action(c, "batch") ? c->rule->text : "");
    b->next = batches;
    batches = b;
    log_batch(b);
    add_batch(&c->out, b);
}

static void on_batch(struct conn *c, const char *rest)
{
    struct batch *b = batches;
    while (b && b->id != atoi(rest))
        b = b->next;
    if (!b) {
        not_found(c);
        return;
    }
    if (strstr(rest, "/cancel")) {
        b->cancelled = true;
        b->polls = 0;
    } else {
        b->polls++;
    }
    if (b->polls == (b->cancelled ? 2 : 3) && !b->output && strcmp(b->fate, "fail") != 0)
        run_batch(b);
    add_batch(&c->out, b);
}

static void on_file(struct conn *c, const char *rest)
{
    struct file *f = find_file(atoi(rest));
    if (!f)
        not_found(c);
    else if (strstr(rest, "/content"))
        buf_add(&c->out, f->data.data, f->data.len);
    else
        add_file(&c->out, f);
}

/* ---- answering ---- */

static bool is_image(struct conn *c)
{
    const char *type = MHD_lookup_connection_value(c->mhd, MHD_HEADER_KIND, "Content-Type");
    return type && strncmp(type, "image/", 6) == 0;
}

static void answer_body(struct conn *c)
{
    c->status = 200;
    if (is_image(c)) {
        struct buf text = {0};
        struct rng r;
        rng_seed(&r, hash_of(buf_str(&c->body), c->body.len), 0);
        add_sentence(&text, &r);
        bool list = is_action(c, "list");
        buf_addf(&c->out, "%s{\"generated_text\":\"%s\"}%s", list ? "[" : "", text.data,
                 list ? "]" : "");
        buf_release(&text);
    } else if (strcmp(c->path, "/v1/chat/completions") == 0 && strcmp(c->method, "POST") == 0) {
        complete(c);
    } else if (strcmp(c->path, "/v1/files") == 0 && strcmp(c->method, "POST") == 0) {
        post_file(c);
    } else if (strncmp(c->path, "/v1/files/file-", 15) == 0) {
        on_file(c, c->path + 15);
    } else if (strcmp(c->path, "/v1/batches") == 0 && strcmp(c->method, "POST") == 0) {
        post_batch(c);
    } else if (strcmp(c->path, "/v1/batches") == 0) {
        list_batches(c);
    } else if (strncmp(c->path, "/v1/batches/batch_", 18) == 0) {
        on_batch(c, c->path + 18);
    } else if (strcmp(c->path, "/v1/models") == 0) {
        buf_adds(&c->out, "{\"object\":\"list\",\"data\":[{\"id\":\"test-model-1\","
                          "\"object\":\"model\",\"created\":1700000000,\"owned_by\":\"test\"}]}");
    } else if (strcmp(c->path, "/health") == 0) {
        buf_adds(&c->out, "{\"status\":\"ok\"}");
    } else {
        not_found(c);
    }
}

/* The first bytes of a completion, then as many of the same letter as are asked for. */
static ssize_t read_huge(void *self, uint64_t at, char *out, size_t max)
{
    static const char head[] = "{\"choices\":[{\"message\":{\"content\":\"";
    (void)self;
    if (at < sizeof head - 1) {
        size_t n = sizeof head - 1 - (size_t)at;
        n = n < max ? n : max;
        memcpy(out, head + at, n);
        return (ssize_t)n;
    }
    memset(out, 'x', max);
    return (ssize_t)max;
}

/* Half of the body, then the connection breaks. */
static ssize_t read_half(void *self, uint64_t at, char *out, size_t max)
{
    const struct conn *c = self;
    size_t left = c->out.len / 2 - (size_t)at, n = left < max ? left : max;
    if (left == 0)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    memcpy(out, c->out.data + at, n);
    return (ssize_t)n;
}

static ssize_t read_all(void *self, uint64_t at, char *out, size_t max)
{
    const struct conn *c = self;
    size_t left = c->out.len - (size_t)at, n = left < max ? left : max;
    n = n < 100 ? n : 100; /* many chunks */
    if (left == 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    memcpy(out, c->out.data + at, n);
    return (ssize_t)n;
}

/* A byte, a sleep of 100 ms or as the rule says, a byte. */
static ssize_t read_slow(void *self, uint64_t at, char *out, size_t max)
{
    struct conn *c = self;
    (void)max;
    if (at >= c->out.len)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (at >= c->sent) {
        c->sent = at + 1;
        sleep_until(c, monotonic_s() + (c->rule->code ? c->rule->code : 100) / 1000.0);
        return 0;
    }
    *out = c->out.data[at];
    return 1;
}

static void pack(struct buf *b)
{
    z_stream z = {0};
    struct buf packed = {0};
    deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    buf_reserve(&packed, deflateBound(&z, b->len));
    z.next_in = (unsigned char *)b->data;
    z.avail_in = (unsigned)b->len;
    z.next_out = (unsigned char *)packed.data;
    z.avail_out = (unsigned)packed.cap;
    deflate(&z, Z_FINISH);
    packed.len = z.total_out;
    deflateEnd(&z);
    buf_release(b);
    *b = packed;
}

static void make_bomb(struct buf *b)
{
    buf_adds(b, "{\"choices\":[{\"message\":{\"content\":\"");
    buf_reserve(b, BOMB_BYTES + 100);
    memset(b->data + b->len, 'x', BOMB_BYTES);
    b->len += BOMB_BYTES;
    buf_adds(b, "\"},\"finish_reason\":\"stop\"}]}");
    pack(b);
}

/* The actions that answer with another status. */
static void answer_error(struct conn *c)
{
    if (is_action(c, "status")) {
        c->status = c->rule->code;
        buf_adds(&c->out, c->rule->text ? c->rule->text : "");
    } else if (is_action(c, "redirect")) {
        c->status = 302;
    } else {
        const char *sent =
            MHD_lookup_connection_value(c->mhd, MHD_HEADER_KIND, "Authorization");
        c->status = 400;
        buf_addf(&c->out, "{\"error\":{\"message\":\"bad request with %s\"}}", sent ? sent : "");
    }
}

static struct MHD_Response *respond(struct conn *c)
{
    struct MHD_Response *r;
    take_fingerprint(buf_str(&c->body), c->body.len);
    if (is_action(c, "status") || is_action(c, "redirect") || is_action(c, "echo-key"))
        answer_error(c);
    else if (is_action(c, "gzip-bomb"))
        c->status = 200, make_bomb(&c->out);
    else
        answer_body(c);
    if (is_action(c, "gzip"))
        pack(&c->out);
    if (is_action(c, "huge"))
        r = MHD_create_response_from_callback(HUGE_BYTES, 65536, read_huge, c, NULL);
    else if (is_action(c, "reset-body"))
        r = MHD_create_response_from_callback(c->out.len, 1024, read_half, c, NULL);
    else if (is_action(c, "slow"))
        r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16, read_slow, c, NULL);
    else if (is_action(c, "chunked"))
        r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 1024, read_all, c, NULL);
    else
        r = MHD_create_response_from_buffer(c->out.len, c->out.data, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(r, "Content-Type", "application/json");
    if (is_action(c, "gzip") || is_action(c, "gzip-bomb"))
        MHD_add_response_header(r, "Content-Encoding", "gzip");
    if (is_action(c, "redirect"))
        MHD_add_response_header(r, "Location", c->rule->text);
    for (int i = 0; c->rule && i < c->rule->n_headers; i++) {
        char *colon = strchr(c->rule->headers[i], ':');
        char *name = xasprintf("%.*s", (int)(colon - c->rule->headers[i]), c->rule->headers[i]);
        MHD_add_response_header(r, name, colon + 1 + strspn(colon + 1, " "));
        free(name);
    }
    return r;
}

/* ---- the flow of a request ---- */

static void write_log(const struct conn *c, long seq)
{
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX], line[512];
    sha256_of(digest, buf_str(&c->body), c->body.len);
    sha256_hex(hex, digest);
    int n = snprintf(line, sizeof line, "%ld %.6f %.200s %.16s %zu %s %d\n", seq, monotonic_s(),
                     c->path, hex, c->body.len, c->action, c->rule ? c->rule->code : 0);
    if (server.log_fd >= 0 && write(server.log_fd, line, (size_t)n) != n)
        _exit(1);
}

static void draw_chaos(struct conn *c, long seq)
{
    static const struct {
        const char *action;
        int code;
        const char *text;
    } faults[] = {{"reset", 0, NULL}, {"reset-body", 0, NULL}, {"truncated-json", 0, NULL},
                  {"status", 500, "<html>oops</html>"}, {"status", 503, NULL},
                  {"status", 429, NULL}, {"no-choices", 0, NULL}};
    static char soon[] = "retry-after-ms: 20";
    uint64_t h = rng_mix((uint64_t)server.chaos ^ rng_mix((uint64_t)seq));
    size_t i = h % (6 * ARRAY_LEN(faults));
    if (i >= ARRAY_LEN(faults))
        return;
    c->own.action = (char *)(uintptr_t)faults[i].action;
    c->own.code = faults[i].code;
    c->own.text = (char *)(uintptr_t)faults[i].text;
    if (c->own.code == 429)
        c->own.headers[c->own.n_headers++] = soon;
    c->rule = &c->own;
}

/* Decides what happens to the request, once its body is there. */
static void judge(struct conn *c)
{
    pthread_mutex_lock(&server.lock);
    long seq = ++server.seq;
    c->judged = true;
    c->rule = match(c->path, buf_str(&c->body), c->body.len, true);
    if (!c->rule && server.chaos >= 0)
        draw_chaos(c, seq);
    c->action = c->rule ? c->rule->action : "default";
    write_log(c, seq);
    pthread_mutex_unlock(&server.lock);
}

static enum MHD_Result drop_connection(struct conn *c)
{
    const union MHD_ConnectionInfo *i =
        MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct linger hard = {1, 0}; /* a reset instead of an orderly end */
    setsockopt(i->connect_fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    return MHD_NO;
}

static enum MHD_Result on_request(void *unused, struct MHD_Connection *mhd, const char *path,
                                  const char *method, const char *version, const char *data,
                                  size_t *n, void **self)
{
    struct conn *c = *self;
    (void)unused, (void)version;
    if (!c) {
        c = *self = xcalloc(1, sizeof *c);
        c->mhd = mhd;
        return MHD_YES;
    }
    c->path = path;
    c->method = method;
    if (*n > 0) {
        if (c->body.len + *n > BODY_MAX)
            return MHD_NO;
        buf_add(&c->body, data, *n);
        *n = 0;
        return MHD_YES;
    }
    if (!c->judged)
        judge(c);
    if (is_action(c, "die"))
        _exit(0);
    int ms = is_action(c, "delay") ? c->rule->code : server.latency_ms;
    if (!c->woken && (ms > 0 || is_action(c, "hang"))) {
        c->woken = true;
        sleep_until(c, monotonic_s() + (is_action(c, "hang") ? 3600 : ms / 1000.0));
        return MHD_YES;
    }
    if (is_action(c, "reset"))
        return drop_connection(c);
    buf_reserve(&c->out, 0);
    struct MHD_Response *r = respond(c);
    enum MHD_Result rc = MHD_queue_response(mhd, (unsigned)c->status, r);
    MHD_destroy_response(r);
    return rc;
}

static void on_end(void *unused, struct MHD_Connection *mhd, void **self,
                   enum MHD_RequestTerminationCode how)
{
    struct conn *c = *self;
    (void)unused, (void)mhd, (void)how;
    if (!c)
        return;
    buf_release(&c->body);
    buf_release(&c->out);
    free(c);
    *self = NULL;
}

/* ---- starting ---- */

static void parse_args(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];
        if (i + 1 >= argc)
            die_usage("%s: no value", a);
        char *v = argv[++i];
        if (strcmp(a, "--port-file") == 0)
            server.port_file = v;
        else if (strcmp(a, "--log") == 0)
            server.log = v;
        else if (strcmp(a, "--port") == 0)
            server.port = atoi(v);
        else if (strcmp(a, "--latency") == 0)
            server.latency_ms = atoi(v);
        else if (strcmp(a, "--script") == 0)
            server.script = v;
        else if (strcmp(a, "--batch-log") == 0)
            server.batch_log = v;
        else if (strcmp(a, "--chaos") == 0)
            server.chaos = atoll(v);
        else if (strcmp(a, "--tls") == 0 && i + 1 < argc)
            server.cert = v, server.key = argv[++i];
        else
            die_usage("no such option: %s", a);
    }
    if (!server.port_file)
        die_usage("--port-file is needed");
}

static struct MHD_Daemon *start(void)
{
    static struct buf cert, key;
    struct err e;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)server.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct MHD_OptionItem tls[] = {{MHD_OPTION_END, 0, NULL}, {MHD_OPTION_END, 0, NULL},
                                   {MHD_OPTION_END, 0, NULL}};
    unsigned flags = MHD_USE_EPOLL | MHD_USE_INTERNAL_POLLING_THREAD | MHD_ALLOW_SUSPEND_RESUME;
    if (server.cert) {
        if (buf_read_file(&cert, server.cert, 1 << 20, &e) < 0 ||
            buf_read_file(&key, server.key, 1 << 20, &e) < 0)
            die("%s", e.text);
        tls[0] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, cert.data};
        tls[1] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, key.data};
        flags |= MHD_USE_TLS;
    }
    return MHD_start_daemon(flags, 0, NULL, NULL, on_request, NULL, MHD_OPTION_SOCK_ADDR, &at,
                            MHD_OPTION_NOTIFY_COMPLETED, on_end, NULL,
                            MHD_OPTION_CONNECTION_LIMIT, 1000u,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)256 << 10,
                            MHD_OPTION_LISTEN_BACKLOG_SIZE, 1000u, MHD_OPTION_ARRAY, tls,
                            MHD_OPTION_END);
}

static void write_port(struct MHD_Daemon *d)
{
    char *tmp = xasprintf("%s.new", server.port_file);
    FILE *f = fopen(tmp, "w");
    if (!f)
        die("%s: cannot be written", tmp);
    fprintf(f, "%d\n", MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT)->port);
    if (fclose(f) != 0 || rename(tmp, server.port_file) != 0)
        die("%s: cannot be written", server.port_file);
    free(tmp);
}

int main(int argc, char **argv)
{
    pthread_t waker;
    pthread_condattr_t monotonic;
    sigset_t term;
    int sig;
    parse_args(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigaddset(&term, SIGINT);
    pthread_sigmask(SIG_BLOCK, &term, NULL);
    if (server.script)
        load_script();
    if (server.log) {
        server.log_fd = open(server.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (server.log_fd < 0)
            die("%s: cannot be written", server.log);
    }
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&sleepers.changed, &monotonic);
    pthread_create(&waker, NULL, wake, NULL);
    struct MHD_Daemon *d = start();
    if (!d)
        die("cannot listen on 127.0.0.1:%d", server.port);
    write_port(d);
    sigwait(&term, &sig);
    _exit(0); /* what hangs is not waited for */
}
