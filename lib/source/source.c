/* SPDX-License-Identifier: MIT */
#include "source/source.h"
#include "source/format.h"

/* The table of formats, in the order in which they are tried: a table takes what the
 * others do not know. */
const struct format *const format_all[] = {
    &format_google_restaurants,
    &format_manifest,
    &format_table,
    NULL,
};

int source_read(const struct source_file *f, const struct source_options *o,
                struct source_sink *sink, struct source_stats *stats, struct err *e)
{
    *stats = (struct source_stats){0};
    const struct format *format = format_find(f->format);
    if (!format)
        return err_set(e, "%s: format '%s' is not known", f->path, f->format);
    struct gz *in = gz_open(f->path, e);
    if (!in)
        return -1;
    struct format_run run = {
        .file = f, .options = o, .sink = sink, .stats = stats, .in = in};
    stats->stored = gz_size(in);
    int rc = format->read(&run, e);
    stats->stored_bytes = gz_stored_bytes(in);
    gz_close(in);
    return rc;
}
