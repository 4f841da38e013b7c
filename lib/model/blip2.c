/* SPDX-License-Identifier: MIT */
#include "model/blip2.h"
#include "base/memory.h"
#include "base/util.h"
#include "model/blip2_weights.h"
#include "model/config.h"
#include "model/generate.h"
#include "model/sums.h"
#include "nn/bpe.h"
#include <stdlib.h>
#include <string.h>

/* Pictures that go through the tower together: their activations should stay near. */
#define TOWER 4
#define PROMPT_TOKENS 256

struct blip2 {
    struct blip2_options o;
    struct blip2_weights w;
    struct blip2_prep prep;
    struct bpe *bpe;
    unsigned char digest[SHA256_BYTES];
    int prompt[PROMPT_TOKENS], n_prompt; /* the beginning of a text, then the prompt's ids */
    int length;                          /* positions of a prompt: queries and text */
    struct engine *engine;
    struct vit_room vit;
    struct qformer_room qformer;
    struct optlm_room opt;
    struct optlm_cache cache;
    float *pixels;  /* [batch,3,side,side] */
    void *tokens;   /* [TOWER,tokens,D] input: what the tower gives */
    float *vectors; /* [batch,queries,D of OPT] */
    int *token, *item, *slot, *old_slot, *taken; /* [batch*beams] */
    struct generate *generate;
    struct blip2_caption *caption; /* [batch] */
    struct blip2_times times;
};

static int tower_of(const struct blip2_options *o)
{
    return o->batch < TOWER ? o->batch : TOWER;
}

/* ---- opening ---- */

/* Rows that OPT computes at a time. */
static int opt_rows(const struct blip2_options *o, int length)
{
    int prompts = o->batch * length, beams = o->batch * o->beams;
    return prompts > beams ? prompts : beams;
}

static size_t pixels_of(const struct blip2_shape *s)
{
    return 3 * (size_t)s->vit.side * (size_t)s->vit.side;
}

static size_t tokens_bytes(const struct blip2_shape *s, const struct blip2_options *o,
                           const struct engine *g)
{
    return (size_t)tower_of(o) * (size_t)vit_tokens(&s->vit) * (size_t)s->vit.block.D *
           engine_input_bytes(g);
}

static size_t vectors_of(const struct blip2_shape *s)
{
    return (size_t)s->qformer.queries * (size_t)s->opt.block.D;
}

static int max(int a, int b)
{
    return a > b ? a : b;
}

static struct engine *engine_for(const struct blip2_shape *s, const struct blip2_options *o,
                                 int length)
{
    int keys = max(vit_tokens(&s->vit), length + o->max_new);
    int dim = max(s->vit.block.D / s->vit.block.heads, s->opt.block.D / s->opt.block.heads);
    dim = max(dim, s->qformer.D / s->qformer.heads);
    return engine_new(o->threads, engine_best(o->precision), max(keys, s->qformer.queries), dim);
}

static int set_prompt(struct blip2 *m, const char *dir, struct err *e)
{
    int room = PROMPT_TOKENS - 1;
    m->prompt[0] = m->w.shape.bos;
    size_t n = bpe_ids(m->prompt + 1, (size_t)room, m->o.prompt, strlen(m->o.prompt), m->bpe);
    m->n_prompt = 1 + (int)n;
    m->length = m->w.shape.qformer.queries + m->n_prompt;
    int most = m->w.shape.opt.positions - OPTLM_OFFSET - m->w.shape.qformer.queries - 1;
    if (m->o.max_new > most)
        return err_set(e, "%s: captions of %d tokens are too long for this model: %d at most", dir,
                       m->o.max_new, most);
    if (n > (size_t)room || (int)n > most - m->o.max_new)
        return err_set(e, "%s: the prompt has %zu tokens, with captions of %d there is room for "
                       "%d", dir, n, m->o.max_new,
                       room < most - m->o.max_new ? room : most - m->o.max_new);
    for (int i = 0; i < m->n_prompt; i++)
        if (m->prompt[i] >= m->w.shape.opt.vocab)
            return err_set(e, "%s: token %d of the prompt is beyond the model's %d rows", dir,
                           m->prompt[i], m->w.shape.opt.vocab);
    return 0;
}

/* Of what decides a caption: weights, pieces, how pictures are made, where texts end. */
static void identify(unsigned char digest[SHA256_BYTES], const unsigned char *weights,
                     const struct blip2_shape *s, const struct blip2_prep *p, const struct bpe *b)
{
    struct sha256 *h = sha256_new();
    const int ids[] = {s->bos, s->stop, s->pad, (int)p->filter, p->side, s->vit.block.heads,
                       s->vit.layers, s->vit.patch, s->qformer.heads, s->qformer.layers,
                       s->qformer.every, s->opt.block.heads, s->opt.layers};
    sha256_add_field(h, weights, SHA256_BYTES);
    sha256_add_field(h, bpe_digest(b), SHA256_BYTES);
    sha256_add_field(h, p->value, sizeof p->value);
    sha256_add_field(h, ids, sizeof ids);
    sha256_add_field(h, &s->vit.block.eps, sizeof s->vit.block.eps);
    sha256_add_field(h, &s->qformer.eps, sizeof s->qformer.eps);
    sha256_end(digest, h);
    sha256_free(h);
}

int blip2_identity(unsigned char digest[SHA256_BYTES], const char *dir,
                   enum engine_precision precision, struct err *e)
{
    struct blip2_shape s;
    struct blip2_prep p;
    unsigned char weights[SHA256_BYTES];
    if (blip2_shape_read(&s, dir, e) < 0 || blip2_prep_read(&p, dir, s.vit.side, e) < 0)
        return -1;
    struct bpe *b = bpe_open(dir, 1 << 20, e);
    int rc = b ? blip2_weights_digest(weights, &s, dir, precision, e) : -1;
    if (rc == 0)
        identify(digest, weights, &s, &p, b);
    bpe_close(b);
    return rc;
}

static void choose_products(struct blip2 *m)
{
    struct err e;
    if (engine_kind(m->engine) == PANEL_DOT && engine_library_pays() &&
        engine_use_library(m->engine, &e) < 0)
        warn("%s: going on without AMX", e.text);
}

static void make_rooms(struct blip2 *m)
{
    const struct blip2_shape *s = &m->w.shape;
    int rows = m->o.batch * m->o.beams, steps = m->o.max_new;
    size_t n = (size_t)rows;
    m->engine = engine_for(s, &m->o, m->length);
    choose_products(m);
    vit_room_init(&m->vit, m->engine, &s->vit, tower_of(&m->o));
    qformer_room_init(&m->qformer, m->engine, &s->qformer, tower_of(&m->o));
    optlm_room_init(&m->opt, m->engine, &s->opt, opt_rows(&m->o, m->length), rows);
    optlm_cache_init(&m->cache, &s->opt, m->o.batch, m->length, rows, steps);
    m->pixels = xcalloc((size_t)m->o.batch * pixels_of(s), sizeof *m->pixels);
    m->tokens = xmalloc(tokens_bytes(s, &m->o, m->engine));
    m->vectors = xcalloc((size_t)m->o.batch * vectors_of(s), sizeof *m->vectors);
    m->token = xcalloc(n, sizeof *m->token);
    m->item = xcalloc(n, sizeof *m->item);
    m->slot = xcalloc(n, sizeof *m->slot);
    m->old_slot = xcalloc(n, sizeof *m->old_slot);
    m->taken = xcalloc(n, sizeof *m->taken);
    m->caption = xcalloc((size_t)m->o.batch, sizeof *m->caption);
}

/* Bytes beside the weights. */
static uint64_t rooms_bytes(const struct blip2_shape *s, const struct blip2_options *o, int length)
{
    int rows = o->batch * o->beams;
    struct engine *g = engine_for(s, o, length);
    uint64_t n = vit_room_bytes(g, &s->vit, tower_of(o)) +
                 qformer_room_bytes(g, &s->qformer, tower_of(o)) +
                 optlm_room_bytes(g, &s->opt, opt_rows(o, length), rows) +
                 optlm_cache_bytes(&s->opt, o->batch, length, rows, o->max_new) +
                 (uint64_t)o->batch * (pixels_of(s) + vectors_of(s)) * sizeof(float) +
                 tokens_bytes(s, o, g);
    engine_free(g);
    return n;
}

int blip2_needs(uint64_t *bytes, const char *dir, const struct blip2_options *o, struct err *e)
{
    struct blip2_shape s;
    if (blip2_shape_read(&s, dir, e) < 0)
        return -1;
    if (!s.opt.vocab)
        s.opt.vocab = 50304;
    *bytes = blip2_weights_bytes(&s, o->precision) +
             rooms_bytes(&s, o, s.qformer.queries + 1 + (int)strlen(o->prompt));
    return 0;
}

const char *blip2_arithmetic(const struct blip2_options *o)
{
    return engine_describe(engine_best(o->precision));
}

int blip2_there(const char *dir, enum engine_precision precision, struct err *e)
{
    struct blip2_shape s;
    if (!config_exists(dir, "config.json"))
        return 0;
    return blip2_shape_read(&s, dir, e) < 0 ? -1 : blip2_weights_there(&s, dir, precision, e);
}

/* Weights that do not fit would be read from the disk again for every token. */
static int check_memory(const char *dir, const struct blip2_options *o, struct err *e)
{
    uint64_t needs, free_bytes = memory_available();
    if (blip2_needs(&needs, dir, o, e) < 0)
        return -1;
    if (needs > free_bytes)
        return err_set(e, "%s: needs %.1f GiB of memory, %.1f are free: use %s%s"
                       "captions of a service (CAPTION=http)", dir, (double)needs / (1 << 30),
                       (double)free_bytes / (1 << 30),
                       o->precision == ENGINE_F32    ? "--precision bf16, "
                       : o->precision == ENGINE_BF16 ? "--precision int8, " : "",
                       o->batch > 1 ? "--batch 1, or " : "");
    return 0;
}

/* The digests that the folder's own SHA256SUMS has for what is read at each start. */
static int check_small(const char *dir, struct err *e)
{
    static const char *const name[] = {"config.json", "generation_config.json",
                                       "preprocessor_config.json", "processor_config.json",
                                       "tokenizer.json", "vocab.json", "merges.txt",
                                       "model.safetensors.index.json"};
    struct buf sums = {0};
    int rc = sums_read(&sums, dir, e);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(name); i++) {
        char *path = xasprintf("%s/%s", dir, name[i]);
        rc = sums_check_file(&sums, path, e);
        free(path);
    }
    buf_release(&sums);
    return rc;
}

static int open_all(struct blip2 *m, const char *dir, struct err *e)
{
    struct blip2_shape s;
    struct blip2_tell tell = {m->o.tell, m->o.tell_ctx};
    if (check_small(dir, e) < 0 || blip2_shape_read(&s, dir, e) < 0 ||
        blip2_prep_read(&m->prep, dir, s.vit.side, e) < 0 || check_memory(dir, &m->o, e) < 0)
        return -1;
    /* The tokenizer first: it costs milliseconds, and weights may be hashed for a minute. */
    if (!(m->bpe = bpe_open(dir, s.opt.vocab ? s.opt.vocab : 1 << 20, e)) ||
        blip2_weights_open(&m->w, &s, dir, m->o.precision, m->o.threads, &tell, e) < 0)
        return -1;
    if (bpe_size(m->bpe) > m->w.shape.opt.vocab)
        return err_set(e, "%s: the tokenizer has ids up to %d, the model %d rows", dir,
                       bpe_size(m->bpe) - 1, m->w.shape.opt.vocab);
    return set_prompt(m, dir, e);
}

struct blip2 *blip2_open(const char *dir, const struct blip2_options *o, struct err *e)
{
    struct blip2 *m = xcalloc(1, sizeof *m);
    m->o = *o;
    m->w.map.fd = -1;
    if (open_all(m, dir, e) < 0) {
        blip2_close(m);
        return NULL;
    }
    identify(m->digest, m->w.digest, &m->w.shape, &m->prep, m->bpe);
    make_rooms(m);
    return m;
}

void blip2_close(struct blip2 *m)
{
    if (!m)
        return;
    for (int i = 0; m->caption && i < m->o.batch; i++)
        buf_release(&m->caption[i].text);
    free(m->caption);
    generate_free(m->generate);
    vit_room_release(&m->vit);
    qformer_room_release(&m->qformer);
    optlm_room_release(&m->opt);
    optlm_cache_release(&m->cache);
    engine_free(m->engine);
    bpe_close(m->bpe);
    blip2_weights_close(&m->w);
    free(m->pixels);
    free(m->tokens);
    free(m->vectors);
    free(m->token);
    free(m->item);
    free(m->slot);
    free(m->old_slot);
    free(m->taken);
    free(m);
}

const unsigned char *blip2_digest(const struct blip2 *m)
{
    return m->digest;
}

/* ---- pictures to vectors ---- */

void blip2_picture(struct blip2 *m, int i, const struct image *img)
{
    blip2_prep_pixels(m->pixels + (size_t)i * pixels_of(&m->w.shape), img, &m->prep);
}

static int stopped(const struct blip2 *m)
{
    return m->o.stop && m->o.stop();
}

/* Pictures first..first+n-1, n <= TOWER. */
static int look(struct blip2 *m, int first, int n)
{
    const struct blip2_shape *s = &m->w.shape;
    size_t D = (size_t)s->opt.block.D;
    vit_start(m->engine, &m->w.vit, &m->vit, m->pixels + (size_t)first * pixels_of(s), n);
    for (int i = 0; i < s->vit.layers; i++) {
        if (stopped(m))
            return -1;
        vit_layer(m->engine, &m->w.vit, &m->vit, i, n);
    }
    vit_end(m->engine, &m->w.vit, &m->vit, m->tokens, n);
    qformer_run(m->engine, &m->w.qformer, &m->qformer, m->tokens, n);
    engine_linear(m->engine, &m->w.projection,
                  &(struct engine_io){m->qformer.h, (size_t)s->qformer.D, n * s->qformer.queries,
                                      m->vectors + (size_t)first * vectors_of(s), D, ENGINE_SET});
    return 0;
}

/* ---- vectors to words ---- */

/* The rows of the next step: each continues one of the last, in its slot if no other row does
 * so too, else in a copy. t: tokens that slots hold. */
static void assign_slots(struct blip2 *m, int t)
{
    int n = generate_rows(m->generate), slots = m->cache.slots, free_slot = 0;
    memcpy(m->old_slot, m->slot, (size_t)slots * sizeof *m->slot);
    memset(m->taken, 0, (size_t)slots * sizeof *m->taken);
    for (int r = 0; r < n; r++) {
        int slot = m->old_slot[generate_row(m->generate, r)->from];
        m->slot[r] = m->taken[slot] ? -1 : slot;
        m->taken[slot] = 1;
    }
    for (int r = 0; r < n; r++) {
        if (m->slot[r] >= 0)
            continue;
        while (m->taken[free_slot])
            free_slot++;
        m->taken[free_slot] = 1;
        m->slot[r] = free_slot;
        optlm_copy_slot(&m->cache, &m->w.shape.opt, free_slot,
                        m->old_slot[generate_row(m->generate, r)->from], t);
    }
    for (int r = 0; r < n; r++) {
        m->token[r] = generate_row(m->generate, r)->token;
        m->item[r] = generate_row(m->generate, r)->item;
    }
}

static int speak(struct blip2 *m, int n)
{
    const struct blip2_shape *s = &m->w.shape;
    struct generate_options g = {s->opt.vocab, s->stop, m->o.max_new, m->o.min_new, m->o.beams,
                                 m->o.length_penalty, bpe_size(m->bpe)};
    generate_free(m->generate);
    m->generate = generate_new(n, &g);
    for (int r = 0; r < m->cache.slots; r++)
        m->slot[r] = r;
    double start = monotonic_s();
    optlm_prompt(m->engine, &m->w.opt, &m->opt, &m->cache, m->vectors, s->qformer.queries,
                 m->prompt, m->n_prompt, n);
    m->times.prompt_s = monotonic_s() - start;
    engine_library_on(m->engine, 0); /* a step has few rows */
    for (int t = 0; generate_take(m->generate, m->opt.logits); t++) {
        if (stopped(m))
            return -1;
        assign_slots(m, t);
        struct optlm_rows rows = {m->token, m->item, m->slot, generate_rows(m->generate), t};
        optlm_step(m->engine, &m->w.opt, &m->opt, &m->cache, &rows);
        m->times.steps = t + 1;
    }
    m->times.words_s = monotonic_s() - start - m->times.prompt_s;
    return 0;
}

/* The same one to eight tokens three times at the end of what was cut off, or everywhere. */
static int goes_in_circles(const int *ids, int n)
{
    for (int period = 1; period <= 8 && 3 * period <= n; period++) {
        int same = 0;
        while (same + period < n && ids[n - 1 - same] == ids[n - 1 - same - period])
            same++;
        if (same >= 2 * period)
            return 1;
    }
    return 0;
}

static void write_captions(struct blip2 *m, int n)
{
    for (int i = 0; i < n; i++) {
        struct blip2_caption *c = &m->caption[i];
        c->ids = generate_ids(m->generate, i, &c->n_ids, &c->ended);
        c->circles = goes_in_circles(c->ids, c->n_ids);
        buf_clear(&c->text);
        bpe_text(&c->text, c->ids, (size_t)c->n_ids, BPE_CLEAN | BPE_STRIP, m->bpe);
    }
}

int blip2_run(struct blip2 *m, int n)
{
    int tower = tower_of(&m->o);
    double start = monotonic_s();
    m->times = (struct blip2_times){.steps = 0};
    engine_library_on(m->engine, 1);
    for (int i = 0; i < n; i += tower)
        if (look(m, i, n - i < tower ? n - i : tower) < 0)
            return -1;
    m->times.tower_s = monotonic_s() - start;
    if (stopped(m) || speak(m, n) < 0)
        return -1;
    write_captions(m, n);
    return 0;
}

struct blip2_times blip2_times(const struct blip2 *m)
{
    return m->times;
}

const struct blip2_caption *blip2_caption(const struct blip2 *m, int i)
{
    return &m->caption[i];
}
