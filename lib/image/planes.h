/* SPDX-License-Identifier: MIT */
/* RGB bytes to the normalised planes that networks read.
 *
 *     float value[3][256];
 *     image_byte_values(value, mean, std);
 *     image_planes(planes, rgb, 224 * 224, value);
 */
#ifndef MM_IMAGE_PLANES_H
#define MM_IMAGE_PLANES_H
#include <stddef.h>

/* value[c][byte] = (byte / 255 - mean[c]) / std[c], every step a float32 as in torchvision. The
 * Hugging Face processor multiplies by 1/255 in double instead of dividing: for all 256 bytes
 * the same number. */
void image_byte_values(float value[3][256], const double mean[3], const double std[3]);

/* rgb [pixels,3] -> planes [3,pixels]. No overlap. */
void image_planes(float *planes, const unsigned char *rgb, size_t pixels,
                  const float value[3][256]);

#endif
