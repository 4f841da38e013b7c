# file: lib/llm/key.c
# test: test_http
# a key that others may read is taken
s/st.st_mode \& 077/st.st_mode \& 0/
