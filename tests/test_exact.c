/* SPDX-License-Identifier: MIT */
/* The sources of training compiled in double (Makefile, EXACT_SRC) against PyTorch float64:
 * what float would forgive, a mistake in a gradient or a step, is far outside these bounds. */
#include "golden/train/torch.h"

int main(void)
{
    static const struct torch_bounds bounds = {1e-12, 1e-12, 1e-10, 1e-12};
    ok(sizeof(real) == sizeof(double), "trained in double");
    torch_dlrm("dlrm_dot64.bin", 24,
               &(struct dlrm_config){.n_dense = 5, .bag = 4, .n_categories = 9, .n_blocks = 2,
                                     .dim = 32, .bottom = 8, .top = {8, 4}},
               bounds);
    torch_dlrm("dlrm_cat64.bin", 37,
               &(struct dlrm_config){.n_dense = 3, .bag = 4, .n_categories = 9, .n_blocks = 2,
                                     .dim = 6, .bottom = 5, .top = {7, 4}, .variant = DLRM_CAT},
               bounds);
    torch_mlp("mlp_tanh64.bin", MLP_TANH, bounds);
    torch_mlp("mlp_relu64.bin", MLP_RELU, bounds);
    return done();
}
