/* Walks a program: a flat list of instructions, each [kernel, length in words, words...].
 * tools/simd.py generates two files: kernels.def, K(name) for every KERNEL(name) of all sources in the order of their
 * numbers, and enumerations.h, what Python declares.
 */
#include "enumerations.h"
#include "loom.h"
#include "threads.h"

#define K(name) KERNEL(name);
#include "kernels.def"
#undef K

enum {
#define K(name) OP_##name,
#include "kernels.def"
#undef K
    OP_COUNT
};

static const char NAMES[] =
#define K(name) #name "\n"
#include "kernels.def"
#undef K
    ENUMERATION_LINES;

/* The kernels' names in the order of their numbers, one per line, then `enumeration:` and `enumeration:member` for each
 * member in the order of theirs; and the size in bytes. */
__attribute__((export_name("names"))) const char *names(void) { return NAMES; }
__attribute__((export_name("names_size"))) u32 names_size(void) { return sizeof NAMES - 1; }

void dispatch(const Word *w, Team *t) {
    switch (w[0].u) {
#define K(name) \
    case OP_##name: name(w + 2, t); break;
#include "kernels.def"
#undef K
    }
}

/* report: ends the run if a kernel has written to it. */
KERNEL(stop_if) { t->stopped = ints(w[0])[0] != 0; }
