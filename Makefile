# Skeleton: grows with the tree.
CC ?= gcc
PKGS = libpq libevent libedit jansson
CFLAGS ?= -O2 -g
WARN = -std=c11 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wformat=2 -Wvla -Werror
CPPFLAGS += -D_GNU_SOURCE -Isrc -Ibuild/gen $(shell pkg-config --cflags $(PKGS))
LIBS = $(shell pkg-config --libs $(PKGS)) -lmd
B ?= build

NODE_SRC = $(filter-out src/main.c,$(wildcard src/*.c))
NODE_OBJ = $(NODE_SRC:src/%.c=$(B)/obj/%.o)

all: $(B)/pgdevstated
$(B)/obj/%.o: src/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(WARN) -MMD -MP -c -o $@ $<
$(B)/libnode.a: $(NODE_OBJ)
	@rm -f $@; ar rcs $@ $^
$(B)/pgdevstated: $(B)/obj/main.o $(B)/libnode.a
	$(CC) $(CFLAGS) -o $@ $^ $(LIBS)
-include $(wildcard $(B)/obj/*.d)
