# file: lib/model/blip2_weights.c
# test: t_caption.sh
# without safetensors any packed file of the right sizes is the model
s/    return !of_this_digest(h, want);/    return !of_this_digest(want, want);/
