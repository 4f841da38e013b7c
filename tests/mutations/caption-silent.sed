# file: tools/caption_blip2.c
# test: t_caption.sh
# a model that says nothing is a defect of the data
s/STAGE_FOR_GOOD : STAGE_DEFECT/STAGE_DEFECT : STAGE_DEFECT/
