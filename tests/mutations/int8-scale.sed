# file: lib/nn/panel_body.inc
# test: test_engine
# widened bytes take the scales of other columns
s/SCALES(WORDS(scales + c), n % 2)/SCALES(WORDS(scales), n % 2)/
