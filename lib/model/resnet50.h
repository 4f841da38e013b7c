/* SPDX-License-Identifier: MIT */
/* ResNet-50 (He et al., "Deep Residual Learning for Image Recognition", in the form called v1.5:
 * stride 2 in the 3x3): a photo to the numbers before the classifier. Any ResNet of bottleneck
 * blocks works; depths and widths are read off the tensors.
 *
 *     struct resnet50 *m = resnet50_open("models/resnet-50", GEMM_F32, GEMM_AUTO, &e);
 *     struct resnet50_scratch *s = resnet50_scratch_new(m);      // one a thread
 *     resnet50_encode(v, &img, m, s);                            // v [resnet50_dim(m)]
 *
 * The folder holds model.safetensors with the names of Hugging Face (with or without
 * "resnet.") or of torchvision and timm. config.json, when there, must describe the same
 * network; a network that would compute something else is refused by name. Preprocessing is
 * that of preprocessor_config.json, else of the "pretrained_cfg" of config.json (timm), else
 * the default of the naming: Hugging Face 256 -> 224 bicubic, torchvision 256 -> 224 bilinear.
 * Pixels are byte for byte those of Pillow's resize and float for float those of the
 * Hugging Face processor (PIL backend) or of torchvision.
 *
 * Pictures are computed one by one on the calling thread, so that a vector depends on nothing
 * but the photo, the folder, the precision and the library that multiplies.
 */
#ifndef MM_MODEL_RESNET50_H
#define MM_MODEL_RESNET50_H
#include "image/decode.h"
#include "nn/gemm.h"

#define RESNET50_VERSION 1 /* of the arithmetic: part of a vector's identity */
#define RESNET50_SIDE 224 /* pixels a side that the network sees */

struct resnet50;
struct resnet50_scratch;

/* NULL with e on failure: a file that cannot be read or is damaged, another architecture,
 * weights that are not finite. */
struct resnet50 *resnet50_open(const char *dir, enum gemm_precision precision,
                               enum gemm_backend backend, struct err *e) MM_MUST_CHECK;
void resnet50_close(struct resnet50 *m); /* NULL is accepted */

int resnet50_dim(const struct resnet50 *m); /* 2048 for the real one */
/* SHA-256 [32] over the digest of the weights file, the preprocessing, the structure as read
 * and the precision; not over the library. Valid until close. */
const unsigned char *resnet50_digest(const struct resnet50 *m);
/* "256 -> 224 bicubic, crop floor"; valid until close. */
const char *resnet50_preprocessing(const struct resnet50 *m);

struct resnet50_scratch *resnet50_scratch_new(const struct resnet50 *m);
void resnet50_scratch_free(struct resnet50_scratch *s);

/* What the network sees of img: planes [3,224,224] in RGB order, normalised. */
void resnet50_pixels(float *planes, const struct image *img, const struct resnet50 *m);

/* out [dim]. Thread-safe with a scratch a thread. */
void resnet50_encode(float *out, const struct image *img, const struct resnet50 *m,
                     struct resnet50_scratch *s);

#endif
