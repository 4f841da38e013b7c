/* SPDX-License-Identifier: MIT */
/* The client of the LLM stage against a real server that plays every fault by script. Small
 * time-outs are set through the options; bounds of measured times are generous. */
#include "llm/service.h"
#include "llm/chat.h"
#include "server.h"
#include "source/utf8.h"
#include "tap.h"
#include <arpa/inet.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#define MOST 400

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifdef SANITIZED
#define GROWTH_KIB (300L << 10) /* freed memory is kept in quarantine */
#else
#define GROWTH_KIB (40L << 10)
#endif

static const char *argv0;

/* What came back, by number of the request. */
struct got {
    int n, order[MOST];
    int outcome[MOST], attempts[MOST], times[MOST];
    char text[MOST][256], finish[MOST][24], refusal[MOST][64], err[MOST][512];
    bool has_text[MOST];
    int64_t tokens_in[MOST], tokens_out[MOST];
    double latency[MOST];
    int rc; /* of the last service_poll */
    char stop[512], note[256];
    double seconds;
    int requests; /* that the server saw */
};
static struct got got;

static void copy(char *to, size_t size, const char *s)
{
    snprintf(to, size, "%s", s ? s : "");
}

static void on_answer(void *ctx, const struct service_answer *a)
{
    struct got *g = ctx;
    int i = (int)(intptr_t)a->ctx;
    g->order[g->n++] = i;
    g->times[i]++;
    g->outcome[i] = (int)a->outcome;
    g->attempts[i] = a->attempts;
    g->has_text[i] = a->text != NULL;
    g->tokens_in[i] = a->tokens_in;
    g->tokens_out[i] = a->tokens_out;
    g->latency[i] = a->latency_s;
    copy(g->text[i], sizeof g->text[i], a->text);
    copy(g->finish[i], sizeof g->finish[i], a->finish_reason);
    copy(g->refusal[i], sizeof g->refusal[i], a->refusal);
    copy(g->err[i], sizeof g->err[i], a->err.text);
}

/* Quick, and patient enough for what is meant to succeed. */
static struct service_options quick(void)
{
    struct service_options o = service_defaults;
    o.model = "m";
    o.retries = 2;
    o.backoff_s = 0.02;
    o.patience_s = 20;
    o.first_byte_s = 20;
    o.total_s = 60;
    return o;
}

static struct service_request request(int i)
{
    static char user[MOST][64];
    snprintf(user[i], sizeof user[i], "Reviews of place %d.", i);
    return (struct service_request){.system = "You summarise.", .user = user[i],
                                    .max_tokens = 50, .tokens = 100,
                                    .ctx = (void *)(intptr_t)i};
}

static struct service *start(const struct service_options *o)
{
    struct err e;
    struct service *s = service_new(o, &e);
    if (!s)
        die("%s", e.text);
    return s;
}

/* Submits n requests of that kind and polls until all came back or the run stopped. */
static void drive(struct service *s, int n, const struct service_request *like)
{
    struct err stop = {""};
    double t = monotonic_s();
    got = (struct got){0};
    for (int i = 0; i < n;) {
        while (i < n && service_room(s) > 0) {
            struct service_request r = request(i);
            if (like) {
                struct service_request l = *like;
                l.user = l.user ? l.user : r.user;
                l.ctx = r.ctx;
                r = l;
            }
            service_submit(s, &r);
            i++;
        }
        if ((got.rc = service_poll(s, 1000, on_answer, &got, &stop)) < 0)
            break;
    }
    while (got.rc == 0 && service_busy(s) > 0 && monotonic_s() - t < 60)
        got.rc = service_poll(s, 1000, on_answer, &got, &stop);
    got.seconds = monotonic_s() - t;
    copy(got.stop, sizeof got.stop, got.rc < 0 ? stop.text : "");
    struct buf note = {0};
    service_note(s, &note);
    copy(got.note, sizeof got.note, buf_str(&note));
    buf_release(&note);
}

/* n requests to a server with a script. */
static void play(const char *script, const struct service_options *options, int n,
                 const struct service_request *like)
{
    struct server_run r;
    struct service_options o = options ? *options : quick();
    server_start(&r, argv0, script, NULL);
    o.url = r.url;
    struct service *s = start(&o);
    drive(s, n, like);
    service_free(s);
    got.requests = server_count(&r);
    server_stop(&r);
}

static bool answered(int i)
{
    return got.times[i] == 1 && got.outcome[i] == SERVICE_ANSWER && got.has_text[i];
}

static int count_answered(int n)
{
    int good = 0;
    for (int i = 0; i < n; i++)
        good += answered(i);
    return good;
}

static void shows(const char *text, const char *part, const char *name)
{
    if (!ok(strstr(text, part) != NULL, "%s", name))
        printf("#   '%s' has no '%s'\n", text, part);
}

/* The run stopped, with a sentence that says this. */
static void stops(const char *script, const struct service_options *o, const char *part,
                  const char *name)
{
    play(script, o, 1, NULL);
    ok(got.rc == -1 && got.n == 0, "%s: the run stops", name);
    shows(got.stop, part, name);
}

/* One request that ends so, after so many attempts. */
static void ends(const char *script, const struct service_options *o, int outcome, int attempts,
                 const char *part, const char *name)
{
    play(script, o, 1, NULL);
    if (!ok(got.rc == 0 && got.times[0] == 1 && got.outcome[0] == outcome &&
                got.attempts[0] == attempts,
            "%s: outcome %d after %d attempts", name, outcome, attempts))
        printf("#   outcome %d, %d attempts, stop '%s'\n", got.outcome[0], got.attempts[0],
               got.stop);
    shows(got.err[0], part, name);
}

/* ---- what goes right ---- */

static void plain(void)
{
    static char first[20][256];
    play(NULL, NULL, 20, NULL);
    ok(count_answered(20) == 20 && got.requests == 20, "20 requests, 20 answers, none sent twice");
    ok(got.tokens_in[3] > 10 && got.tokens_out[3] > 1, "tokens are handed over");
    is(got.finish[3], "stop", "finish_reason is handed over");
    ok(got.latency[3] > 0 && got.latency[3] < 20, "and latency");
    is(got.note, "", "nothing learnt, nothing said");
    memcpy(first, got.text, sizeof first);
    static const char *const odd[] = {"chunked", "gzip", "delay 30"};
    for (size_t k = 0; k < ARRAY_LEN(odd); k++) {
        play(odd[k], NULL, 20, NULL);
        ok(count_answered(20) == 20 && memcmp(first, got.text, sizeof first) == 0,
           "%s: the same 20 answers", odd[k]);
    }
}

static void out_of_order(void)
{
    play("body \"place 0.\" delay 400", NULL, 5, NULL);
    ok(count_answered(5) == 5 && got.order[4] == 0, "a slow answer does not hold up others");
    shows(got.text[0], " ", "and belongs to its request");
}

static void schema(void)
{
    struct service_request r = {.user = "Which?", .schema = "{\"type\":\"object\"}",
                                .schema_name = "tag"};
    play(NULL, NULL, 1, &r);
    shows(got.text[0], "\"price\"", "response_format asks for JSON");
}

static void images(void)
{
    struct service_options o = quick();
    struct service_request r = {.user = "Describe it.", .image = "\xff\xd8\xff jpeg",
                                .image_bytes = 8, .image_type = "image/jpeg"};
    play("body \"data:image/jpeg;base64,/9j/IGpwZWc=\" content \"a dish\"", &o, 1, &r);
    is(got.text[0], "a dish", "a photo as data URI");
    o.kind = SERVICE_IMAGE_TO_TEXT;
    play(NULL, &o, 1, &r);
    ok(answered(0), "a photo as raw bytes: %s", got.text[0]);
    char text[256];
    strcpy(text, got.text[0]);
    play("list", &o, 1, &r);
    is(got.text[0], text, "the same as a list");
    ok(got.tokens_in[0] == -1, "which says nothing of tokens");
    play("times 1 status 200 \"[]\"", &o, 1, &r);
    ok(answered(0) && got.attempts[0] == 2, "an empty list is asked again");
}

static int chain_left;
static struct service *chain_service;

static void on_chain(void *ctx, const struct service_answer *a)
{
    on_answer(ctx, a);
    if (chain_left-- > 0) {
        struct service_request r = request(got.n);
        service_submit(chain_service, &r);
    }
}

static void from_the_callback(void)
{
    struct server_run r;
    struct service_options o = quick();
    struct err stop;
    server_start(&r, argv0, NULL, NULL);
    o.url = r.url;
    o.concurrency = 1;
    struct service *s = chain_service = start(&o);
    struct service_request first = request(0);
    got = (struct got){0};
    chain_left = 30;
    ok(service_room(s) == 2 && service_busy(s) == 0, "an idle service has room");
    service_submit(s, &first);
    ok(service_room(s) == 1 && service_busy(s) == 1, "less with a request");
    for (int k = 0; service_busy(s) > 0 && k < 1000; k++)
        if (service_poll(s, 1000, on_chain, &got, &stop) < 0)
            break;
    ok(got.n == 31 && count_answered(31) == 31, "each callback submitted the next request");
    double t = monotonic_s();
    ok(service_poll(s, 5000, on_chain, &got, &stop) == 0 && monotonic_s() - t < 2,
       "nothing busy: no wait");
    service_free(s);
    server_stop(&r);
}

static void free_in_flight(void)
{
    struct server_run r;
    struct service_options o = quick();
    struct err stop;
    server_start(&r, argv0, "hang", NULL);
    o.url = r.url;
    struct service *s = start(&o);
    for (int i = 0; i < 20; i++) {
        struct service_request q = request(i);
        service_submit(s, &q);
    }
    got = (struct got){0};
    double t = monotonic_s();
    ok(service_poll(s, 100, on_answer, &got, &stop) == 0 && service_busy(s) == 20 &&
           monotonic_s() - t < 10,
       "poll returns after its time");
    service_free(s);
    ok(got.n == 0, "freed with 8 in flight and 12 queued");
    server_stop(&r);
}

/* ---- broken connections ---- */

static int unused_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, n) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &n) < 0)
        die("no port");
    close(fd);
    return ntohs(at.sin_port);
}

static void refused(void)
{
    char url[64];
    struct service_options o = quick();
    snprintf(url, sizeof url, "http://127.0.0.1:%d/v1", unused_port());
    o.url = url;
    o.patience_s = 0.3;
    struct service *s = start(&o);
    drive(s, 3, NULL);
    ok(got.rc == -1 && got.n == 0 && got.seconds < 20, "nobody listens: stop after the patience");
    shows(got.stop, url, "the sentence names the address");
    shows(got.stop, "is it running", "and asks the question");
    struct err again = {""};
    ok(service_poll(s, 1000, on_answer, &got, &again) == -1, "and stays stopped");
    is(again.text, got.stop, "for the same reason");
    service_free(s);
}

static void connections(void)
{
    struct service_options o = quick();
    o.retries = 0;
    ends("times 2 reset", &o, SERVICE_ANSWER, 3, "", "reset before the headers");
    ends("times 2 reset-body", &o, SERVICE_ANSWER, 3, "", "reset within the body");
    o.first_byte_s = 0.3;
    ends("times 1 hang", &o, SERVICE_ANSWER, 2, "", "no first byte in time");
    ok(got.seconds >= 0.3, "which was waited for: %.2f s", got.seconds);
    o.patience_s = 0.5;
    stops("hang", &o, "no answer within the time-out", "never a first byte");
    o = quick();
    o.retries = 0;
    o.total_s = 1;
    ends("times 1 slow", &o, SERVICE_ANSWER, 2, "", "a body that comes drop by drop");
    o.patience_s = 0.2;
    o.total_s = 10;
    stops("reset", &o, "nothing for", "nothing but resets");
    stops("reset-body", &o, "nothing for", "half a body is no answer");
    o.concurrency = 1;
    play("nth 2 reset-body\nnth 40 reset-body\ndelay 20", &o, 50, NULL);
    ok(count_answered(50) == 50 && got.seconds > 2 * o.patience_s,
       "patience starts anew with each answer: %.1f s", got.seconds);
}

static void poison(void)
{
    struct service_options o = quick();
    o.concurrency = 4;
    o.patience_s = 1;
    play("body \"place 5.\" reset\ndelay 5", &o, MOST, NULL);
    ok(got.rc == 0 && count_answered(MOST) == MOST - 1 && got.outcome[5] == SERVICE_FAILED,
       "one request breaks its connections, %d of %d are answered", count_answered(MOST), MOST);
    ok(got.attempts[5] > 3, "it was sent %d times", got.attempts[5]);
}

static void dies_and_returns(void)
{
    struct server_run r;
    struct service_options o = quick();
    struct err stop = {""};
    int sent = 0, died = 0, n = 200;
    server_start(&r, argv0, "nth 60 die", "--latency 5");
    o.url = r.url;
    o.retries = 0;
    struct service *s = start(&o);
    got = (struct got){0};
    while (got.rc == 0 && (sent < n || service_busy(s) > 0)) {
        while (sent < n && service_room(s) > 0) {
            struct service_request q = request(sent++);
            service_submit(s, &q);
        }
        got.rc = service_poll(s, 100, on_answer, &got, &stop);
        if (!died && waitpid(r.pid, NULL, WNOHANG) == r.pid) {
            died = 1;
            usleep(200000);
            server_again(&r, argv0, NULL, "--latency 5");
        }
    }
    ok(died && got.rc == 0 && count_answered(n) == n,
       "the server died and came back: %d of %d answered once", count_answered(n), n);
    service_free(s);
    server_stop(&r);
}

static void chaos(void)
{
    static char calm[MOST][256];
    struct server_run r;
    struct service_options o = quick();
    o.retries = 20;
    play(NULL, &o, MOST, NULL);
    memcpy(calm, got.text, sizeof calm);
    server_start(&r, argv0, NULL, "--chaos 11");
    o.url = r.url;
    o.concurrency = 16;
    struct service *s = start(&o);
    drive(s, MOST, NULL);
    service_free(s);
    ok(count_answered(MOST) == MOST && server_count(&r) > MOST + 20,
       "%d requests through chaos, %d sent", MOST, server_count(&r));
    ok(memcmp(calm, got.text, sizeof calm) == 0, "the same answers as of a calm run");
    server_stop(&r);
}

/* ---- rates ---- */

/* The longest pause between two requests of the last run's log. */
static double log_times(const char *script, const struct service_options *o, int n, double *at)
{
    struct server_run r;
    struct buf b = {0};
    struct service_options mine = *o;
    double longest = 0;
    int k = 0;
    server_start(&r, argv0, script, NULL);
    mine.url = r.url;
    struct service *s = start(&mine);
    drive(s, n, NULL);
    service_free(s);
    server_log(&r, &b);
    server_stop(&r);
    for (char *save, *l = strtok_r(b.data, "\n", &save); l; l = strtok_r(NULL, "\n", &save), k++)
        if (sscanf(l, "%*d %lf", &at[k]) == 1 && k > 0 && at[k] - at[k - 1] > longest)
            longest = at[k] - at[k - 1];
    got.requests = k;
    buf_release(&b);
    return longest;
}

static void too_many(void)
{
    struct service_options o = quick();
    char script[256], date[64];
    ends("times 1 status 429 \"{}\" header \"Retry-After: 1\"", &o, SERVICE_ANSWER, 2, "",
         "429, seconds");
    ok(got.seconds >= 0.99 && got.seconds < 15, "which were waited: %.2f s", got.seconds);
    ends("times 1 status 429 \"{}\" header \"retry-after-ms: 300\"", &o, SERVICE_ANSWER, 2, "",
         "429, milliseconds");
    ok(got.seconds >= 0.29 && got.seconds < 15, "which were waited: %.2f s", got.seconds);
    time_t then = time(NULL) + 3;
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime(&then));
    snprintf(script, sizeof script, "times 1 status 429 \"{}\" header \"Retry-After: %s\"", date);
    ends(script, &o, SERVICE_ANSWER, 2, "", "429, a date");
    ok(got.seconds >= 0.9 && got.seconds < 15, "which was waited for: %.2f s", got.seconds);
    ends("times 1 status 429 \"{}\"", &o, SERVICE_ANSWER, 2, "", "429, no header");
    ends("status 429 \"{}\" header \"Retry-After: 500\"", &o, SERVICE_FAILED, 1, "wait 500 s",
         "429, longer than we wait");
    ends("status 429 \"{\\\"error\\\":{\\\"message\\\":\\\"slow down\\\"}}\"", &o, SERVICE_FAILED,
         3, "HTTP 429: slow down", "429 for ever");
    stops("status 429 \"{\\\"error\\\":{\\\"message\\\":\\\"no money\\\",\\\"code\\\":"
          "\\\"insufficient_quota\\\"}}\"", &o, "quota", "429 for want of money");
    shows(got.stop, "no money", "in the service's words");
}

static void everybody_waits(void)
{
    struct service_options o = quick();
    double at[MOST];
    o.concurrency = 1;
    log_times("nth 2 status 429 \"{}\" header \"retry-after-ms: 700\"", &o, 6, at);
    ok(count_answered(6) == 6 && got.requests == 7 && at[2] - at[1] >= 0.69,
       "a 429 holds all sending: %.2f s", at[2] - at[1]);
    log_times("nth 1 status 200 \"{\\\"choices\\\":[{\\\"message\\\":{\\\"content\\\":\\\"x\\\"}}]}\""
              " header \"x-ratelimit-remaining-requests: 0\""
              " header \"x-ratelimit-reset-requests: 0m0.6s\"", &o, 3, at);
    ok(count_answered(3) == 3 && at[1] - at[0] >= 0.59, "so does a limit that is used up: %.2f s",
       at[1] - at[0]);
    o.concurrency = 8;
    o.rpm = 600;
    log_times(NULL, &o, 16, at);
    ok(count_answered(16) == 16 && at[15] - at[0] >= 0.55 && at[15] - at[0] < 15,
       "600 a minute: 6 beyond the bucket take %.2f s", at[15] - at[0]);
    o.rpm = 0;
    o.tpm = 60000; /* ten requests of 100 tokens a second */
    log_times(NULL, &o, 16, at);
    ok(at[15] - at[0] >= 0.55 && at[15] - at[0] < 15, "and so with tokens: %.2f s",
       at[15] - at[0]);
}

static void refused_by_turns(void)
{
    struct service_options o = quick();
    o.concurrency = 16;
    o.retries = 3;
    /* Refused two times in three: no request may be lost while others get through. */
    char script[2048] = "";
    for (int k = 1; k < 150; k += 3)
        snprintf(script + strlen(script), sizeof script - strlen(script), "nth %d default\n", k);
    strcat(script, "nth 1-150 status 429 \"{}\" header \"retry-after-ms: 10\"\n");
    play(script, &o, 60, NULL);
    ok(count_answered(60) == 60 && got.requests > 90, "%d requests for 60 answers, %d answered",
       got.requests, count_answered(60));
}

/* ---- errors of the service ---- */

#define ERROR(m) "{\\\"error\\\":{\\\"message\\\":\\\"" m "\\\"}}"

static void errors(void)
{
    struct service_options o = quick();
    ends("times 2 status 500 \"<html>oops</html>\"", &o, SERVICE_ANSWER, 3, "", "500 twice");
    ends("status 500 \"<html><b>oops</b></html>\"", &o, SERVICE_FAILED, 3, "HTTP 500: oops",
         "500 for ever");
    ok(!strchr(got.err[0], '<'), "without its tags");
    ends("times 1 status 503 \"" ERROR("Loading model") "\"", &o, SERVICE_ANSWER, 2, "",
         "503 while loading");
    ends("status 503", &o, SERVICE_FAILED, 3, "HTTP 503: no message", "503 with an empty body");
    ends("times 1 status 408 \"{}\"", &o, SERVICE_ANSWER, 2, "", "408");
    ends("times 1 status 409 \"{}\"", &o, SERVICE_ANSWER, 2, "", "409");
    ends("status 500 \"no\" header \"x-should-retry: false\"", &o, SERVICE_FAILED, 1, "HTTP 500",
         "500 that says not to ask again");
    ends("times 1 status 400 \"no\" header \"x-should-retry: true\"", &o, SERVICE_ANSWER, 2, "",
         "400 that says to ask again");
    ends("status 400 \"" ERROR("bad picture") "\"", &o, SERVICE_REJECTED, 1,
         "HTTP 400: bad picture", "400");
    ends("status 413 \"too big\"", &o, SERVICE_REJECTED, 1, "HTTP 413: too big", "413");
    ends("status 422 \"\xff\xfe\"", &o, SERVICE_REJECTED, 1, "HTTP 422", "422 of no UTF-8");
    ok(utf8_clean(got.err[0], strlen(got.err[0])), "is shown as UTF-8");
    ends("status 403 \"" ERROR("flagged by moderation") "\"", &o, SERVICE_REJECTED, 1, "flagged",
         "403 about the content");
    stops("status 401 \"" ERROR("who are you") "\"", &o, "LLM_API_KEY", "401");
    shows(got.stop, "--key-file", "401 names the ways to give a key");
    stops("status 403 \"" ERROR("not for you") "\"", &o, "not for you", "403");
    stops("status 404 \"" ERROR("no model m") "\"", &o, "no model m", "404");
    shows(got.stop, "--model", "404 names what to check");
    stops("status 402 \"" ERROR("pay") "\"", &o, "money", "402");
}

static void too_long(void)
{
    ends("status 400 \"{\\\"error\\\":{\\\"message\\\":\\\"too many\\\",\\\"code\\\":"
         "\\\"context_length_exceeded\\\"}}\"", NULL, SERVICE_TOO_LONG, 1, "too many",
         "OpenAI's context");
    ends("status 500 \"" ERROR("the request exceeds the available context size") "\"", NULL,
         SERVICE_TOO_LONG, 1, "context size", "llama.cpp's");
    ends("status 413 \"" ERROR("Requested tokens (9) exceed context window of 8") "\"", NULL,
         SERVICE_TOO_LONG, 1, "window of 8", "llama-cpp-python's");
    ends("status 400 \"{\\\"object\\\":\\\"error\\\",\\\"message\\\":\\\"This model's maximum "
         "context length is 8 tokens\\\",\\\"code\\\":400}\"", NULL, SERVICE_TOO_LONG, 1,
         "maximum context length", "vLLM's");
}

static void quirks(void)
{
    static const char script[] =
        "body \"response_format\" status 400 \"" ERROR("response_format is not supported") "\"\n"
        "body \"\\\"max_tokens\\\"\" status 400 \"" ERROR("Unsupported parameter: 'max_tokens'. "
                                                        "Use 'max_completion_tokens'") "\"\n"
        "body \"temperature\" status 400 \"" ERROR("'temperature' does not support 0") "\"\n"
        "body \"\\\"system\\\"\" status 500 \"" ERROR("System role not supported") "\"\n";
    struct service_request r = {.system = "Be brief.", .schema = "{\"type\":\"object\"}",
                                .schema_name = "s", .max_tokens = 9};
    struct service_options o = quick();
    o.retries = 0;
    o.concurrency = 1;
    play(script, &o, 10, &r);
    ok(count_answered(10) == 10 && got.attempts[0] == 6 && got.requests == 15,
       "five quirks are learnt by the first request: %d sent for 10", got.requests);
    is(got.note, "no temperature, max_completion_tokens for max_tokens, no response_format, "
                 "no system role", "and told");
    o.concurrency = 16;
    play(script, &o, 100, &r);
    ok(count_answered(100) == 100 && got.requests <= 100 + 5 * 16,
       "those in flight meanwhile are sent again: %d for 100", got.requests);
    play("body \"max_completion_tokens\" status 400 \""
         ERROR("Unrecognized argument: max_completion_tokens") "\"\n"
         "body \"max_tokens\" status 400 \"" ERROR("Unsupported parameter: max_tokens") "\"\n",
         &o, 1, &r);
    ok(got.outcome[0] == SERVICE_REJECTED && got.attempts[0] == 3, "no loop: %d attempts",
       got.attempts[0]);
    is(got.note, "", "back to max_tokens is nothing to tell");
}

static void rejections(void)
{
    struct service_options o = quick();
    o.concurrency = 1;
    play("status 400 \"" ERROR("bad prompt") "\"", &o, 40, NULL);
    ok(got.rc == -1 && got.n == 20, "the same rejection 20 times in a row: stop after %d", got.n);
    shows(got.stop, "bad prompt", "with its message");
    play("nth 15 default\nstatus 400 \"" ERROR("bad prompt") "\"", &o, 30, NULL);
    ok(got.rc == 0 && got.n == 30 && count_answered(30) == 1, "an answer between: no stop");
    play("body \"5.\" status 400 \"five\"\nstatus 400 \"other\"", &o, 60, NULL);
    ok(got.rc == 0 && got.n == 60, "different rejections: no stop");
}

static void paid_answers_survive_a_stop(void)
{
    struct server_run r;
    struct service_options o = quick();
    struct err stop = {""};
    server_start(&r, argv0, "body \"place 0.\" delay 500\nstatus 401 \"{}\"", NULL);
    o.url = r.url;
    o.concurrency = 2;
    struct service *s = start(&o);
    got = (struct got){0};
    for (int i = 0; i < 4; i++) {
        struct service_request q = request(i);
        service_submit(s, &q);
    }
    int rc = 0;
    for (int k = 0; rc == 0 && k < 100; k++)
        rc = service_poll(s, 1000, on_answer, &got, &stop);
    ok(rc == -1 && got.n == 0 && service_busy(s) == 1, "stopped with one in flight");
    struct service_request late = request(9);
    service_submit(s, &late);
    for (int k = 0; service_busy(s) > 0 && k < 100; k++)
        ok(service_poll(s, 1000, on_answer, &got, &stop) == -1, "still stopped");
    ok(got.n == 1 && answered(0), "its answer is handed over");
    ok(server_count(&r) == 2, "and nothing more was sent");
    service_free(s);
    server_stop(&r);
}

/* ---- answers that are none, or odd ---- */

static void odd_answers(void)
{
    struct service_options o = quick();
    ends("times 2 truncated-json", &o, SERVICE_ANSWER, 3, "", "half an answer, twice");
    ends("truncated-json", &o, SERVICE_FAILED, 3, "not JSON", "half an answer, for ever");
    ends("no-choices", &o, SERVICE_FAILED, 3, "no choices", "no choices");
    ends("bad-utf8", &o, SERVICE_ANSWER, 1, "", "no UTF-8");
    is(got.text[0], "caf\xef\xbf\xbd \xef\xbf\xbd and a bell  ", "repaired");
    ends("surrogate", &o, SERVICE_ANSWER, 1, "", "half a surrogate");
    is(got.text[0], "half \xef\xbf\xbd and NUL \xef\xbf\xbd whole \xf0\x9f\x98\x80", "repaired");
    ends("parts", &o, SERVICE_ANSWER, 1, "", "content in parts");
    is(got.text[0], "one two", "joined");
    ends("null-content", &o, SERVICE_ANSWER, 1, "", "null content");
    ok(!got.has_text[0], "is no text");
    ends("refusal", &o, SERVICE_ANSWER, 1, "", "a refusal");
    is(got.refusal[0], "I cannot help with that.", "in its words");
    ends("finish length", &o, SERVICE_ANSWER, 1, "", "cut");
    is(got.finish[0], "length", "finish_reason length");
    ends("finish content_filter", &o, SERVICE_ANSWER, 1, "", "filtered");
    is(got.finish[0], "content_filter", "finish_reason content_filter");
}

static void large_answers(void)
{
    struct service_options o = quick();
    long before = peak_rss_kib();
    o.retries = 1;
    ends("huge", &o, SERVICE_FAILED, 2, "more than 4194304 bytes", "a body of 1 GiB");
    ends("gzip-bomb", &o, SERVICE_FAILED, 2, "more than 4194304 bytes", "64 MiB packed in 64 KiB");
    ok(peak_rss_kib() - before < GROWTH_KIB, "took %ld KiB", peak_rss_kib() - before);
    ends("times 1 status 200 \"\x1f\x8b nonsense\" header \"Content-Encoding: gzip\"", &o,
         SERVICE_ANSWER, 2, "", "a broken packed body");
}

static void redirected(void)
{
    struct server_run other;
    char script[128];
    server_start(&other, argv0, NULL, NULL);
    snprintf(script, sizeof script, "redirect \"%s/elsewhere\"", other.url);
    stops(script, NULL, "redirects are not followed", "a redirect");
    shows(got.stop, other.url, "the sentence says where to");
    ok(got.requests == 1 && server_count(&other) == 0, "nobody went there");
    server_stop(&other);
}

/* ---- the key and the certificate ---- */

static void key_in_errors(void)
{
    struct service_options o = quick();
    char key[] = "sk-secret-0123456789", script[128];
    o.key = key;
    o.concurrency = 1;
    ends("echo-key", &o, SERVICE_REJECTED, 1, "bad request with Bearer ****", "the key echoed");
    ok(!strstr(got.err[0], "secret"), "does not come through");
    play("echo-key", &o, 25, NULL);
    ok(got.rc == -1 && !strstr(got.stop, "secret"), "nor in the sentence of a stop");
    snprintf(script, sizeof script, "content \"the key is %s\"", key);
    play(script, &o, 1, NULL);
    is(got.text[0], "the key is ********************", "nor in an answer");
    stops("redirect \"http://127.0.0.1:1/?k=sk-secret-0123456789\"", &o, "k=****", "redirect");
    stops("status 401 \"" ERROR("bad sk-secret-0123456789") "\"", &o, "is not accepted", "401");
    ok(!strstr(got.stop, "secret"), "nor there");
    o.key = NULL;
    ends("echo-key", &o, SERVICE_REJECTED, 1, "bad request with", "no key");
    ok(!strstr(got.err[0], "Bearer"), "no header is sent");
}

static void tls_run(const char *ca, const char *cert, int n)
{
    struct server_run r;
    struct service_options o = quick();
    char args[128];
    snprintf(args, sizeof args, "--tls tests/golden/tls/%scert.pem tests/golden/tls/%skey.pem", cert,
             cert);
    server_start(&r, argv0, NULL, args);
    o.url = r.url;
    o.ca_file = ca;
    struct service *s = start(&o);
    drive(s, n, NULL);
    service_free(s);
    got.requests = server_count(&r);
    server_stop(&r);
}

static void tls(void)
{
    tls_run(NULL, "", 2);
    ok(got.rc == -1 && got.requests == 0, "an unknown certificate: stop before anything is sent");
    shows(got.stop, "certificate", "the sentence says it");
    shows(got.stop, "--ca-file", "and what to do");
    tls_run("tests/golden/tls/cert.pem", "", 20);
    ok(got.rc == 0 && count_answered(20) == 20, "a certificate that is named is trusted");
    tls_run("tests/golden/tls/other-cert.pem", "other-", 2);
    ok(got.rc == -1 && got.requests == 0, "a certificate for another host: stop");
}

/* ---- options ---- */

static void refuses(struct service_options o, const char *part, const char *name)
{
    struct err e = {""};
    struct service *s = service_new(&o, &e);
    ok(!s, "refused: %s", name);
    shows(e.text, part, name);
    service_free(s);
}

static void options(void)
{
    struct service_options o = quick(), good;
    o.url = "http://127.0.0.1:1/v1";
    good = o;
    o.url = "ftp://127.0.0.1/v1", refuses(o, "no address", "another protocol");
    o.url = "127.0.0.1:8080", refuses(o, "no address", "no protocol");
    o.url = "http://me:sk-secret@127.0.0.1/v1", refuses(o, "--key-file", "a password in the URL");
    o = good, o.url = NULL, refuses(o, "no address", "no URL");
    o = good, o.model = "", refuses(o, "no model", "no model");
    o = good, o.concurrency = 0, refuses(o, "0 requests", "nothing in flight");
    o = good, o.concurrency = 100000, refuses(o, "100000", "too many in flight");
    o = good, o.rpm = -1, refuses(o, "-1", "a limit below 0");
    o = good, o.total_s = 0, refuses(o, "time-outs", "no time");
    o = good, o.retries = -1, refuses(o, "-1", "retries below 0");
    o = good, o.ca_file = "/no/such/file", refuses(o, "/no/such/file", "no CA file");
}

static void on_signal(int sig)
{
    (void)sig;
}

static void signals(void)
{
    struct server_run r;
    struct service_options o = quick();
    struct err stop;
    struct sigaction a = {.sa_handler = on_signal}, old;
    server_start(&r, argv0, "hang", NULL);
    o.url = r.url;
    struct service *s = start(&o);
    struct service_request q = request(0);
    service_submit(s, &q);
    sigaction(SIGALRM, &a, &old);
    alarm(1);
    double t = monotonic_s();
    ok(service_poll(s, 30000, on_answer, &got, &stop) == 0 && monotonic_s() - t < 15,
       "a signal ends the poll");
    sigaction(SIGALRM, &old, NULL);
    service_free(s);
    server_stop(&r);
}

/* ---- speed, told and not judged ---- */

static double cpu_s(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static int counted;

static void on_counted(void *ctx, const struct service_answer *a)
{
    (void)ctx;
    counted += a->outcome == SERVICE_ANSWER;
}

static void speed(const char *args, int n)
{
    struct server_run r;
    struct service_options o = quick();
    struct err stop;
    struct service_request q = {.system = "You summarise.", .max_tokens = 50};
    char user[4001];
    int sent = 0, rc = 0;
    memset(user, 'a', sizeof user - 1);
    user[sizeof user - 1] = 0;
    q.user = user;
    server_start(&r, argv0, NULL, args);
    o.url = r.url;
    o.concurrency = 64;
    struct service *s = start(&o);
    counted = 0;
    double t = monotonic_s(), cpu = cpu_s();
    while (rc == 0 && (sent < n || service_busy(s) > 0)) {
        for (; sent < n && service_room(s) > 0; sent++) {
            int at = snprintf(user, sizeof user, "%08d", sent);
            user[at] = 'a';
            service_submit(s, &q);
        }
        rc = service_poll(s, 1000, on_counted, NULL, &stop);
    }
    t = monotonic_s() - t, cpu = cpu_s() - cpu;
    ok(rc == 0 && counted == n, "%d requests, 64 in flight, all answered", n);
    printf("# %s: %.0f requests/s, %.3f ms of CPU a request\n", args ? args : "no latency", n / t,
           cpu * 1000 / n);
    service_free(s);
    server_stop(&r);
}

int main(int argc, char **argv)
{
    (void)argc;
    argv0 = argv[0];
    unsetenv("http_proxy");
    unsetenv("https_proxy");
    unsetenv("HTTPS_PROXY");
    unsetenv("ALL_PROXY");
    unsetenv("all_proxy");
    plain();
    out_of_order();
    schema();
    images();
    from_the_callback();
    free_in_flight();
    refused();
    connections();
    poison();
    dies_and_returns();
    chaos();
    too_many();
    everybody_waits();
    refused_by_turns();
    errors();
    too_long();
    quirks();
    rejections();
    paid_answers_survive_a_stop();
    odd_answers();
    large_answers();
    redirected();
    key_in_errors();
    tls();
    options();
    signals();
    speed("--latency 50", 2560);
    speed(NULL, 5000);
    return done();
}
