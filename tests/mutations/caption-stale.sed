# file: tools/caption_photos.c
# test: t_caption.sh
# what was said of the picture that a photo was before stays in use
s/IS NOT hex(b.digest))";/IS NOT hex(b.digest) AND 0)";/
