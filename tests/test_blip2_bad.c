/* SPDX-License-Identifier: MIT */
/* The packed file of a BLIP-2 and the folders that are refused. */
#include "base/sha256.h"
#include "blip2_tiny.h"
#include "tap.h"
#include <math.h>
#include <unistd.h>

/* ---- the packed file ---- */

static int told;

static int tell(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    (void)ctx, (void)done, (void)total;
    told |= strcmp(what, "packing weights") == 0 ? 2 : 1;
    return 0;
}

/* 0 nothing, 1 hashed, 2 packed, 3 both; -1 not opened. */
static int opens(const char *dir, struct err *e)
{
    struct blip2_options o = {BLIP2_DEFAULTS, .threads = 2, .tell = tell};
    told = 0;
    struct blip2 *m = blip2_open(dir, &o, e);
    int how = m ? told : -1;
    blip2_close(m);
    return how;
}

static char *packed_name(const char *dir)
{
    char *command = xasprintf("ls %s/packed-bf16-*.mm 2> /dev/null", dir), line[512] = "";
    FILE *f = popen(command, "r");
    if (f && fgets(line, sizeof line, f))
        line[strcspn(line, "\n")] = 0;
    if (f)
        pclose(f);
    free(command);
    return xstrdup(line);
}

static void run(const char *fmt, const char *dir)
{
    char *command = xasprintf(fmt, dir, dir, dir);
    if (system(command) != 0)
        die("%s", command);
    free(command);
}

static void flip_byte(const char *path, long at_byte)
{
    FILE *f = fopen(path, "r+b");
    if (!f || fseek(f, at_byte, at_byte < 0 ? SEEK_END : SEEK_SET) != 0)
        die("%s", path);
    long where = ftell(f);
    int c = fgetc(f);
    fseek(f, where, SEEK_SET);
    fputc(c ^ 1, f);
    fclose(f);
}

static void test_packed(void)
{
    struct err e;
    char *dir = folder("packed");
    tiny_shards(dir, "F32");
    ok(opens(dir, &e) == 3, "the first time weights are hashed and packed");
    ok(opens(dir, &e) == 0, "then neither");
    char *packed = packed_name(dir);
    ok(*packed, "beside the weights: %s", strrchr(packed, '/'));
    run("sleep 0.01; touch %s/model-00001-of-00002.safetensors", dir);
    ok(opens(dir, &e) == 1, "touched weights are hashed, not packed");
    ok(opens(dir, &e) == 0, "and known from then on");
    static const long places[] = {5000, 300000, -4, 40};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        flip_byte(packed, places[i]);
        ok(opens(dir, &e) == 3, "a flipped bit at %ld: packed anew", places[i]);
    }
    run("truncate -s -100 %s/packed-bf16-*.mm", dir);
    ok(opens(dir, &e) == 3, "cut short: packed anew");
    run("cp %s/packed-bf16-*.mm %s/packed-bf16-copy.mm", dir);
    flip_byte(packed, 300000);
    ok(opens(dir, &e) == 0, "a damaged one is passed over where there is another");
    run("rm %s/packed-bf16-copy.mm; touch %s/packed-bf16-0.mm.99999999.part", dir);
    ok(opens(dir, &e) == 3, "and packed anew where there is not");
    run("! ls %s/*.part 2> /dev/null", dir);
    ok(1, "what a killed run left is gone");
    run("mkdir %s/aside && mv %s/model*.safetensors %s/aside", dir);
    ok(opens(dir, &e) == 0, "the packed file alone will do, an index beside it or not");
    run("mv %s/model* %s/aside", dir);
    ok(opens(dir, &e) == 0, "the packed file alone will do");
    flip_byte(packed, 300000);
    ok(opens(dir, &e) == -1 && strstr(e.text, "damaged"), "damaged, and nothing to pack: %s", e.text);
    run("mv %s/aside/* %s/", dir);
    ok(opens(dir, &e) == 3, "with the weights back it is packed anew");
    run("rm %s/packed-*", dir);
    ok(opens(dir, &e) == 3, "without it, too");
    if (geteuid() != 0) {
        run("rm %s/packed-*; chmod 555 %s", dir);
        ok(opens(dir, &e) == 3 && opens(dir, &e) == 0, "a folder that cannot be written: in the cache");
        run("chmod 755 %s", dir);
    } else {
        skip("root may write everywhere");
    }
    free(packed);
    free(dir);
}

/* ---- what is refused ---- */

static void refused(const char *dir, const char *why, const char *what)
{
    struct err e = {""};
    ok(opens(dir, &e) == -1 && strstr(e.text, why), "%s: %s", what, e.text);
}

/* config.json with one value of one part replaced. */
static void write_config(const char *dir, const char *was, const char *is_now)
{
    struct buf b = {0};
    struct err e;
    if (buf_read_file(&b, BLIP2_GOLDEN "tiny/config.json", 1 << 20, &e) < 0)
        die("%s", e.text);
    char *p = strstr(b.data, was);
    if (!p)
        die("config.json has no %s", was);
    char *text = xasprintf("%.*s%s%s", (int)(p - b.data), b.data, is_now, p + strlen(was));
    write_file(dir, "config.json", text, strlen(text));
    free(text);
    buf_release(&b);
}

static void test_configs(const char *dir)
{
    static const struct {
        const char *was, *is_now, *why;
    } c[] = {{"\"model_type\": \"blip-2\"", "\"model_type\": \"blip\"", "\"blip\""},
             {"\"hidden_size\": 176", "\"hidden_size\": 352", "shape"},
             {"\"hidden_size\": 176", "\"hidden_size\": 177", "heads"},
             {"\"hidden_act\": \"gelu\"", "\"hidden_act\": \"quick_gelu\"", "quick_gelu"},
             {"\"patch_size\": 14", "\"patch_size\": 13", "patches"},
             {"\"image_size\": 28", "\"image_size\": 42", "42"},
             {"\"num_query_tokens\": 4", "\"num_query_tokens\": 5", "query_tokens"},
             {"\"num_query_tokens\": 4", "\"num_query_tokens\": 0", "num_query_tokens"},
             {"\"use_qformer_text_input\": false", "\"use_qformer_text_input\": true", "retrieval"},
             {"\"word_embed_proj_dim\": 160", "\"word_embed_proj_dim\": 80", "projects"},
             {"\"do_layer_norm_before\": true", "\"do_layer_norm_before\": false", "norms"},
             {"\"activation_function\": \"relu\"", "\"activation_function\": \"gelu\"", "gelu"},
             {"\"ffn_dim\": 320", "\"ffn_dim\": 1e99", "ffn_dim"},
             {"\"max_position_embeddings\": 64", "\"max_position_embeddings\": 65", "shape"}};
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        write_config(dir, c[i].was, c[i].is_now);
        refused(dir, c[i].why, c[i].is_now);
    }
    write_file(dir, "config.json", "{", 1);
    refused(dir, "config.json", "half a config.json");
    run("rm %s/config.json", dir);
    refused(dir, "config.json", "no config.json");
    copy_file(dir, "config.json", BLIP2_GOLDEN "tiny");
}

/* What the weights do not say is part of the model's identity. */
static void test_identity(const char *dir)
{
    static const char *const change[][2] = {
        {"\"num_attention_heads\": 2,\n    \"num_hidden_layers\": 2,\n    \"patch_size\"",
         "\"num_attention_heads\": 11,\n    \"num_hidden_layers\": 2,\n    \"patch_size\""},
        {"\"cross_attention_frequency\": 2", "\"cross_attention_frequency\": 3"},
        {"\"layer_norm_eps\": 1e-06", "\"layer_norm_eps\": 1e-05"},
        {"\"layer_norm_eps\": 1e-12", "\"layer_norm_eps\": 1e-05"},
        {"\"bos_token_id\": 2", "\"bos_token_id\": 3"}};
    unsigned char first[SHA256_BYTES], now[SHA256_BYTES];
    struct err e = {""};
    ok(opens(dir, &e) >= 0 && blip2_identity(first, dir, ENGINE_BF16, &e) == 0, "identity %s", e.text);
    for (size_t i = 0; i < ARRAY_LEN(change); i++) {
        write_config(dir, change[i][0], change[i][1]);
        ok(opens(dir, &e) >= 0 && blip2_identity(now, dir, ENGINE_BF16, &e) == 0 &&
           memcmp(first, now, sizeof first) != 0, "another model: %s", change[i][1]);
    }
    copy_file(dir, "config.json", BLIP2_GOLDEN "tiny");
    ok(opens(dir, &e) == 0 && blip2_identity(now, dir, ENGINE_BF16, &e) == 0 &&
       memcmp(first, now, sizeof first) == 0, "the first again");
}

static void test_weights(const char *dir)
{
    struct entry *t = xcalloc(TINY_TENSORS, sizeof *t);
    int n = tiny_tensors(t);
    run("rm -f %s/packed-*; mv %s/model-00002-of-00002.safetensors /tmp/mm_test_blip2_aside", dir);
    refused(dir, "model-00002-of-00002.safetensors", "a missing shard");
    run("head -c 2000000 /tmp/mm_test_blip2_aside > %s/model-00002-of-00002.safetensors", dir);
    refused(dir, "cut short", "a shard cut short");
    run("mv /tmp/mm_test_blip2_aside %s/model-00002-of-00002.safetensors", dir);
    ok(opens(dir, &(struct err){""}) == 3, "both there: it opens");
    run("rm %s/packed-*; cd %s && sha256sum model-0* > SHA256SUMS", dir);
    ok(opens(dir, &(struct err){""}) == 3, "with the digests that SHA256SUMS has: it opens");
    run("rm %s/packed-*; sed -i 's/^......../00000000/' %s/SHA256SUMS", dir);
    refused(dir, "SHA256SUMS", "a shard with another digest");
    run("cd %s && sha256sum vocab.json | tr a-f A-F | sed 's| .*|  ./vocab.json|' > SHA256SUMS", dir);
    ok(opens(dir, &(struct err){""}) == 3, "in capitals, with a path: %s", "it opens");
    run("echo >> %s/vocab.json", dir);
    refused(dir, "vocab.json: has another digest", "a small file with another digest");
    run("rm %s/SHA256SUMS; rm -f %s/packed-* %s/model*", dir);
    refused(dir, "make models BLIP2=1", "no weights at all");
    for (int i = 0; i < n; i++) {
        if (strcmp(t[i].name, "qformer.encoder.layer.0.crossattention.attention.value.weight"))
            continue;
        float *v = xmalloc(t[i].bytes);
        fill(v, &t[i]);
        v[777] = NAN;
        t[i].data = v;
        write_weights(dir, t, n);
        refused(dir, "NaN", "NaN in a weight");
        char *packed = packed_name(dir);
        ok(!*packed, "and no packed file is left");
        free(packed);
        char name[128];
        memcpy(name, t[i].name, sizeof name);
        snprintf(t[i].name, sizeof t[i].name, "something.else");
        write_weights(dir, t, n);
        refused(dir, "crossattention.attention.value.weight", "a tensor of another name");
        memcpy(t[i].name, name, sizeof name);
    }
    tiny_release(t, n);
    free(t);
}

static void test_others(const char *dir)
{
    tiny_folder(dir, "F32");
    run("rm %s/merges.txt", dir);
    refused(dir, "merges.txt", "no merges.txt");
    tiny_folder(dir, "F32");
    const char prep[] = "{\"size\":{\"height\":364,\"width\":364}}";
    write_file(dir, "preprocessor_config.json", prep, sizeof prep - 1);
    refused(dir, "364x364", "pictures of another size");
    const char crop[] = "{\"do_center_crop\":true}";
    write_file(dir, "preprocessor_config.json", crop, sizeof crop - 1);
    refused(dir, "do_center_crop", "pictures that are cropped");
    tiny_folder(dir, "F32");
}

static void test_refused(void)
{
    char *dir = folder("refused");
    tiny_shards(dir, "F32");
    test_configs(dir);
    test_identity(dir);
    test_weights(dir);
    test_others(dir);
    free(dir);
}

/* ---- other files of weights ---- */

static void *kept[2 * TINY_TENSORS];
static int n_kept;

/* Freed at the end of test_storage. */
static void *keep(void *p)
{
    return kept[n_kept++] = p;
}

/* The captions of a folder do not depend on how its weights are stored, if no bit is lost. */
static void test_storage(void)
{
    struct entry *t = xcalloc(TINY_TENSORS, sizeof *t);
    struct blip2_options o = {BLIP2_DEFAULTS, .threads = 2};
    int n = tiny_tensors(t), k = n;
    char *half = folder("half"), *more = folder("more");
    o.precision = ENGINE_F32;
    tiny_folder(half, "BF16");
    char *want = captions(half, o, 8, 2);
    /* The same numbers as F32, with an output layer that repeats the words, and q and v biases
     * apart as LAVIS has them. */
    tiny_others(more);
    for (int i = 0; i < n; i++) {
        float *v = keep(xmalloc(t[i].bytes));
        if (t[i].data)
            memcpy(v, keep((void *)(uintptr_t)t[i].data), t[i].bytes);
        else
            fill(v, &t[i]);
        for (size_t j = 0; j < t[i].bytes / sizeof *v; j++) {
            uint32_t b;
            memcpy(&b, &v[j], sizeof b);
            b &= 0xffff0000;
            memcpy(&v[j], &b, sizeof b);
        }
        t[i].data = v;
        if (strcmp(t[i].name, "language_model.model.decoder.embed_tokens.weight") == 0) {
            t[k] = t[i];
            snprintf(t[k++].name, sizeof t->name, "language_model.lm_head.weight");
        }
        if (strstr(t[i].name, "qkv.bias")) {
            t[k] = t[i];
            t[k].bytes /= 3;
            t[k].shape[0] /= 3;
            t[k].data = v + 2 * (t[i].bytes / 3 / sizeof *v);
            snprintf(t[k++].name, sizeof t->name, "%.*sv_bias", (int)(strlen(t[i].name) - 8),
                     t[i].name);
            t[i].bytes /= 3;
            t[i].shape[0] /= 3;
            snprintf(strstr(t[i].name, "qkv.bias"), 9, "q_bias");
        }
    }
    write_weights(more, t, k);
    char *got = captions(more, o, 8, 2);
    is(got, want, "BF16, and F32 with lm_head and LAVIS's biases: the same captions");
    free(got);
    /* An output layer of its own says something else. */
    for (int i = n; i < k; i++)
        if (strstr(t[i].name, "lm_head")) {
            float *v = keep(xmalloc(t[i].bytes));
            fill(v, &(struct entry){.bytes = t[i].bytes, .number = 5, .lo = -0.3f, .hi = 0.3f});
            t[i].data = v;
        }
    write_weights(more, t, k);
    got = captions(more, o, 8, 2);
    ok(strcmp(got, want) != 0, "an output layer of its own is used");
    free(got);
    while (n_kept > 0)
        free(kept[--n_kept]);
    free(want);
    free(half);
    free(more);
    free(t);
}

int main(void)
{
    if (!mkdtemp(temp))
        die("no temporary folder");
    setenv("XDG_CACHE_HOME", temp, 1);
    test_packed();
    test_refused();
    test_storage();
    char *rm = xasprintf("rm -rf %s", temp);
    ok(system(rm) == 0, "tidied up");
    free(rm);
    return done();
}
