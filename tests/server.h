/* SPDX-License-Identifier: MIT */
/* Starts tests/server for a test, with a script, and reads its log.
 *
 *     struct server_run r;
 *     server_start(&r, argv[0], "times 2 reset", NULL);
 *     ... r.url ...
 *     server_stop(&r);
 */
#ifndef TESTS_SERVER_H
#define TESTS_SERVER_H
#include "base/buf.h"
#include "base/util.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct server_run {
    char dir[64];
    char url[64]; /* "http://127.0.0.1:PORT/v1" */
    int port;
    pid_t pid;
};

static char *server_path(const struct server_run *r, const char *name)
{
    return xasprintf("%s/%s", r->dir, name);
}

/* Runs a server in r->dir with a script and the given arguments (after a blank each), on
 * r->port unless that is 0, and waits until it listens. */
__attribute__((unused)) static void server_again(struct server_run *r, const char *argv0,
                                                 const char *rules, const char *args)
{
    char *ports = server_path(r, "port"), *log = server_path(r, "log");
    char *script = server_path(r, "script"), port[16], *list = xstrdup(args ? args : "");
    const char *slash = strrchr(argv0, '/');
    char *program = xasprintf("%.*sserver", slash ? (int)(slash - argv0 + 1) : 0, argv0);
    const char *argv[32] = {program,    "--port-file", ports,    "--log", log,
                            "--script", script,        "--port", port};
    int n = 9;
    for (char *save, *w = strtok_r(list, " ", &save); w; w = strtok_r(NULL, " ", &save))
        argv[n++] = w;
    FILE *f = fopen(script, "w");
    if (!f || fputs(rules ? rules : "", f) < 0 || fclose(f) != 0)
        die("%s: cannot be written", script);
    snprintf(port, sizeof port, "%d", r->port);
    unlink(ports);
    fflush(stdout);
    r->pid = fork();
    if (r->pid == 0) {
        execv(program, (char **)(uintptr_t)argv);
        perror(program);
        _exit(127);
    }
    f = NULL;
    for (int i = 0; i < 1000 && !(f = fopen(ports, "r")); i++) {
        usleep(10000);
        if (waitpid(r->pid, NULL, WNOHANG) == r->pid)
            die("%s ended before it listened", program);
    }
    if (!f || fscanf(f, "%d", &r->port) != 1)
        die("%s does not listen", program);
    fclose(f);
    snprintf(r->url, sizeof r->url, "http%s://127.0.0.1:%d/v1",
             args && strstr(args, "--tls") ? "s" : "", r->port);
    free(ports), free(log), free(script), free(list), free(program);
}

__attribute__((unused)) static void server_start(struct server_run *r, const char *argv0,
                                                 const char *script, const char *args)
{
    *r = (struct server_run){.dir = "/tmp/mm-server.XXXXXX"};
    if (!mkdtemp(r->dir))
        die("no folder %s", r->dir);
    server_again(r, argv0, script, args);
}

/* Appends the log so far. */
__attribute__((unused)) static void server_log(const struct server_run *r, struct buf *out)
{
    char *path = server_path(r, "log");
    struct err e;
    if (access(path, R_OK) == 0 && buf_read_file(out, path, 64 << 20, &e) < 0)
        die("%s", e.text);
    free(path);
}

/* Requests received. */
__attribute__((unused)) static int server_count(const struct server_run *r)
{
    struct buf b = {0};
    int n = 0;
    server_log(r, &b);
    for (size_t i = 0; i < b.len; i++)
        n += b.data[i] == '\n';
    buf_release(&b);
    return n;
}

__attribute__((unused)) static void server_stop(struct server_run *r)
{
    static const char *const names[] = {"port", "log", "script"};
    kill(r->pid, SIGTERM);
    waitpid(r->pid, NULL, 0);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char *path = server_path(r, names[i]);
        unlink(path);
        free(path);
    }
    rmdir(r->dir);
}

#endif
