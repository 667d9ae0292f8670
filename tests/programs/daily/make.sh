# SPDX-License-Identifier: MIT
# make.sh - a small project with make -j: a jobserver, make within make, failures
mkdir src
for i in $(seq 12); do echo "int f$i(void) { return $i; }" >src/f$i.c; done
{ for i in $(seq 12); do echo "int f$i(void);"; done
  echo '#include <stdio.h>'; echo 'int main(void) { int s = 0;'
  for i in $(seq 12); do echo "s += f$i();"; done; echo 'printf("%d\n", s); return 0; }'; } >src/main.c
cat >src/Makefile <<'END'
objects := $(patsubst %.c,%.o,$(wildcard *.c))
sum: $(objects)
	@$(CC) -o $@ $^
%.o: %.c
	@$(CC) -O1 -c -o $@ $<
clean:
	@rm -f $(objects) sum
END
cat >Makefile <<'END'
all: parts
	@$(MAKE) -s -C src
	@./src/sum
parts: p1 p2 p3 p4 p5 p6
p1 p2 p3 p4 p5 p6:
	@sleep 0.05; touch $@
bad: b1 b2 b3
b1: ; @exit 3
b2: ; @touch $@
b3: ; @touch $@
lines := $(shell seq 5)
show: ; @echo $(lines)
END
make -s -j4; echo "made: $?"
make -s -j4 -C src clean; make -s -j2 -C src && src/sum
make -s -k -j2 bad 2>/dev/null; echo "failed: $?"; ls b2 b3
make -s show
make -s -j3 -O p1 p2; make -n all | grep -c make
printf 'x:\n\t@kill -TERM $$$$\n' >killed; make -s -f killed 2>/dev/null; echo "killed: $?"
(timeout -s INT 0.5 make -s -f /dev/stdin slow <<'END'
slow: ; @sleep 30 || :
END
) 2>/dev/null; echo "interrupted: $?"
