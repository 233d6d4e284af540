/* Walks a program: a flat list of instructions, each [kernel, length in words, words...]. */
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
    ;

/* The kernels' names in the order of their numbers, one a line, and how many bytes that is. */
__attribute__((export_name("names"))) const char *names(void) { return NAMES; }
__attribute__((export_name("names_size"))) u32 names_size(void) { return sizeof NAMES - 1; }

static inline void dispatch(const Word *w, Team *t) {
    switch (w[0].u) {
#define K(name)           \
    case OP_##name:       \
        name(w + 2, t);   \
        break;
#include "kernels.def"
#undef K
    }
}

/* report: ends the job if a kernel wrote something there. All threads see the same, and the barrier behind this
 * instruction keeps the report as it is until all have looked. */
KERNEL(stop_if) { t->stopped = ints(w[0])[0] != 0; }

/* All replays of a job, on this thread. Before each one, thread 0 puts its row of dynamic parameters into the slots. */
void run_job(const Job *job, Team *t) {
    t->stopped = 0;
    for (u32 step = 0; step < job->steps && !t->stopped; step++) {
        t->step = step;
        if (job->dynamics && !t->index)
            memcpy(job->slots, job->dynamics + (size_t)step * job->slot_count, job->slot_count * sizeof(f64));
        barrier(t);
        for (const Word *w = job->code; w < job->end && !t->stopped; w += w[1].u) {
            dispatch(w, t);
            barrier(t);
        }
    }
}
