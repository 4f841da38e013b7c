# file: lib/db/migrate.c
# test: test_db
# the version is raised without its step
s/for (int v = from; v </for (int v = from + 1; v </
