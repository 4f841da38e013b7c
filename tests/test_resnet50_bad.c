/* SPDX-License-Identifier: MIT */
/* Folders that are no ResNet-50, or not quite: each refused with a sentence that says why. */
#include "model/resnet50.h"
#include "made_weights.h"
#include "tap.h"
#include <unistd.h>

static char tmp[64];
static struct safetensors *small; /* tiny-tv */

static void remove_file(const char *name)
{
    char *path = xasprintf("%s/%s", tmp, name);
    unlink(path);
    free(path);
}

/* Opens what lies in tmp; 1 when it is refused with the words in the sentence. */
static int refused(const char *words)
{
    struct err e = {""};
    struct resnet50 *m = resnet50_open(tmp, GEMM_F32, GEMM_OPENBLAS, &e);
    int good = !m && strstr(e.text, words);
    if (!good)
        printf("# wanted '%s', got '%s'\n", words, m ? "no error" : e.text);
    resnet50_close(m);
    return good;
}

static struct entry *named(struct entry *t, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(t[i].name, name) == 0)
            return &t[i];
    die("no tensor %s", name);
}

/* Writes the small network with one number of one tensor replaced. */
static void with_number(const char *name, float value)
{
    int n;
    struct entry *t = entries_of(small, &n), *at = named(t, n, name);
    float *copy = xmalloc(at->bytes);
    memcpy(copy, at->data, at->bytes);
    copy[at->bytes / sizeof *copy - 1] = value;
    at->data = copy;
    write_weights(tmp, t, n);
    free(copy);
    free(t);
}

/* Writes it with another name or shape of one tensor. */
static void with_shape(const char *name, const char *to, int rank, int64_t a, int64_t b, int64_t c,
                       int64_t d)
{
    int n;
    struct entry *t = entries_of(small, &n), *at = named(t, n, name);
    if (to)
        snprintf(at->name, sizeof at->name, "%s", to);
    if (rank) {
        int64_t shape[4] = {a, b, c, d};
        at->bytes = sizeof(float);
        at->rank = rank;
        for (int i = 0; i < rank; i++)
            at->bytes *= (size_t)(at->shape[i] = shape[i]);
        at->data = NULL;
    }
    write_weights(tmp, t, n);
    free(t);
}

static void unchanged(void)
{
    int n;
    struct entry *t = entries_of(small, &n);
    write_weights(tmp, t, n);
    free(t);
}

static void test_numbers(void)
{
    with_number("layer2.1.conv2.weight", NAN);
    ok(refused("layer2.1.conv2.weight"), "a weight that is not a number");
    with_number("bn1.bias", INFINITY);
    ok(refused("bn1.bias"), "an infinite weight");
    with_number("layer3.0.bn1.running_var", -1e-6f);
    ok(refused("layer3.0.bn1.: the variance is negative"), "a negative variance");
    with_number("layer3.0.bn1.weight", 3e38f);
    struct err e = {""};
    struct resnet50 *m = resnet50_open(tmp, GEMM_F32, GEMM_OPENBLAS, &e);
    ok(m || strstr(e.text, "beyond a float32"), "a scale of 3e38: %s", m ? "finite" : e.text);
    resnet50_close(m);
}

static void test_shapes(void)
{
    with_shape("layer1.0.conv2.weight", NULL, 4, 8, 4, 3, 3);
    ok(refused("no grouped convolutions"), "grouped convolutions");
    with_shape("layer1.0.conv2.weight", NULL, 4, 8, 8, 5, 5);
    ok(refused("no convolution of 3 x 3"), "another kernel");
    with_shape("layer1.0.conv2.weight", NULL, 1, 8, 0, 0, 0);
    ok(refused("no convolution of 3 x 3"), "another rank");
    with_shape("conv1.weight", NULL, 4, 16, 4, 7, 7);
    ok(refused("conv1.weight reads 4 channels, of 3"), "four colours");
    with_shape("layer4.0.bn3.weight", NULL, 1, 127, 0, 0, 0);
    ok(refused("layer4.0.bn3.weight"), "a batch norm too short");
    with_shape("layer4.0.downsample.0.weight", NULL, 4, 64, 96, 1, 1);
    ok(refused("layer4.0.downsample.1.weight"), "a shortcut too narrow");
    with_shape("conv1.weight", NULL, 4, 0, 3, 7, 7);
    ok(refused("makes 0 channels"), "no channels");
    with_shape("layer1.0.conv3.weight", "layer1.0.conv4.weight", 0, 0, 0, 0, 0);
    ok(refused("not the basic ones of two"), "basic blocks");
    with_shape("bn1.bias", "layer1.0.se.fc1.bias", 0, 0, 0, 0, 0);
    ok(refused("bn1.bias"), "a tensor renamed");
    with_shape("conv1.weight", "embeddings.word_embeddings.weight", 0, 0, 0, 0, 0);
    ok(refused("no ResNet"), "a text encoder");
}

/* Without any one of its tensors the file is refused; with one more, too. */
static void test_tensors(void)
{
    int n, good = 0;
    struct entry *t = entries_of(small, &n), *more = xcalloc((size_t)n + 1, sizeof *more);
    for (int i = 0; i < n; i++) {
        memcpy(more, t, (size_t)i * sizeof *t);
        memcpy(more + i, t + i + 1, (size_t)(n - 1 - i) * sizeof *t);
        write_weights(tmp, more, n - 1);
        good += refused("tensor") || refused("no ResNet");
    }
    ok(n == 100 && good == n, "without any one of %d tensors: %d refused", n, good);
    memcpy(more, t, (size_t)n * sizeof *t);
    more[n] = t[0];
    snprintf(more[n].name, sizeof more[n].name, "layer1.0.se.fc1.weight");
    write_weights(tmp, more, n + 1);
    ok(refused("layer1.0.se.fc1.weight belongs to another network"), "a tensor too many");
    snprintf(more[n].name, sizeof more[n].name, "fc.weight");
    write_weights(tmp, more, n + 1);
    struct err e = {""};
    struct resnet50 *m = resnet50_open(tmp, GEMM_F32, GEMM_OPENBLAS, &e);
    ok(m != NULL, "the classifier is left aside %s", e.text);
    resnet50_close(m);
    free(more);
    free(t);
}

static void test_configs(void)
{
    static const char *const config[][2] = {
        {"{\"model_type\":\"bert\"}", "\"model_type\" is \"bert\""},
        {"{\"model_type\":\"resnet\",\"layer_type\":\"basic\"}", "\"layer_type\" is \"basic\""},
        {"{\"model_type\":\"resnet\",\"hidden_act\":\"gelu\"}", "\"hidden_act\" is \"gelu\""},
        {"{\"model_type\":\"resnet\",\"downsample_in_bottleneck\":true}", "in_bottleneck"},
        {"{\"model_type\":\"resnet\",\"downsample_in_first_stage\":true}", "in_first_stage"},
        {"{\"model_type\":\"resnet\",\"depths\":[3,4,6,3]}", "\"depths\" says 3; the weights have 1"},
        {"{\"model_type\":\"resnet\",\"depths\":[1,2,1]}", "\"depths\" is no list of 4"},
        {"{\"model_type\":\"resnet\",\"hidden_sizes\":[32,64,96,256]}", "says 256; the weights"},
        {"{\"model_type\":\"resnet\",\"embedding_size\":64}", "says 64; the weights have 16"},
        {"{\"architecture\":\"resnetblur50\"}", "\"architecture\" is \"resnetblur50\""},
        {"{\"architecture\":\"resnet50\",\"model_args\":{\"aa_layer\":\"avg\"}}", "model_args"},
        {"{\"pretrained_cfg\":{\"input_size\":[3,288,288],\"crop_pct\":1}}", "[3,288,288]"},
        {"{\"pretrained_cfg\":{\"input_size\":[3,224,224],\"crop_pct\":2}}", "crop_pct"},
        {"{\"pretrained_cfg\":{\"input_size\":[3,224,224],\"crop_pct\":1,\"interpolation\":"
         "\"nearest\"}}", "\"interpolation\" is \"nearest\""},
        {"[]", "not a JSON object"},
    };
    static const char *const prep[][2] = {
        {"{\"size\":{\"shortest_edge\":384}}", "pictures of 384 pixels"},
        {"{\"size\":224,\"resample\":1}", "\"resample\" is 1"},
        {"{\"size\":224,\"do_normalize\":false}", "\"do_normalize\" is false"},
        {"{\"size\":224,\"feature_extractor_type\":\"ViTFeatureExtractor\"}", "ViTFeatureExtractor"},
        {"{\"size\":224,\"rescale_factor\":0.0078125}", "rescale_factor"},
        {"{\"size\":224,\"image_mean\":[0.5,0.5],\"image_std\":[0.5,0.5,0.5]}", "image_mean"},
        {"{\"size\":224,\"image_mean\":[0.5,0.5,0.5],\"image_std\":[0.5,0,0.5]}", "image_std"},
        {"{\"size\":224,\"crop_pct\":0}", "crop_pct"},
        {"{", "not a JSON object"},
    };
    unchanged();
    for (size_t i = 0; i < ARRAY_LEN(config); i++) {
        write_file(tmp, "config.json", config[i][0], strlen(config[i][0]));
        ok(refused(config[i][1]), "config.json: %s", config[i][1]);
    }
    remove_file("config.json");
    for (size_t i = 0; i < ARRAY_LEN(prep); i++) {
        write_file(tmp, "preprocessor_config.json", prep[i][0], strlen(prep[i][0]));
        ok(refused(prep[i][1]), "preprocessor_config.json: %s", prep[i][1]);
    }
    remove_file("preprocessor_config.json");
}

/* Bytes changed and files cut, in the header mostly: any answer but a crash. */
static void test_damage(void)
{
    struct buf b = {0};
    struct err e;
    struct rng r;
    int taken = 0, cut = 0;
    char *path = xasprintf("%s/model.safetensors", tmp);
    unchanged();
    if (buf_read_file(&b, path, 1 << 20, &e) < 0)
        die("%s", e.text);
    rng_seed(&r, 6, 0);
    for (int i = 0; i < 400; i++) {
        struct buf copy = {0};
        buf_add(&copy, b.data, b.len);
        size_t len = i % 4 ? b.len : rng_below(&r, (uint32_t)b.len);
        for (uint32_t j = 0; i % 4 && j < 1 + (uint32_t)i % 3; j++)
            copy.data[rng_below(&r, i % 2 ? 9000 : (uint32_t)b.len)] = (char)rng_u64(&r);
        write_file(tmp, "model.safetensors", copy.data, len);
        struct resnet50 *m = resnet50_open(tmp, GEMM_F32, GEMM_OPENBLAS, &e);
        taken += m && i % 4;
        cut += !m && i % 4 == 0;
        resnet50_close(m);
        buf_release(&copy);
    }
    ok(cut == 100 && taken < 290, "400 damaged files survived; 100 cut short all refused");
    buf_release(&b);
    remove_file("model.safetensors");
    ok(refused("model.safetensors"), "no weights");
    free(path);
}

int main(void)
{
    struct err e = {"?"};
    snprintf(tmp, sizeof tmp, "/tmp/test-resnet50.XXXXXX");
    small = safetensors_open("tests/golden/resnet/tiny-tv/model.safetensors", &e);
    if (!small || !mkdtemp(tmp))
        die("%s", e.text);
    test_numbers();
    test_shapes();
    test_tensors();
    test_configs();
    test_damage();
    safetensors_close(small);
    rmdir(tmp);
    return done();
}
