# file: lib/nn/panel_body.inc
# test: test_engine
# the odd k of a pair of weights are those of the even
s/(NAME(vec))(pair\[j\] & 0xffff0000u)/(NAME(vec))(pair[j] << 16)/
