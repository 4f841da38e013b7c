/* SPDX-License-Identifier: MIT */
/* The HTTP layer by itself: addresses, time-outs, headers, GET; and the key. */
#include "llm/http.h"
#include "llm/key.h"
#include "server.h"
#include "tap.h"
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

static const char *argv0;

/* ---- addresses ---- */

static void url(const char *base, const char *tail, const char *want)
{
    struct err e = {""};
    char *s = http_url(base, tail, &e);
    is(s, want, base);
    ok(s || e.text[0], "%s", s ? "an address" : e.text);
    free(s);
}

static void urls(void)
{
    const char *tail = "chat/completions";
    url("http://h:8377/v1", tail, "http://h:8377/v1/chat/completions");
    url("http://h:8377/v1/", tail, "http://h:8377/v1/chat/completions");
    url("http://h:8377/v1///", tail, "http://h:8377/v1/chat/completions");
    url("https://h/v1/chat/completions", tail, "https://h/v1/chat/completions");
    url("https://h/v1/chat/completions/", tail, "https://h/v1/chat/completions");
    url("https://h/mychat/completions", tail, "https://h/mychat/completions/chat/completions");
    url("https://h", tail, "https://h/chat/completions");
    url("https://h/d/x?api-version=1", tail, "https://h/d/x/chat/completions?api-version=1");
    url("http://[::1]:80/v1", tail, "http://[::1]:80/v1/chat/completions");
    url("http://h/models/x", "", "http://h/models/x");
    url("http://h/models/x/", "", "http://h/models/x/");
    url("file:///etc/passwd", tail, NULL);
    url("h:8377/v1", tail, NULL);
    url("", tail, NULL);
    url("http://", tail, NULL);
    url("http://h:99999/v1", tail, NULL);
    url("http://h/a b", tail, NULL);
    url("http://user@h/v1", tail, NULL);
    url("http://user:secret@h/v1", tail, NULL);
}

/* ---- transfers ---- */

struct seen {
    int n, status, fault;
    char body[4096], retry[64], why[512];
    double latency;
};

static void on_result(void *ctx, struct http_result *r)
{
    struct seen *s = ctx;
    const char *retry = http_header(r, "Retry-After");
    s->n++;
    s->status = r->status;
    s->fault = (int)r->fault;
    s->latency = r->latency_s;
    snprintf(s->body, sizeof s->body, "%s", buf_str(r->body));
    snprintf(s->retry, sizeof s->retry, "%s", retry ? retry : "(none)");
    snprintf(s->why, sizeof s->why, "%s", r->err.text);
}

static struct http *open_http(double first_byte_s, double slow_s)
{
    struct err e;
    struct http_options o = {.concurrency = 2, .connect_s = 5, .first_byte_s = first_byte_s,
                             .total_s = 30, .slow_s = slow_s, .answer_max = 1 << 20};
    struct http *h = http_new(&o, &e);
    if (!h)
        die("%s", e.text);
    return h;
}

/* One request to that path of the server. */
static struct seen ask(struct http *h, const struct server_run *r, const char *path,
                       const char *body)
{
    struct seen s = {0};
    char *u = xasprintf("%.*s%s", (int)strlen(r->url) - 3, r->url, path);
    struct http_request q = {.url = u, .body = body, .bytes = body ? strlen(body) : 0};
    http_send(h, &q);
    for (double t = monotonic_s(); http_busy(h) && monotonic_s() - t < 40;)
        http_poll(h, 500, on_result, &s);
    free(u);
    return s;
}

static void transfers(void)
{
    struct server_run r;
    server_start(&r, argv0,
                 "path \"/hang\" hang\n"
                 "path \"/busy\" status 429 \"wait\" header \"retry-after: 3\"\n", NULL);
    struct http *h = open_http(20, 60);
    struct seen s = ask(h, &r, "/health", NULL);
    ok(s.n == 1 && s.status == 200 && s.fault == HTTP_WHOLE, "GET");
    is(s.body, "{\"status\":\"ok\"}", "its body");
    is(s.retry, "(none)", "a header that is not there");
    s = ask(h, &r, "/busy", "{}");
    ok(s.status == 429 && s.latency >= 0 && s.latency < 20, "POST on the same handle");
    is(s.retry, "3", "a header that is there, whatever its case");
    is(s.body, "wait", "the body of an error");
    s = ask(h, &r, "/health", NULL);
    is(s.body, "{\"status\":\"ok\"}", "GET again");
    http_free(h);
    h = open_http(0.3, 60);
    s = ask(h, &r, "/hang", NULL);
    ok(s.fault == HTTP_TIMEOUT && s.status == 0 && s.latency >= 0.3 && s.latency < 15,
       "no first byte: %s, %.2f s", s.why, s.latency);
    s = ask(h, &r, "/health", NULL);
    ok(s.status == 200, "the next request of that handle is fine");
    http_free(h);
    server_stop(&r);
}

static void dribble(void)
{
    struct server_run r;
    server_start(&r, argv0, "path \"/drip\" slow 1500\npath \"/slow\" slow\ndelay 1500", NULL);
    struct http *h = open_http(20, 1);
    struct seen s = ask(h, &r, "/health", NULL);
    ok(s.status == 200, "waiting for the first byte is not a slow body: %.1f s", s.latency);
    s = ask(h, &r, "/slow", NULL);
    ok(s.fault == HTTP_WHOLE && s.status == 404, "nor are 10 bytes a second: %.1f s", s.latency);
    s = ask(h, &r, "/drip", NULL);
    ok(s.fault == HTTP_TIMEOUT && s.latency < 15, "a byte in 1.5 s is: %s, %.1f s", s.why,
       s.latency);
    http_free(h);
    server_stop(&r);
}

/* ---- the key ---- */

static char *key_file(const char *bytes, size_t n, mode_t mode)
{
    static char path[] = "/tmp/mm-key.XXXXXX";
    strcpy(path + sizeof path - 7, "XXXXXX");
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, bytes, n) != (ssize_t)n || fchmod(fd, mode) < 0)
        die("%s: cannot be written", path);
    close(fd);
    return path;
}

static void from_file(const char *bytes, size_t n, mode_t mode, const char *want, const char *part,
                      const char *name)
{
    char *path = key_file(bytes, n, mode), *key;
    struct err e = {""};
    int rc = key_load(&key, path, &e);
    is(key, want, name);
    ok((rc == 0) == (want != NULL) && strstr(e.text, part), "%s: '%s'", name, e.text);
    ok(!strstr(e.text, "secret"), "%s: the sentence does not show it", name);
    key_free(key);
    unlink(path);
}

static void keys(void)
{
    char *key = (char[]){"x"}, large[5000];
    struct err e = {""};
    memset(large, 'k', sizeof large);
    unsetenv("LLM_API_KEY");
    ok(key_load(&key, NULL, &e) == 0 && !key, "no key anywhere");
    setenv("LLM_API_KEY", "", 1);
    ok(key_load(&key, NULL, &e) == 0 && !key, "an empty variable is none");
    unsetenv("LLM_API_KEY");
    ok(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1, "nothing loaded, nothing changed");
    from_file("sk-secret\r\n \n", 12, 0600, "sk-secret", "", "white space behind it is cut");
    from_file("sk-secret", 9, 0400, "sk-secret", "", "read-only");
    from_file("sk-secret", 9, 0640, NULL, "chmod 600", "readable by the group");
    from_file("sk-secret", 9, 0604, NULL, "chmod 600", "readable by others");
    from_file("", 0, 0600, NULL, "holds no key", "empty");
    from_file("\n \n", 3, 0600, NULL, "holds no key", "blank");
    from_file("sk-secret\r\nX-Evil: 1", 20, 0600, NULL, "byte 10", "two lines");
    from_file("sk\0secret", 9, 0600, NULL, "NUL", "a NUL byte");
    from_file("sk-\xc3\xa9secret", 11, 0600, NULL, "byte 4", "no ASCII");
    from_file(large, 5000, 0600, NULL, "4096", "too large");
    ok(key_load(&key, "/no/such/key", &e) == -1 && strstr(e.text, "/no/such/key"), "%s", e.text);
    ok(key_load(&key, "/tmp", &e) == -1 && strstr(e.text, "regular"), "%s", e.text);
}

static bool environ_block_holds(const char *what)
{
    static char block[1 << 16];
    int fd = open("/proc/self/environ", O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, block, sizeof block);
    if (fd >= 0)
        close(fd);
    return n > 0 && memmem(block, (size_t)n, what, strlen(what)) != NULL;
}

/* In a process that was started with the variable: setenv would copy it elsewhere. */
static int environment(void)
{
    char *key;
    struct err e;
    struct rlimit core;
    ok(environ_block_holds("sk-inherited"), "the key is in the environment block");
    ok(key_load(&key, NULL, &e) == 0, "a key from LLM_API_KEY");
    is(key, "sk-inherited-secret", "is that key");
    ok(!getenv("LLM_API_KEY"), "children do not inherit it");
    ok(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0, "no traces by others");
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* else /proc/self belongs to root */
    ok(!environ_block_holds("sk-inherited"), "/proc does not show it");
    ok(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0, "no core files");
    key_free(key);
    return done();
}

static void in_a_child(void)
{
    int status = 0;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        setenv("LLM_API_KEY", "sk-inherited-secret", 1);
        if (!freopen("/dev/null", "w", stdout))
            _exit(127);
        execl(argv0, argv0, "environment", (char *)NULL);
        _exit(127);
    }
    waitpid(pid, &status, 0);
    ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the environment is wiped in a child");
}

static void masks(void)
{
    char s[] = "sk-1 and sk-1sk-1 but sk-", t[] = "unchanged", u[] = "";
    key_mask(s, strlen(s), "sk-1");
    is(s, "**** and ******** but sk-", "every occurrence");
    key_mask(t, strlen(t), NULL);
    key_mask(t, strlen(t), "");
    is(t, "unchanged", "no key");
    key_mask(u, 0, "sk-1");
    is(u, "", "no text");
}

int main(int argc, char **argv)
{
    argv0 = argv[0];
    if (argc > 1)
        return environment();
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    unsetenv("ALL_PROXY");
    urls();
    transfers();
    dribble();
    masks();
    keys();
    in_a_child();
    return done();
}
