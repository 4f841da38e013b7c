# file: tools/caption_blip2.c
# test: t_caption.sh
# every photo of some bytes is captioned for itself
s/^    FIRST_OF_THEM "GROUP BY 1"/    "GROUP BY 1"/; s/CAPTION_FROM_PHOTOS FIRST_OF_THEM/CAPTION_FROM_PHOTOS/
