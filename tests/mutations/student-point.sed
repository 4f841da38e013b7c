# file: schema.sql
# test: test_compare
# a point of the t distribution is wrong
s/(4, 2\.776445105)/(4, 2.796445105)/
