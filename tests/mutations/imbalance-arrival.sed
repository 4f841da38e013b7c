# file: lib/train/dataset.c
# test: test_dataset
# which negatives are left out depends on the order that the rows came in
s/"LEFT JOIN content c ON c.id = r.content_id\\n"/"LEFT JOIN content c ON c.id < 0\\n"/; s/c\.digest, r\.rating, r\.line/r.nth/
