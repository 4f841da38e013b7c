/* SPDX-License-Identifier: MIT */
/* Writes DIR/model.safetensors: a ResNet-50 of full size with made-up weights. usage:
 * full_resnet DIR */
#include "../tests/resnet50_full.h"

int main(int argc, char **argv)
{
    if (argc != 2)
        die_usage("full_resnet DIR");
    write_full(argv[1]);
    return close_stdout(EXIT_DONE);
}
