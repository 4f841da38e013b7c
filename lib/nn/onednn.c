/* SPDX-License-Identifier: MIT */
#ifdef HAVE_DNNL
#include "nn/onednn.h"
#include "base/util.h"
#include <dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* libgomp's; its header comes with gcc only. The setting belongs to the calling thread, so
 * every entry makes it. */
void omp_set_num_threads(int n);

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t desc; /* a pointer */
#else
typedef dnnl_memory_desc_t *desc;
#endif

struct onednn {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_t primitive;
    dnnl_memory_t weights, bias;
    desc src, dst, scratch, packed; /* packed: of weights that come with each run */
};

/* A failure here is a bug or no memory, never the input's fault. */
static void check(dnnl_status_t status, const char *what)
{
    if (status != dnnl_success)
        die("oneDNN %s: %s failed with status %d", onednn_version(), what, (int)status);
}

const char *onednn_version(void)
{
    static char text[32]; /* the same bytes whoever writes them */
    const dnnl_version_t *v = dnnl_version();
    snprintf(text, sizeof text, "%d.%d.%d", v->major, v->minor, v->patch);
    return text;
}

int onednn_has_bf16(void)
{
    unsigned isa = (unsigned)dnnl_get_effective_cpu_isa();
    unsigned want = (unsigned)dnnl_cpu_isa_avx512_core_bf16;
    return (isa & want) == want;
}

int onednn_has_tiles(void)
{
    unsigned want = (unsigned)dnnl_cpu_isa_avx512_core_amx;
    return ((unsigned)dnnl_get_effective_cpu_isa() & want) == want;
}

int onednn_block(void)
{
    unsigned isa = (unsigned)dnnl_get_effective_cpu_isa();
    unsigned wide = (unsigned)dnnl_cpu_isa_avx512_core;
    return (isa & wide) == wide ? 16 : isa & (unsigned)dnnl_cpu_isa_sse41 ? 8 : 0;
}

/* ---- descriptions of memory ---- */

static desc desc_new(int rank, const dnnl_dims_t dims, dnnl_data_type_t type,
                     dnnl_format_tag_t tag)
{
#if DNNL_VERSION_MAJOR >= 3
    desc d;
    check(dnnl_memory_desc_create_with_tag(&d, rank, dims, type, tag), "memory description");
#else
    desc d = xmalloc(sizeof *d);
    check(dnnl_memory_desc_init_by_tag(d, rank, dims, type, tag), "memory description");
#endif
    return d;
}

static desc desc_copy(const_dnnl_primitive_desc_t pd, dnnl_query_t what)
{
#if DNNL_VERSION_MAJOR >= 3
    desc d;
    check(dnnl_memory_desc_clone(&d, dnnl_primitive_desc_query_md(pd, what, 0)), "description");
#else
    desc d = xmalloc(sizeof *d);
    *d = *dnnl_primitive_desc_query_md(pd, what, 0);
#endif
    return d;
}

static void desc_free(desc d)
{
#if DNNL_VERSION_MAJOR >= 3
    dnnl_memory_desc_destroy(d);
#else
    free(d);
#endif
}

static dnnl_primitive_attr_t attributes(int add, int relu)
{
    dnnl_primitive_attr_t attr;
    dnnl_post_ops_t ops;
    check(dnnl_primitive_attr_create(&attr), "attributes");
    /* The library's own scratchpad belongs to the primitive: two threads would share it. */
    check(dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user), "attributes");
    check(dnnl_post_ops_create(&ops), "attributes");
#if DNNL_VERSION_MAJOR >= 3
    if (add)
        check(dnnl_post_ops_append_sum(ops, 1, 0, dnnl_data_type_undef), "attributes");
    if (relu)
        check(dnnl_post_ops_append_eltwise(ops, dnnl_eltwise_relu, 0, 0), "attributes");
#else
    if (add)
        check(dnnl_post_ops_append_sum(ops, 1), "attributes");
    if (relu)
        check(dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_relu, 0, 0), "attributes");
#endif
    check(dnnl_primitive_attr_set_post_ops(attr, ops), "attributes");
    dnnl_post_ops_destroy(ops);
    return attr;
}

/* ---- packing ---- */

static dnnl_memory_t memory_of(const struct onednn *p, desc d, const void *data)
{
    dnnl_memory_t m;
    void *bytes = (void *)(uintptr_t)data; /* sources are not written */
    check(dnnl_memory_create(&m, d, p->engine, bytes), "memory");
    return m;
}

/* w in the plain layout `from` becomes weights in the layout the primitive chose. */
static void pack(struct onednn *p, const_dnnl_primitive_desc_t pd, desc from, const float *w)
{
    desc to = desc_copy(pd, dnnl_query_weights_md);
    dnnl_primitive_desc_t rd;
    dnnl_primitive_t reorder;
    dnnl_memory_t plain = memory_of(p, from, w);
    p->weights = memory_of(p, to, DNNL_MEMORY_ALLOCATE);
    check(dnnl_reorder_primitive_desc_create(&rd, from, p->engine, to, p->engine, NULL), "packing");
    check(dnnl_primitive_create(&reorder, rd), "packing");
    dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, plain}, {DNNL_ARG_TO, p->weights}};
    check(dnnl_primitive_execute(reorder, p->stream, 2, args), "packing");
    check(dnnl_stream_wait(p->stream), "packing");
    dnnl_primitive_destroy(reorder);
    dnnl_primitive_desc_destroy(rd);
    dnnl_memory_destroy(plain);
    desc_free(to);
}

static struct onednn *start(void)
{
    struct onednn *p = xcalloc(1, sizeof *p);
    omp_set_num_threads(1);
    check(dnnl_engine_create(&p->engine, dnnl_cpu, 0), "engine");
    check(dnnl_stream_create(&p->stream, p->engine, dnnl_stream_default_flags), "stream");
    return p;
}

/* Takes pd. */
static void finish(struct onednn *p, dnnl_primitive_desc_t pd, desc plain, const float *w,
                   const float *bias, int n)
{
    p->src = desc_copy(pd, dnnl_query_src_md);
    p->dst = desc_copy(pd, dnnl_query_dst_md);
    pack(p, pd, plain, w);
    if (bias) {
        desc b = desc_new(1, (dnnl_dims_t){n}, dnnl_f32, dnnl_a);
        void *own;
        p->bias = memory_of(p, b, DNNL_MEMORY_ALLOCATE);
        check(dnnl_memory_get_data_handle(p->bias, &own), "bias");
        for (int i = 0; i < n; i++)
            ((float *)own)[i] = bias[i];
        desc_free(b);
    }
    p->scratch = desc_copy(pd, dnnl_query_scratchpad_md);
    check(dnnl_primitive_create(&p->primitive, pd), "primitive");
    dnnl_primitive_desc_destroy(pd);
}

/* ---- linear ---- */

static dnnl_status_t describe_linear(dnnl_primitive_desc_t *pd, const struct onednn *p, desc x,
                                     desc w, desc b, desc y)
{
    dnnl_primitive_attr_t attr = attributes(0, 0);
    dnnl_status_t s;
#if DNNL_VERSION_MAJOR >= 3
    s = dnnl_inner_product_forward_primitive_desc_create(
        pd, p->engine, dnnl_forward_inference, x, w, b, y, attr);
#else
    dnnl_inner_product_desc_t d;
    s = dnnl_inner_product_forward_desc_init(&d, dnnl_forward_inference, x, w, b, y);
    if (s == dnnl_success)
        s = dnnl_primitive_desc_create(pd, &d, attr, p->engine, NULL);
#endif
    dnnl_primitive_attr_destroy(attr);
    return s;
}

struct onednn *onednn_linear(int rows, int N, int K, int bf16, const float *w,
                             const float *bias, struct err *e)
{
    struct onednn *p = start();
    dnnl_data_type_t t = bf16 ? dnnl_bf16 : dnnl_f32;
    dnnl_dims_t xs = {rows, K}, ws = {N, K}, ys = {rows, N}, bs = {N};
    desc x = desc_new(2, xs, t, dnnl_ab), y = desc_new(2, ys, dnnl_f32, dnnl_ab);
    desc any = desc_new(2, ws, t, dnnl_format_tag_any), plain = desc_new(2, ws, dnnl_f32, dnnl_ab);
    desc b = bias ? desc_new(1, bs, dnnl_f32, dnnl_a) : NULL;
    dnnl_primitive_desc_t pd;
    dnnl_status_t status = describe_linear(&pd, p, x, any, b, y);
    if (status == dnnl_success)
        finish(p, pd, plain, w, bias, N);
    desc_free(x);
    desc_free(y);
    desc_free(any);
    desc_free(plain);
    if (b)
        desc_free(b);
    if (status == dnnl_success)
        return p;
    onednn_free(p);
    err_set(e, "oneDNN %s has no %s product for [%d,%d]", onednn_version(),
            bf16 ? "bf16" : "f32", N, K);
    return NULL;
}

/* ---- weights in panels ---- */

/* How a matrix [N,K] lies: in blocks, inner ones last; strides of the blocks. */
struct layout {
    int blocked, inner;
    const dnnl_dim_t *size, *index, *stride, *padded;
};

#if DNNL_VERSION_MAJOR >= 3
static struct layout layout_of(const_dnnl_memory_desc_t d)
{
    struct layout l = {0};
    dnnl_format_kind_t kind;
    check(dnnl_memory_desc_query(d, dnnl_query_format_kind, &kind), "layout");
    l.blocked = kind == dnnl_blocked;
    if (!l.blocked)
        return l;
    check(dnnl_memory_desc_query(d, dnnl_query_inner_nblks_s32, &l.inner), "layout");
    check(dnnl_memory_desc_query(d, dnnl_query_inner_blks, &l.size), "layout");
    check(dnnl_memory_desc_query(d, dnnl_query_inner_idxs, &l.index), "layout");
    check(dnnl_memory_desc_query(d, dnnl_query_strides, &l.stride), "layout");
    check(dnnl_memory_desc_query(d, dnnl_query_padded_dims, &l.padded), "layout");
    return l;
}
#else
static struct layout layout_of(const dnnl_memory_desc_t *d)
{
    const dnnl_blocking_desc_t *b = &d->format_desc.blocking;
    return (struct layout){d->format_kind == dnnl_blocked, b->inner_nblks, b->inner_blks,
                           b->inner_idxs, b->strides, d->padded_dims};
}
#endif

/* Blocks of k by 64 n by 2 k, one behind the other along K, then along N: that is a panel,
 * however many k a block has. */
static int is_panels(const_dnnl_primitive_desc_t pd, int N, int K)
{
    struct layout l = layout_of(dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0));
    return l.blocked && l.inner == 3 && l.index[0] == 1 && l.index[1] == 0 && l.index[2] == 1 &&
           l.size[1] == 64 && l.size[2] == 2 && l.padded[0] == N && l.padded[1] == K &&
           l.stride[1] == l.size[0] * 128 && l.stride[0] == (dnnl_dim_t)K * 64;
}

struct onednn *onednn_panels(int rows, int N, int K, struct err *e)
{
    struct onednn *p = start();
    dnnl_dims_t xs = {rows, K}, ws = {N, K}, ys = {rows, N};
    desc x = desc_new(2, xs, dnnl_bf16, dnnl_ab), y = desc_new(2, ys, dnnl_f32, dnnl_ab);
    desc any = desc_new(2, ws, dnnl_bf16, dnnl_format_tag_any);
    dnnl_primitive_desc_t pd;
    dnnl_status_t status = describe_linear(&pd, p, x, any, NULL, y);
    int good = status == dnnl_success && is_panels(pd, N, K);
    if (good) {
        p->src = desc_copy(pd, dnnl_query_src_md);
        p->dst = desc_copy(pd, dnnl_query_dst_md);
        p->packed = desc_copy(pd, dnnl_query_weights_md);
        p->scratch = desc_copy(pd, dnnl_query_scratchpad_md);
        check(dnnl_primitive_create(&p->primitive, pd), "primitive");
    }
    if (status == dnnl_success)
        dnnl_primitive_desc_destroy(pd);
    desc_free(x);
    desc_free(y);
    desc_free(any);
    if (good)
        return p;
    onednn_free(p);
    err_set(e, "oneDNN %s has no bf16 product of panels for [%d,%d]", onednn_version(), N, K);
    return NULL;
}

void onednn_run_panels(const struct onednn *p, float *y, const void *x, const void *panels)
{
    struct onednn with = *p;
    with.weights = memory_of(p, p->packed, panels);
    onednn_run(&with, y, 0, x, 0, 1);
    dnnl_memory_destroy(with.weights);
}

/* ---- convolution ---- */

static dnnl_status_t describe_conv(dnnl_primitive_desc_t *pd, const struct onednn *p,
                                   const struct onednn_conv *c, desc x, desc w, desc b, desc y)
{
    dnnl_dims_t strides = {c->stride, c->stride}, pad = {c->pad, c->pad}, dil = {0, 0};
    dnnl_primitive_attr_t attr = attributes(c->add, c->relu);
    dnnl_status_t s;
#if DNNL_VERSION_MAJOR >= 3
    s = dnnl_convolution_forward_primitive_desc_create(
        pd, p->engine, dnnl_forward_inference, dnnl_convolution_direct, x, w, b, y, strides, dil,
        pad, pad, attr);
#else
    dnnl_convolution_desc_t d;
    s = dnnl_dilated_convolution_forward_desc_init(&d, dnnl_forward_inference,
                                                   dnnl_convolution_direct, x, w, b, y, strides,
                                                   dil, pad, pad);
    if (s == dnnl_success)
        s = dnnl_primitive_desc_create(pd, &d, attr, p->engine, NULL);
#endif
    dnnl_primitive_attr_destroy(attr);
    return s;
}

/* w [out,in,kernel,kernel] -> [O,I,kernel,kernel], filled up with zeros. */
static float *pad_weights(const float *w, const struct onednn_conv *c, int O, int I)
{
    size_t k = (size_t)c->kernel * c->kernel;
    float *p = xcalloc((size_t)O * I * k, sizeof *p);
    for (int o = 0; o < c->out_c; o++)
        memcpy(p + (size_t)o * I * k, w + (size_t)o * c->in_c * k, c->in_c * k * sizeof *p);
    return p;
}

/* Of whole blocks: for 8 channels in a block of 16 the library has a plain loop only. */
static struct onednn *whole_conv(const struct onednn_conv *c, int bf16, const float *w,
                                 const float *bias)
{
    struct onednn *p = start();
    dnnl_data_type_t t = bf16 ? dnnl_bf16 : dnnl_f32;
    int oh = (c->in_h + 2 * c->pad - c->kernel) / c->stride + 1;
    int ow = (c->in_w + 2 * c->pad - c->kernel) / c->stride + 1;
    dnnl_dims_t xs = {1, c->in_c, c->in_h, c->in_w}, ys = {1, c->out_c, oh, ow};
    dnnl_dims_t ws = {c->out_c, c->in_c, c->kernel, c->kernel}, bs = {c->out_c};
    dnnl_format_tag_t blocked = onednn_block() == 16 ? dnnl_nChw16c : dnnl_nChw8c;
    desc x = desc_new(4, xs, t, c->in_c == 3 ? dnnl_nchw : blocked);
    desc y = desc_new(4, ys, t, blocked), b = desc_new(1, bs, dnnl_f32, dnnl_a);
    desc any = desc_new(4, ws, t, dnnl_format_tag_any);
    desc plain = desc_new(4, ws, dnnl_f32, dnnl_abcd);
    dnnl_primitive_desc_t pd;
    dnnl_status_t status = describe_conv(&pd, p, c, x, any, b, y);
    if (status == dnnl_success)
        finish(p, pd, plain, w, bias, c->out_c);
    desc_free(x);
    desc_free(y);
    desc_free(b);
    desc_free(any);
    desc_free(plain);
    if (status == dnnl_success)
        return p;
    onednn_free(p);
    return NULL;
}

struct onednn *onednn_conv(const struct onednn_conv *c, int bf16, const float *w,
                           const float *bias, struct err *e)
{
    int block = onednn_block();
    struct onednn_conv whole = *c;
    whole.out_c = (c->out_c + block - 1) / block * block;
    if (c->in_c != 3)
        whole.in_c = (c->in_c + block - 1) / block * block;
    float *pw = pad_weights(w, c, whole.out_c, whole.in_c);
    float *pb = xcalloc((size_t)whole.out_c, sizeof *pb);
    memcpy(pb, bias, (size_t)c->out_c * sizeof *pb);
    struct onednn *p = whole_conv(&whole, bf16, pw, pb);
    free(pw);
    free(pb);
    if (!p)
        err_set(e, "oneDNN %s has no %s convolution [%d,%d,%d,%d] on %dx%d", onednn_version(),
                bf16 ? "bf16" : "f32", c->out_c, c->in_c, c->kernel, c->kernel, c->in_h, c->in_w);
    return p;
}

/* ---- use ---- */

void onednn_free(struct onednn *p)
{
    if (!p)
        return;
    if (p->primitive) {
        dnnl_primitive_destroy(p->primitive);
        if (p->weights)
            dnnl_memory_destroy(p->weights);
        else
            desc_free(p->packed);
        desc_free(p->src);
        desc_free(p->dst);
        desc_free(p->scratch);
    }
    if (p->bias)
        dnnl_memory_destroy(p->bias);
    dnnl_stream_destroy(p->stream);
    dnnl_engine_destroy(p->engine);
    free(p);
}

void onednn_run(const struct onednn *p, void *dst, size_t dst_step, const void *src,
                size_t src_step, int count)
{
    _Alignas(64) char small[8192]; /* holds the scratch of the products here: 4 KiB */
    int fits = dnnl_memory_desc_get_size(p->scratch) <= sizeof small;
    omp_set_num_threads(1);
    dnnl_memory_t x = memory_of(p, p->src, src), y = memory_of(p, p->dst, dst);
    dnnl_memory_t s = memory_of(p, p->scratch, fits ? small : DNNL_MEMORY_ALLOCATE);
    dnnl_stream_t stream; /* its own: no promise is made about one stream in two threads */
    check(dnnl_stream_create(&stream, p->engine, dnnl_stream_default_flags), "stream");
    dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, y},
                              {DNNL_ARG_SCRATCHPAD, s}, {DNNL_ARG_WEIGHTS, p->weights},
                              {DNNL_ARG_BIAS, p->bias}};
    for (int i = 0; i < count; i++) {
        const char *from = (const char *)src + (size_t)i * src_step;
        check(dnnl_memory_set_data_handle(x, (void *)(uintptr_t)from), "memory");
        check(dnnl_memory_set_data_handle(y, (char *)dst + (size_t)i * dst_step), "memory");
        check(dnnl_primitive_execute(p->primitive, stream, p->bias ? 5 : 4, args), "product");
    }
    check(dnnl_stream_wait(stream), "product");
    dnnl_stream_destroy(stream);
    dnnl_memory_destroy(x);
    dnnl_memory_destroy(y);
    dnnl_memory_destroy(s);
}
#else
typedef int onednn_is_not_installed; /* ISO C wants a declaration */
#endif
