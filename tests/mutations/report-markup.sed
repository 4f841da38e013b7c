# file: lib/report/doc.c
# test: t_report.sh
# the report takes a name for markup
s/case '<': fputs("&lt;", f)/case '<': fputs("<", f)/
