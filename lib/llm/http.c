/* SPDX-License-Identifier: MIT */
#include "llm/http.h"
#include "base/util.h"
#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define WATCH_S 0.05 /* between looks at the time-outs that libcurl does not have */
#define EVENTS 64

struct slot {
    struct slot *next; /* in the list of free slots */
    struct http *home;
    CURL *easy;
    struct curl_slist *headers;
    char *type; /* the headers are for */
    curl_mime *form;
    struct buf body;
    FILE *to;
    size_t to_left;
    void *ctx;
    bool busy, too_large;
    double sent_at;
    double mark_at;   /* watched body: at that time ... */
    size_t mark_size; /* ... so many bytes had come, packed */
    char error[CURL_ERROR_SIZE];
};

struct http {
    struct http_options o;
    char *ca_file;
    CURLM *multi;
    int epoll;
    double timer_at; /* when libcurl wants to be called; INFINITY: not at all */
    double watch_at;
    struct slot *slots, *free;
    int busy;
    bool interrupted;
};

static const char slow[] = "no answer within the time-out; a slow server wants a lower "
                           "--concurrency or a longer --timeout";

/* ---- what libcurl calls ---- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *self, void *known)
{
    struct http *h = self;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(h->epoll, EPOLL_CTL_DEL, fd, NULL);
        curl_multi_assign(h->multi, fd, NULL);
        return 0;
    }
    struct epoll_event ev = {.data.fd = fd};
    ev.events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
    /* A descriptor that was closed behind our back has left the set: then add it again. */
    if (!known || epoll_ctl(h->epoll, EPOLL_CTL_MOD, fd, &ev) != 0) {
        if (epoll_ctl(h->epoll, EPOLL_CTL_ADD, fd, &ev) != 0 && errno == EEXIST)
            epoll_ctl(h->epoll, EPOLL_CTL_MOD, fd, &ev);
        curl_multi_assign(h->multi, fd, h);
    }
    return 0;
}

static int on_timer(CURLM *multi, long ms, void *self)
{
    struct http *h = self;
    (void)multi;
    h->timer_at = ms < 0 ? (double)INFINITY : monotonic_s() + (double)ms / 1000;
    return 0;
}

/* A file that cannot be written ends the transfer; its owner sees that by ferror. */
static size_t to_file(struct slot *s, const char *p, size_t n)
{
    s->too_large = n > s->to_left;
    if (s->too_large)
        return n + 1;
    s->to_left -= n;
    return fwrite(p, 1, n, s->to);
}

static size_t on_body(char *p, size_t size, size_t n, void *self)
{
    struct slot *s = self;
    long status = 0;
    n *= size;
    if (s->to)
        curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && status < 300)
        return to_file(s, p, n);
    if (n > s->home->o.answer_max - s->body.len) {
        s->too_large = true;
        return n + 1; /* anything but n ends the transfer */
    }
    buf_add(&s->body, p, n);
    return n;
}

/* ---- opening ---- */

static void global_init(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static void set_options(struct slot *s)
{
    const struct http_options *o = &s->home->o;
    CURL *c = s->easy;
    curl_easy_setopt(c, CURLOPT_PRIVATE, s);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, s->error);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, s);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(c, CURLOPT_USERAGENT, "mmrec/" MM_VERSION);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)ceil(o->connect_s * 1000));
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)ceil(o->total_s * 1000));
    /* This replaces the system's file of certificates; its directory stays in use. */
    if (s->home->ca_file)
        curl_easy_setopt(c, CURLOPT_CAINFO, s->home->ca_file);
}

struct http *http_new(const struct http_options *o, struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, global_init);
    if (o->ca_file && access(o->ca_file, R_OK) != 0) {
        err_set(e, "%s: %s", o->ca_file, strerror(errno));
        return NULL;
    }
    struct http *h = xcalloc(1, sizeof *h);
    *h = (struct http){.o = *o, .timer_at = INFINITY, .watch_at = INFINITY};
    h->ca_file = o->ca_file ? xstrdup(o->ca_file) : NULL;
    h->slots = xcalloc((size_t)o->concurrency, sizeof *h->slots);
    h->epoll = epoll_create1(EPOLL_CLOEXEC);
    h->multi = curl_multi_init();
    if (h->epoll < 0 || !h->multi) {
        err_set(e, "no network: %s", h->epoll < 0 ? strerror(errno) : "libcurl does not start");
        http_free(h);
        return NULL;
    }
    curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
    curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
    curl_multi_setopt(h->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
    curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)o->concurrency + 1);
    for (int i = o->concurrency - 1; i >= 0; i--) {
        h->slots[i].home = h;
        h->slots[i].next = h->free;
        h->free = &h->slots[i];
    }
    return h;
}

static void free_headers(struct slot *s)
{
    for (struct curl_slist *l = s->headers; l; l = l->next)
        explicit_bzero(l->data, strlen(l->data));
    curl_slist_free_all(s->headers);
    s->headers = NULL;
    free(s->type);
    s->type = NULL;
}

void http_free(struct http *h)
{
    if (!h)
        return;
    for (int i = 0; i < h->o.concurrency; i++) {
        struct slot *s = &h->slots[i];
        if (s->busy)
            curl_multi_remove_handle(h->multi, s->easy);
        curl_easy_cleanup(s->easy);
        curl_mime_free(s->form);
        free_headers(s);
        buf_release(&s->body);
    }
    curl_multi_cleanup(h->multi);
    if (h->epoll >= 0)
        close(h->epoll);
    free(h->slots);
    free(h->ca_file);
    free(h);
}

/* ---- sending ---- */

static void add_header(struct slot *s, const char *line)
{
    struct curl_slist *l = curl_slist_append(s->headers, line);
    if (!l)
        die("out of memory");
    s->headers = l;
}

static void set_headers(struct slot *s, const char *type)
{
    if (s->type && strcmp(s->type, type) == 0)
        return;
    curl_easy_setopt(s->easy, CURLOPT_HTTPHEADER, NULL);
    free_headers(s);
    s->type = xstrdup(type);
    char *line;
    if (*type) {
        line = xasprintf("Content-Type: %s", type);
        add_header(s, line);
        free(line);
    }
    add_header(s, "Accept: application/json");
    add_header(s, "Expect:"); /* no round trip before a large body */
    if (s->home->o.key) {
        line = xasprintf("Authorization: Bearer %s", s->home->o.key);
        add_header(s, line);
        explicit_bzero(line, strlen(line));
        free(line);
    }
    curl_easy_setopt(s->easy, CURLOPT_HTTPHEADER, s->headers);
}

/* libcurl reads the file while it sends: it is never whole in memory. */
static void set_form(struct slot *s, const struct http_request *r)
{
    s->form = curl_mime_init(s->easy);
    curl_mimepart *purpose = s->form ? curl_mime_addpart(s->form) : NULL;
    curl_mimepart *file = purpose ? curl_mime_addpart(s->form) : NULL;
    if (!file || curl_mime_name(purpose, "purpose") != CURLE_OK ||
        curl_mime_data(purpose, r->purpose, CURL_ZERO_TERMINATED) != CURLE_OK ||
        curl_mime_name(file, "file") != CURLE_OK)
        die("out of memory");
    curl_mime_filedata(file, r->file); /* one that is gone fails the transfer */
    curl_mime_type(file, "application/jsonl");
    curl_easy_setopt(s->easy, CURLOPT_MIMEPOST, s->form);
}

void http_send(struct http *h, const struct http_request *r)
{
    struct slot *s = h->free;
    assert(s && "more requests than concurrency");
    h->free = s->next;
    if (!s->easy) {
        s->easy = curl_easy_init();
        if (!s->easy)
            die("out of memory");
        set_options(s);
    }
    set_headers(s, r->file ? "" : r->type ? r->type : "application/json");
    curl_easy_setopt(s->easy, CURLOPT_URL, r->url);
    /* Over TLS the first connection tells whether one is enough for all. */
    curl_easy_setopt(s->easy, CURLOPT_PIPEWAIT, strncmp(r->url, "https", 5) == 0 ? 1L : 0L);
    if (r->file) {
        set_form(s, r);
    } else if (r->body) {
        curl_easy_setopt(s->easy, CURLOPT_POST, 1L);
        curl_easy_setopt(s->easy, CURLOPT_POSTFIELDS, r->body);
        curl_easy_setopt(s->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->bytes);
    } else {
        curl_easy_setopt(s->easy, CURLOPT_HTTPGET, 1L);
    }
    buf_clear(&s->body);
    s->to = r->to;
    s->to_left = r->to_max;
    s->ctx = r->ctx;
    s->too_large = false;
    s->error[0] = 0;
    s->sent_at = monotonic_s();
    s->mark_at = 0;
    s->busy = true;
    if (h->busy++ == 0)
        h->watch_at = s->sent_at + WATCH_S;
    curl_multi_add_handle(h->multi, s->easy);
}

int http_busy(const struct http *h)
{
    return h->busy;
}

bool http_interrupted(const struct http *h)
{
    return h->interrupted;
}

/* ---- results ---- */

static enum http_fault fault_of(CURLcode code)
{
    switch (code) {
    case CURLE_OK: return HTTP_WHOLE;
    case CURLE_OPERATION_TIMEDOUT: return HTTP_TIMEOUT;
    case CURLE_BAD_CONTENT_ENCODING: return HTTP_ENCODING;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_ENGINE_SETFAILED: return HTTP_TLS;
    default: return HTTP_UNREACHABLE;
    }
}

static double info_s(CURL *c, CURLINFO what)
{
    curl_off_t us = 0;
    curl_easy_getinfo(c, what, &us);
    return (double)us * 1e-6;
}

/* Takes the transfer out of libcurl and hands its result over. */
static void finish(struct slot *s, CURLcode code, const char *why, http_result_fn *fn, void *ctx)
{
    struct http *h = s->home;
    struct http_result r = {.ctx = s->ctx, .body = &s->body, .sent_at = s->sent_at};
    long status = 0;
    curl_multi_remove_handle(h->multi, s->easy);
    curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
    r.status = (int)status;
    r.easy = s->easy;
    r.fault = s->too_large ? HTTP_TOO_LARGE : fault_of(code);
    r.latency_s = info_s(s->easy, CURLINFO_TOTAL_TIME_T) -
                  info_s(s->easy, CURLINFO_PRETRANSFER_TIME_T);
    if (r.fault == HTTP_TOO_LARGE && s->to)
        err_set(&r.err, "a file that is larger than it can be");
    else if (r.fault == HTTP_TOO_LARGE)
        err_set(&r.err, "an answer of more than %zu bytes", h->o.answer_max);
    else if (r.fault != HTTP_WHOLE)
        err_set(&r.err, "%s", why ? why : s->error[0] ? s->error : curl_easy_strerror(code));
    fn(ctx, &r);
    s->busy = false;
    s->to = NULL;
    if (s->form) {
        curl_easy_setopt(s->easy, CURLOPT_MIMEPOST, NULL);
        curl_mime_free(s->form);
        s->form = NULL;
    }
    s->next = h->free;
    h->free = s;
    h->busy--;
    if (s->body.cap > 1 << 20) /* one large answer must not be kept for the whole run */
        buf_release(&s->body);
}

static int take_results(struct http *h, http_result_fn *fn, void *ctx)
{
    int n = 0, left;
    for (CURLMsg *m; (m = curl_multi_info_read(h->multi, &left)) != NULL;) {
        char *p = NULL;
        CURLcode code = m->data.result;
        if (m->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &p);
        finish((struct slot *)(void *)p, code, NULL, fn, ctx);
        n++;
    }
    return n;
}

/* Whether the transfer has waited too long for its first byte or for more of its body. */
static const char *overdue(struct slot *s, double now)
{
    const struct http_options *o = &s->home->o;
    if (now - s->sent_at < fmin(o->first_byte_s, o->slow_s))
        return NULL;
    double sent = info_s(s->easy, CURLINFO_PRETRANSFER_TIME_T);
    if (sent <= 0)
        return NULL; /* still connecting, libcurl's own time-out */
    curl_off_t size = 0;
    curl_easy_getinfo(s->easy, CURLINFO_SIZE_DOWNLOAD_T, &size);
    if (info_s(s->easy, CURLINFO_STARTTRANSFER_TIME_T) <= 0)
        return now - s->sent_at - sent > o->first_byte_s ? slow : NULL;
    if (s->mark_at <= 0 || (double)size - (double)s->mark_size >= o->slow_s) {
        s->mark_at = now;
        s->mark_size = (size_t)size;
    }
    return now - s->mark_at > o->slow_s ? "the answer came slower than 1 byte/s" : NULL;
}

static int watch(struct http *h, http_result_fn *fn, void *ctx)
{
    int n = 0;
    double now = monotonic_s();
    if (now < h->watch_at)
        return 0;
    for (int i = 0; i < h->o.concurrency; i++) {
        struct slot *s = &h->slots[i];
        const char *why = s->busy ? overdue(s, now) : NULL;
        if (why)
            finish(s, CURLE_OPERATION_TIMEDOUT, why, fn, ctx), n++;
    }
    h->watch_at = h->busy ? now + WATCH_S : (double)INFINITY;
    return n;
}

int http_poll(struct http *h, int timeout_ms, http_result_fn *fn, void *ctx)
{
    struct epoll_event ev[EVENTS];
    int running, n;
    double wait = fmin(h->timer_at, h->watch_at) - monotonic_s();
    wait = fmax(0, fmin((double)timeout_ms / 1000, wait));
    n = epoll_wait(h->epoll, ev, EVENTS, (int)ceil(wait * 1000));
    h->interrupted = n < 0 && errno == EINTR;
    for (int i = 0; i < n; i++) {
        int what = (ev[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                   (ev[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                   (ev[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
        curl_multi_socket_action(h->multi, ev[i].data.fd, what, &running);
    }
    if (monotonic_s() >= h->timer_at) {
        h->timer_at = INFINITY; /* on_timer sets the next one */
        curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    n = take_results(h, fn, ctx);
    return n + watch(h, fn, ctx);
}

const char *http_header(const struct http_result *r, const char *name)
{
    struct curl_header *found;
    if (curl_easy_header(r->easy, name, 0, CURLH_HEADER, -1, &found) != CURLHE_OK)
        return NULL;
    return found->value;
}

/* ---- addresses ---- */

static int append_path(CURLU *u, const char *tail)
{
    char *path = NULL, *joined;
    if (curl_url_get(u, CURLUPART_PATH, &path, 0) != CURLUE_OK)
        return -1;
    size_t n = strlen(path), t = strlen(tail);
    while (n > 0 && path[n - 1] == '/')
        n--;
    if (t == 0 || (n > t && path[n - t - 1] == '/' && memcmp(path + n - t, tail, t) == 0))
        joined = xasprintf("%.*s", t ? (int)n : (int)strlen(path), path);
    else
        joined = xasprintf("%.*s/%s", (int)n, path, tail);
    int rc = curl_url_set(u, CURLUPART_PATH, joined, 0) == CURLUE_OK ? 0 : -1;
    free(joined);
    curl_free(path);
    return rc;
}

static bool has_part(CURLU *u, CURLUPart part)
{
    char *s = NULL;
    bool has = curl_url_get(u, part, &s, 0) == CURLUE_OK;
    curl_free(s);
    return has;
}

char *http_url(const char *base, const char *tail, struct err *e)
{
    char *s = NULL, *out = NULL;
    CURLU *u = curl_url();
    if (!u)
        die("out of memory");
    bool http = strncasecmp(base, "http://", 7) == 0 || strncasecmp(base, "https://", 8) == 0;
    if (!http || curl_url_set(u, CURLUPART_URL, base, 0) != CURLUE_OK)
        err_set(e, "'%.200s' is no address like http://127.0.0.1:8080/v1", base);
    else if (has_part(u, CURLUPART_USER) || has_part(u, CURLUPART_PASSWORD))
        err_set(e, "the address holds a user or a password: put the key into a file and name it "
                   "with --key-file, or into LLM_API_KEY");
    else if (append_path(u, tail) < 0 || curl_url_get(u, CURLUPART_URL, &s, 0) != CURLUE_OK)
        err_set(e, "'%.200s' cannot be used as an address", base);
    else
        out = xstrdup(s);
    curl_free(s);
    curl_url_cleanup(u);
    return out;
}
