# file: tools/mm-llm-summarize.c
# test: t_llm.sh
# an edited prompt of prices goes unnoticed
s/OR p.recipe IS NOT :price_recipe))/OR (0 AND :price_recipe)))/
