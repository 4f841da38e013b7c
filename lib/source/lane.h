/* SPDX-License-Identifier: MIT */
/* A thread that does one job at a time, handed over by its owner.
 *
 *     struct lane *l = lane_new();
 *     lane_run(l, job, ctx);        // waits for the job before, then returns at once
 *     lane_wait(l);                 // until the job is done: what it wrote can be read now
 *     lane_free(l);                 // waits, too
 *
 * For one owner: all functions are called by one thread. Signals stay with the owner.
 */
#ifndef MM_SOURCE_LANE_H
#define MM_SOURCE_LANE_H

struct lane;

struct lane *lane_new(void); /* dies when there is no thread to be had */
void lane_run(struct lane *l, void (*job)(void *ctx), void *ctx);
void lane_wait(struct lane *l);
void lane_free(struct lane *l); /* NULL is accepted */

#endif
