# file: lib/db/digest.c
# test: t_digest.sh
# the digest of predictions leaves out the probability
s/w\.rating, p\.p\\n/w.rating\\n/
