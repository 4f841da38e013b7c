/* SPDX-License-Identifier: MIT */
/* Threads that share the pieces of one computation and wait for each other: for work whose
 * steps depend on one another and are too short to start threads for.
 *
 *     struct team *t = team_new(2);
 *     team_run(t, piece, ctx, 24);       // piece(ctx, 0..23, thread), by whoever is free
 *     team_free(t);
 *
 * Which thread computes a piece is left to chance; a result must not depend on it.
 */
#ifndef MM_BASE_TEAM_H
#define MM_BASE_TEAM_H

struct team;

/* The calling thread is one of the threads. Dies when no thread can be started. */
struct team *team_new(int threads);
void team_free(struct team *t); /* NULL is accepted */
int team_threads(const struct team *t);

/* Calls piece(ctx, i, thread) once for each i of 0..n-1, thread in 0..threads-1, and returns
 * when all are done. One call at a time. */
void team_run(struct team *t, void (*piece)(void *ctx, int i, int thread), void *ctx, int n);

#endif
