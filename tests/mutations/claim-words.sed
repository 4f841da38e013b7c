# file: lib/report/report_claim.c
# test: t_report.sh
# an interval around zero is told as a difference
s/return hi < 0 ? -1 : lo > 0 ? 1 : 0;/return lo < 0 ? -1 : 1;/
