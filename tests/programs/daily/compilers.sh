# SPDX-License-Identifier: MIT
# compilers.sh - gcc and its children, with pipes, files, link-time optimisation and response files
cat >hello.c <<'END'
#include <stdio.h>
int main(int argc, char **argv) { printf("hello %d %s\n", argc, argv[0]); return 0; }
END
cat >hello.cpp <<'END'
#include <algorithm>
#include <iostream>
#include <vector>
int main() { std::vector<int> v{3, 1, 2}; std::sort(v.begin(), v.end()); for (int i : v) std::cout << i << '\n'; }
END
gcc -O2 -o hello hello.c && ./hello
gcc -pipe -O2 -g -o piped hello.c && ./piped
gcc -save-temps=obj -O1 -c -o kept.o hello.c && ls kept*
gcc -flto=2 -O2 -o lto hello.c && ./lto
g++ -pipe -O1 -o sorted hello.cpp && ./sorted
echo '-O1 -c hello.c -o response.o' >words; gcc @words; ar rcs lib.a response.o; ar t lib.a; nm lib.a | grep -c main
echo 'int main(void) { return x; }' | gcc -x c - -o none 2>&1 | grep -c error
echo "failed: ${PIPESTATUS[1]}"
gcc -E -dM - </dev/null | grep -c __GNUC__
objdump -d hello | grep -c '<main>:'; strip -o stripped hello; ./stripped
