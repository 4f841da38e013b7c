# file: lib/train/adam.c
# test: test_exact
# weight decay forgets the learning rate
s/(real)(1 - lr \* decay)/(real)(1 - decay \/ 20)/
