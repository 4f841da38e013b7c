/* SPDX-License-Identifier: MIT */
#include "train/mlp.h"
#include "golden/train/torch.h"

/* Two blocks looked up by row, dropout on; then saving. */
static void test_blocks(void)
{
    enum { N = 150, A = 10, B = 5 };
    float a[20 * A], b[7 * B], z[N], z2[N], f[N * 6];
    int row_a[N], row_b[N], ids[N];
    unsigned char label[N];
    struct rng r;
    struct err e = {{0}};
    struct trainer_tensor t[MLP_TENSORS];
    rng_seed(&r, 2, 0);
    for (int i = 0; i < 20 * A; i++)
        a[i] = rng_normal(&r);
    for (int i = 0; i < 7 * B; i++)
        b[i] = rng_normal(&r);
    for (int i = 0; i < N; i++) {
        row_a[i] = (int)rng_below(&r, 20);
        row_b[i] = (int)rng_below(&r, 8) - 1;
        label[i] = rng_uniform(&r) < 0.5f;
        ids[i] = i;
    }
    struct samples_block block[2] = {{a, 20, A, row_a}, {b, 7, B, row_b}};
    struct samples s = {.n = N, .label = label, .n_blocks = 2, .blocks = block};
    struct mlp_config c = {A + B, 9, 6, MLP_TANH, 0.25f};
    struct mlp *m = mlp_new(&c, 3, &e);
    ok(m && samples_check(&s, &e) == 0 && mlp_bind(m, &s, &e) == 0, "two blocks %s", e.text);
    struct trainer_model tm = mlp_model(m);
    int nt = mlp_tensors(m, t);
    for (int k = 0; k < t[1].rows; k++)
        tm.params[t[1].at + k] = k % 2 ? 3 : -3; /* away from the kink */
    for (int i = 0; i < nt; i++) {
        double error = golden_gradient(&tm, &t[i], ids, N, 5);
        ok(error < 1e-3, "gradient of %s (%.1e)", t[i].name, error);
    }
    mlp_logits(m, z, ids, N);
    int same = 1;
    for (int i = 0; i < N; i += 13) {
        mlp_logits(m, z2, &i, 1);
        same &= memcmp(z2, &z[i], sizeof *z) == 0;
    }
    ok(same, "a row's logit is the same bits alone and in a batch");
    mlp_features(m, f, ids, N);
    double top = tm.params[t[5].at];
    for (int k = 0; k < 6; k++)
        top += (double)tm.params[t[4].at + k] * f[149 * 6 + k];
    near(top, z[149], 1e-5, "the logit is a weighted sum of the features");

    struct buf saved = {0};
    mlp_save(m, &saved);
    struct mlp *k = mlp_load(saved.data, saved.len, &e);
    ok(k && mlp_bind(k, &s, &e) == 0, "saved and loaded");
    mlp_logits(k, z2, ids, N);
    ok(memcmp(z, z2, sizeof z) == 0, "a loaded model computes the same bits");
    ok(!mlp_load(saved.data, saved.len - 1, &e), "cut file: %s", e.text);
    saved.data[11] = 127;
    ok(!mlp_load(saved.data, saved.len, &e), "wild sizes: %s", e.text);
    s.n_blocks = 1;
    ok(mlp_bind(m, &s, &e) < 0, "another shape: %s", e.text);
    buf_release(&saved);
    mlp_free(k);
    mlp_free(m);
}

int main(void)
{
    static const struct torch_bounds bounds = {1e-5, 1e-5, 1e-4, 1e-6};
    torch_mlp("mlp_tanh.bin", MLP_TANH, bounds);
    torch_mlp("mlp_relu.bin", MLP_RELU, bounds);
    test_blocks();
    return done();
}
